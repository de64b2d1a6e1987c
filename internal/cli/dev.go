package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"scopegate/internal/dev"
	"scopegate/internal/yamljson"
	"scopegate/mapping"
)

const devLong = `Runs the whole of Scopegate in one process: an API Gateway as a REST API with a TOKEN
authorizer (under /{stage}/…) and as an HTTP API (payload 2.0), the real authorizer
behind both, the admin API, and an identity provider that looks like Entra ID and
hands a token to whoever asks.

Both gateways serve every table of the store. A request is for the API whose id is the
first label of its host name ({apiId}.localhost); any other name is the first API's, or
that of --api. An empty store is filled with an example, or with --document FILE.

CACHE_TTL and the other settings count as in Lambda; those that name identity providers
are replaced by the local one. AWS_ENDPOINT_URL_DYNAMODB keeps the tables in DynamoDB.

A change made with --dev counts after CACHE_TTL for new callers, and after 30s more for callers
whose policy a gateway has cached: the gateways' caches are flushed after it, twice. With
FLUSH_AUTHORIZER_CACHE=off that takes --authorizer-ttl.

Requests are listed on standard error. Ctrl-C ends it in good order, a second one at once.

` + exitCodes

const devExample = `  scopegate dev
  scopegate dev --data .scopegate --document permissions.json --complete
  CACHE_TTL=1s scopegate dev --authorizer-ttl 0s --backend http://127.0.0.1:3000
  scopegate dev --json --rest-addr 127.0.0.1:0 --http-addr 127.0.0.1:0 --admin-addr 127.0.0.1:0 --issuer-addr 127.0.0.1:0`

// devFlags are the flags of dev.
type devFlags struct {
	dev.Options
	backend, document string
	complete, asJSON  bool
}

func (p *program) devCommand() *cobra.Command {
	var o devFlags
	cmd := &cobra.Command{
		Use:     "dev",
		Short:   "Run API Gateway, authorizer, admin API, store and identity provider on this machine",
		Long:    devLong,
		Example: devExample,
		Args:    cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&o.RESTAddr, "rest-addr", "127.0.0.1:8080", "address of the REST API; port 0 picks a free one")
	f.StringVar(&o.HTTPAddr, "http-addr", "127.0.0.1:8081", "address of the HTTP API")
	f.StringVar(&o.AdminAddr, "admin-addr", "127.0.0.1:8082", "address of the admin API, loopback only")
	f.StringVar(&o.IssuerAddr, "issuer-addr", "127.0.0.1:8083", "address of the identity provider, loopback only")
	f.DurationVar(&o.AuthorizerTTL, "authorizer-ttl", 300*time.Second, "how long the gateways keep a policy, whole seconds, 0s to 3600s")
	f.StringVar(&o.TokenRegex, "token-regex", dev.DefaultTokenRegex, `token validation expression of the REST API; "" for none`)
	f.StringVar(&o.backend, "backend", "", "URL that allowed requests are passed on to (default an echo)")
	f.StringVar(&o.API, "api", "", "id or ARN of the API that is served under any host name (default the first)")
	f.StringVar(&o.Data, "data", "", "folder that keeps the tables (default a temporary one)")
	f.StringVar(&o.document, "document", "", "JSON array of permissions to load; - is standard input")
	f.BoolVar(&o.complete, "complete", false, "the document lists every route of its APIs")
	f.BoolVar(&o.asJSON, "json", false, "print one line of JSON when ready, and nothing else on standard output")
	cmd.RunE = running(func(cmd *cobra.Command, _ []string) error {
		options, err := p.devOptions(o)
		if err != nil {
			return err
		}
		err = p.dev(cmd.Context(), options, o.asJSON)
		if errors.Is(err, context.Canceled) && cmd.Context().Err() != nil { // Ctrl-C during the start
			p.ending()
			return nil
		}
		return err
	})
	return cmd
}

// devOptions reads what the flags name.
func (p *program) devOptions(f devFlags) (dev.Options, error) {
	o := f.Options
	o.Environ, o.Log = p.environ, p.stderr
	if f.complete && f.document == "" {
		return o, usage(fmt.Errorf("--complete: must be given with --document"))
	}
	var err error
	if f.backend != "" {
		if o.Backend, err = url.Parse(f.backend); err != nil {
			return o, usage(fmt.Errorf("--backend: must be a URL such as http://127.0.0.1:3000"))
		}
	}
	if f.document == "" {
		return o, nil
	}
	if o.Document, o.Source, err = p.readPermissions(f.document, f.complete); err != nil {
		return o, err
	}
	if len(o.Document) == 0 {
		o.Document = []mapping.Permission{} // it is a document: the example does not take its place
		fmt.Fprintf(p.stderr, "%s holds no permission: nothing is loaded.\n", f.document)
	}
	return o, nil
}

// readPermissions reads a file of permissions. source is its hash if it is
// complete.
func (p *program) readPermissions(name string, complete bool) (list []mapping.Permission, source string, err error) {
	b, err := p.readFile(name)
	if err != nil {
		return nil, "", err
	}
	list, err = mapping.ParsePermissions(b)
	if err != nil {
		if text, e := yamljson.ToJSON(b, maxInput); e == nil && isDocument(text) {
			err = errors.New("is the document of a whole table, as export prints it, and no list of permissions: scopegate apply takes it")
		}
		return nil, "", negative(fmt.Errorf("%s: nothing was written:\n%w", name, err))
	}
	if complete {
		source = hash(b)
	}
	return list, source, nil
}

