package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/spf13/cobra"

	"scopegate/internal/adminclient"
	"scopegate/internal/config"
	"scopegate/internal/dev"
	"scopegate/internal/flush"
	"scopegate/internal/opentable"
	"scopegate/store"
)

// where are the flags that name the tables to work on.
type where struct {
	data, dev, admin, tokenCommand string
	direct                         bool
}

func (w *where) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&w.admin, "admin", "", "URL of the admin API (default SCOPEGATE_ADMIN)")
	f.StringVar(&w.tokenCommand, "token-command", "", "command that prints an access token for --admin (default SCOPEGATE_TOKEN_COMMAND)")
	f.StringVar(&w.data, "data", "", "folder of the embedded store")
	f.StringVar(&w.dev, "dev", "", "URL of the admin port of a running scopegate dev")
	f.BoolVar(&w.direct, "direct", false, "the DynamoDB table itself, although SCOPEGATE_ADMIN is set")
	cmd.MarkFlagsMutuallyExclusive("data", "dev", "admin", "direct")
	for _, other := range []string{"data", "dev", "direct"} {
		cmd.MarkFlagsMutuallyExclusive("token-command", other)
	}
}

const whereText = `The tables are those of the admin API at --admin URL (or SCOPEGATE_ADMIN), of the running
scopegate dev at --dev URL, of the folder --data DIR, or else of the DynamoDB table itself
that the settings name (TABLE_NAME, AWS_REGION, AWS_ENDPOINT_URL_DYNAMODB). The admin API's
access token is SCOPEGATE_TOKEN's, or what --token-command (or SCOPEGATE_TOKEN_COMMAND)
prints. Changes of a folder or of DynamoDB itself flush no cache of API Gateway, and are
recorded as made directly.`

// named fills in what the environment names; flags come first.
func (p *program) named(at where) where {
	if at.data == "" && at.dev == "" && at.admin == "" && !at.direct {
		at.admin = p.env("SCOPEGATE_ADMIN")
	}
	at.tokenCommand = cmp.Or(at.tokenCommand, p.env("SCOPEGATE_TOKEN_COMMAND"))
	return at
}

// access says what a connection is for.
type access uint8

const (
	reading access = iota
	writing        // names who writes; makes the folder of --data
)

// connection is a way to the tables: the admin API over the network, or the same
// within this process.
type connection struct {
	*adminclient.Client
	settings config.Settings // that decisions depend on: dev's own, or the environment's
	tables   store.Tables    // the same tables, for what needs no more
	direct   bool            // no admin API stands in front
	by       string          // who makes direct changes, for the audit trail
	close    func() error
}

// connect opens the tables that the flags name. role says which settings are
// needed beside.
func (p *program) connect(ctx context.Context, at where, a access, role config.Role) (*connection, error) {
	at = p.named(at)
	switch {
	case at.dev != "":
		return p.connectDev(ctx, at.dev)
	case at.admin != "":
		return p.connectAdmin(at)
	}
	return p.connectStore(ctx, at.data, a, role)
}

// connectAdmin needs no setting; those that a decision depends on are taken from
// the environment all the same.
func (p *program) connectAdmin(at where) (*connection, error) {
	settings, err := p.settings(config.Store)
	if err != nil {
		return nil, err
	}
	client, err := adminclient.New(adminclient.Options{URL: at.admin, Token: p.bearer(at.tokenCommand)})
	if err != nil {
		return nil, usage(fmt.Errorf("--admin: %w", err))
	}
	return remoteConnection(client, settings), nil
}

func remoteConnection(client *adminclient.Client, settings config.Settings) *connection {
	return &connection{Client: client, settings: settings, tables: newRemote(client), close: func() error {
		client.Close()
		return nil
	}}
}

// devAdmin changes tables with --dev. He is not the user of whom scopegate token
// gets tokens: revoking that one must not end the command's own.
const devAdmin = "aaaaaaaa-0000-4000-8000-0000000000ad"

// connectDev gets an admin's token from the local provider.
func (p *program) connectDev(ctx context.Context, devURL string) (*connection, error) {
	ready, err := readyOf(ctx, devURL)
	if err != nil {
		return nil, err
	}
	var environ []string
	for name, value := range ready.Settings {
		environ = append(environ, name+"="+value)
	}
	settings, err := config.Load(environ, config.Authorizer)
	if err != nil {
		return nil, err
	}
	client, err := adminclient.New(adminclient.Options{
		URL: devURL,
		Token: func(ctx context.Context, _ bool) (string, error) {
			answer, err := mint(ctx, ready.IssuerURL, url.Values{
				"audience": {ready.AdminAudience}, "scopes": {ready.AdminScope}, "roles": {ready.AdminRole}, "app": {"false"}, "oid": {devAdmin},
			})
			return answer.AccessToken, err
		},
	})
	if err != nil {
		return nil, usage(fmt.Errorf("--dev: %w", err))
	}
	return remoteConnection(client, settings), nil
}