// ending is the last line of dev.
func (p *program) ending() { fmt.Fprintln(p.stderr, "Ending. Ctrl-C again ends it at once.") }

func (p *program) dev(ctx context.Context, o dev.Options, asJSON bool) error {
	p.warnUnknown()
	stack, err := dev.Start(ctx, o)
	if err != nil {
		return err
	}
	defer stack.Close()
	ready, err := stack.Ready(ctx)
	if err != nil {
		return err
	}
	for _, name := range stack.Ignored() {
		fmt.Fprintf(p.stderr, "%s of the environment is replaced by the local provider's.\n", name)
	}
	if asJSON {
		line, err := json.Marshal(ready)
		if err != nil {
			return err
		}
		fmt.Fprintln(p.stdout, string(line))
	} else {
		fmt.Fprint(p.stdout, p.banner(ready, o.Document == nil))
	}
	select {
	case <-ctx.Done():
	case err = <-stack.Failed():
		return err
	}
	p.ending()
	return stack.Close()
}

// try is a command to paste, and what comes of it.
type try struct{ outcome, command string }

// banner is what a person sees first.
func (p *program) banner(r dev.Ready, seeded bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Scopegate is running.\n\n")
	for _, line := range [][2]string{
		{"REST API", r.RESTURL}, {"HTTP API", r.HTTPURL}, {"Admin API", r.AdminURL + "/v1/openapi.json"},
		{"Identity provider", r.IssuerURL + "/" + r.Tenant + "/v2.0"}, {"Tenant", r.Tenant}, {"Audience", r.Audience}, {"Tables", r.Store},
	} {
		fmt.Fprintf(&b, "  %-18s %s\n", line[0], line[1])
	}
	fmt.Fprintln(&b)
	for _, api := range r.APIs {
		fmt.Fprintf(&b, "  %s stage %s\n", api.ARN, api.Stage)
		for _, u := range []string{api.RESTURL, api.HTTPURL} {
			if u != "" {
				fmt.Fprintf(&b, "    %s\n", u)
			}
		}
	}
	if tries := p.tries(r); seeded && tries != nil {
		fmt.Fprintf(&b, "\nTry in another terminal:\n")
		for _, t := range tries {
			fmt.Fprintf(&b, "\n  %s\n    %s\n", t.outcome, t.command)
		}
	}
	cached := r.AuthorizerTTL
	if r.Flushed != "" {
		cached = r.Flushed
	}
	fmt.Fprintf(&b, "\nA change of a mapping counts after %s for new callers, after %s for callers whose policy is cached.\n", r.CacheTTL, cached)
	return b.String()
}

// tries are commands about the seeds; nil if they are not what is served.
func (p *program) tries(r dev.Ready) []try {
	if len(r.APIs) == 0 || r.APIs[0].ARN != dev.SeedAPI.ARN || r.APIs[0].Stage != dev.SeedAPI.Stage {
		return nil
	}
	rest, http := r.APIs[0].RESTURL, r.APIs[0].HTTPURL
	curl := func(flags, url string) string {
		return `curl -si -w "\n" -H "Authorization: Bearer $(` + p.name + " token --issuer " + r.IssuerURL + flags + `)" ` + url
	}
	entry := fmt.Sprintf(`[{"arn":%q,"stage":%q,"httpVerb":"GET","resource":"invoices","scope":"email"}]`, dev.SeedAPI.ARN, dev.SeedAPI.Stage)
	return []try{
		{"200: my-resource with the scope email", curl(" --scope email", rest+"/my-resource")},
		{"200: the same through the HTTP API", curl(" --scope email", http+"/my-resource")},
		{"403: without the scope, with an explicit deny", curl(" --scope orders.read", rest+"/my-resource")},
		{"401: an expired token", curl(" --scope email --expired", rest+"/my-resource")},
		{"401: a forged token", curl(" --scope email --forged", rest+"/my-resource")},
		{"401: no JWT, refused without a call of the authorizer", `curl -si -w "\n" -H "Authorization: Bearer ThisIsNotAJWT" ` + rest + "/my-resource"},
		{"200 and 200: the second route is answered from the cached policy, without a call", `TOKEN="$(` + p.name + " token --issuer " + r.IssuerURL + ` --scope email --scope orders.read)"; ` +
			`curl -si -w "\n" -H "Authorization: Bearer $TOKEN" ` + rest + `/my-resource; curl -si -w "\n" -H "Authorization: Bearer $TOKEN" ` + rest + "/orders/7"},
		{"403: orders/export is more specific than orders/{id} and needs another scope", curl(" --scope orders.read", rest+"/orders/export")},
		{"A new mapping, written while this runs", `echo ` + quote(entry) + ` | ` + p.name + " import --dev " + r.AdminURL + " -"},
		{"Why a call is allowed or denied", p.name + " explain --dev " + r.AdminURL + " --scope email --api " + dev.SeedAPI.ARN + " --stage " + dev.SeedAPI.Stage + " GET /my-resource"},
	}
}