func (p *program) connectStore(ctx context.Context, data string, a access, role config.Role) (*connection, error) {
	settings, err := p.settings(role)
	if err != nil {
		return nil, err
	}
	by := localPrincipal()
	if a == writing {
		if by, err = p.directPrincipal(ctx, data); err != nil {
			return nil, err
		}
	}
	s, err := openStore(ctx, settings, data, a == writing)
	if err != nil {
		return nil, err
	}
	client, err := newDirect(s, by, settings)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return &connection{Client: client, settings: settings, tables: s, direct: true, by: by, close: s.Close}, nil
}

// flushed is what was said of caches when c.tables last made a change.
func (c *connection) flushed() flush.Result {
	if r, ok := c.tables.(*remote); ok {
		return r.flushed
	}
	return flush.Result{Flush: "off"}
}

// openStore opens a folder's or DynamoDB's tables.
func openStore(ctx context.Context, settings config.Settings, data string, make bool) (store.Store, error) {
	if data == "" {
		return opentable.Open(ctx, opentable.Settings{Table: settings.TableName, Quiet: true})
	}
	if _, err := os.Stat(filepath.Join(data, dev.DataFile)); err != nil && !make {
		return nil, negative(fmt.Errorf("--data %q: must be a folder that scopegate dev or import has made: %w", data, err))
	}
	return dev.OpenData(data)
}

// printFlush tells when a change counts: what the admin API said of caches.
func (p *program) printFlush(c *connection, f flush.Result) {
	const until = "policies that API Gateway has cached count until they end (the authorizer's TTL)"
	switch {
	case f.Flush == "": // no decision becomes another
	case c.direct:
		fmt.Fprintf(p.stderr, "not flushed: authorizers follow within their CACHE_TTL; %s.\n", until)
	case f.EffectiveBy != nil:
		fmt.Fprintf(p.stderr, "API Gateway's caches are being flushed: in effect by %s.\n", f.EffectiveBy.Local().Format(time.RFC3339))
	default:
		fmt.Fprintf(p.stderr, "not flushed (%s): the change is made, and %s.\n", printable(strings.Trim(f.Flush+": "+f.Reason, ": ")), until)
	}
}

// bearer finds the access token: of the environment, or of a command, which is
// run once more if the API refuses its token.
func (p *program) bearer(command string) func(context.Context, bool) (string, error) {
	return func(ctx context.Context, _ bool) (string, error) {
		if raw := strings.TrimSpace(p.env("SCOPEGATE_TOKEN")); raw != "" {
			return raw, nil
		}
		if command == "" {
			return "", usage(errors.New("no access token for the admin API: must be given as SCOPEGATE_TOKEN, or by --token-command, " +
				`such as "az account get-access-token --resource api://… --query accessToken -o tsv"`))
		}
		return p.runTokenCommand(ctx, command)
	}
}

// Bounds of a token command: a person may have to sign in meanwhile.
const (
	tokenCommandTimeout = 3 * time.Minute
	maxTokenOutput      = 64 << 10 // bytes
)

// runTokenCommand runs a command line by the shell. What it prints is the token
// and is repeated nowhere; what it complains about is shown as it is.
func (p *program) runTokenCommand(ctx context.Context, line string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenCommandTimeout)
	defer cancel()
	shell := []string{"sh", "-c", line}
	if runtime.GOOS == "windows" {
		shell = []string{"cmd", "/C", line}
	}
	var out limited
	command := exec.CommandContext(ctx, shell[0], shell[1:]...)
	command.Env, command.Stdout, command.Stderr = p.environ, &out, p.stderr
	command.WaitDelay = time.Second
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("run the command of --token-command: %w", err)
	}
	raw := strings.TrimSpace(out.kept.String())
	if raw == "" || len(raw) > maxTokenOutput {
		return "", fmt.Errorf("the command of --token-command must print an access token and nothing else, it prints %d bytes", out.written)
	}
	return raw, nil
}

// limited keeps the beginning of what is written.
type limited struct {
	kept    bytes.Buffer // not embedded: its ReadFrom would read everything
	written int
}

func (l *limited) Write(b []byte) (int, error) {
	l.written += len(b)
	if room := maxTokenOutput + 1 - l.kept.Len(); room > 0 {
		l.kept.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}

// sdkError says in our words what the AWS SDK tells of a machine on which it is
// not set up.
func (p *program) sdkError(err error) error {
	const elsewhere = "; or name other tables with --admin URL, --dev URL or --data DIR"
	var profile awsconfig.SharedConfigProfileNotExistError
	if err == nil || errors.As(err, new(coded)) {
		return err
	}
	if errors.As(err, &profile) {
		return usage(fmt.Errorf("AWS_PROFILE %q: there is no such profile in AWS's configuration files", profile.Profile))
	}
	text := err.Error()
	if strings.Contains(text, "Missing Region") {
		return usage(errors.New("AWS_REGION: must be given to work on DynamoDB itself" + elsewhere))
	}
	_, why, found := strings.Cut(text, "get credentials: ")
	if !found {
		return err
	}
	if strings.Contains(why, "IMDS") { // the SDK's last resort, which only machines of AWS have
		why = "none were found"
	}
	return ran{fmt.Errorf("no AWS credentials to work on DynamoDB itself: %s: sign in (such as aws sso login with AWS_PROFILE)%s", why, elsewhere)}
}
