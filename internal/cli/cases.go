package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"scopegate/authorizer"
	"scopegate/internal/config"
	"scopegate/internal/explain"
	"scopegate/internal/yamljson"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/token"
)

const testLong = `Decides about calls as the authorizer does, and compares with what a file expects: who may
call what, as a test in a team's CI. FILE is YAML or JSON; - is standard input:

  api: arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2    # as --api; flags go first
  stage: dev
  cases:
    - name: readers read orders, and no more
      caller: {scopes: [orders.read]}
      calls:
        - {method: GET, path: /orders/7, expect: allow}
        - {method: POST, path: /orders, expect: deny, reason: not_held}
    - name: the batch app
      caller: {roles: [Orders.Export], app: true}
      calls:
        - {method: GET, path: /orders/export, expect: allow}
    - name: another tenant
      claims: {tid: 22222222-2222-4333-8444-555555555555, scp: orders.read}
      calls:
        - {method: GET, path: /orders/7, expect: deny}

A caller has scopes, roles, groups (lists), app, tenant, issuer, audience; without scopes it
is an app's own token. claims are those of a token, believed but read as a token's are. What
is not said is that of a caller whom the table trusts. expect is allow, deny or, for claims
that no token may have, unauthorized; reason, if given, is compared, too.

The table is the one that --api and --stage name, or that --document describes. If a case
fails, it ends with 1.

--json prints {"passed", "failed", "cases": [{"name", "passed", "error", "calls": [{"method",
"path", "expect", "decision", "reason", "passed"}]}]}.

` + whereText + `

` + exitCodes

// caseFile is a file of table tests.
type caseFile struct {
	API   string     `json:"api"`
	Stage string     `json:"stage"`
	Cases []caseJSON `json:"cases"`
}

type caseJSON struct {
	Name   string          `json:"name"`
	Caller *caseCaller     `json:"caller"`
	Claims json.RawMessage `json:"claims"`
	Calls  []caseCall      `json:"calls"`
}

type caseCaller struct {
	Scopes   []string `json:"scopes"`
	Roles    []string `json:"roles"`
	Groups   []string `json:"groups"`
	App      bool     `json:"app"`
	Tenant   string   `json:"tenant"`
	Issuer   string   `json:"issuer"`
	Audience string   `json:"audience"`
}

type caseCall struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Expect string `json:"expect"`
	Reason string `json:"reason,omitempty"`
}

// testedJSON is what came of the tests, for programs.
type testedJSON struct {
	Passed int          `json:"passed"` // calls
	Failed int          `json:"failed"`
	Cases  []testedCase `json:"cases"`
}

type testedCase struct {
	Name   string       `json:"name"`
	Passed bool         `json:"passed"`
	Calls  []testedCall `json:"calls"`
}

type testedCall struct {
	caseCall
	Decision string `json:"decision"`
	Got      string `json:"got,omitempty"` // the reason
	Passed   bool   `json:"passed"`
}

func (p *program) testCommand() *cobra.Command {
	var t tableOrFile
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "test FILE [--api ARN --stage STAGE | --document FILE]",
		Short: "Compare who may call what with what a file expects, for a team's CI",
		Long:  testLong,
		Example: `  scopegate test cases.yaml --document table.yaml
  scopegate test cases.yaml --admin https://admin.example.org --stage prod --api rz8w6b1ik2 --json`,
		Args: cobra.ExactArgs(1),
	}
	t.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the outcome as JSON")
	cmd.RunE = running(func(cmd *cobra.Command, args []string) error {
		if args[0] == "-" && t.document == "-" {
			return usage(errors.New("FILE, --document: must not both be standard input"))
		}
		return p.test(cmd.Context(), t, args[0], asJSON)
	})
	return cmd
}

func (p *program) test(ctx context.Context, t tableOrFile, file string, asJSON bool) error {
	b, err := p.readFile(file)
	if err != nil {
		return err
	}
	cases, err := parseCases(b)
	if err != nil {
		return negative(fmt.Errorf("%s: %w", file, err))
	}
	if t.document == "" && t.arn == "" {
		t.arn, t.stage = cases.API, cases.Stage
	}
	s, settings, err := p.tableOf(ctx, t)
	if err != nil {
		return err
	}
	bench, err := newBench(ctx, s, settings)
	if err != nil {
		return negative(err)
	}
	out := testedJSON{Cases: []testedCase{}}
	for i, c := range cases.Cases {
		done, err := bench.run(ctx, c)
		if err != nil {
			return fmt.Errorf("%s: case %d, %s: %w", file, i+1, c.Name, err)
		}
		out.Cases = append(out.Cases, done)
		for _, call := range done.Calls {
			if call.Passed {
				out.Passed++
			} else {
				out.Failed++
			}
		}
	}
	if asJSON {
		err = printJSON(p.stdout, out)
	} else {
		err = printTested(p.stdout, out)
	}
	if err == nil && out.Failed > 0 {
		return negative(errSilent)
	}
	return err
}

// parseCases reads a file of tests by its exact names: a test that is misread
// would pass for one.
func parseCases(b []byte) (caseFile, error) {
	var f caseFile
	text, err := yamljson.ToJSON(b, maxInput)
	if err != nil {
		return f, err
	}
	if err := exactCases(text); err != nil {
		return f, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return f, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return f, errors.New("must be one object, with nothing behind it")
	}
	var errs []error
	if len(f.Cases) == 0 {
		errs = append(errs, errors.New("cases: must hold at least one: nothing would be tested"))
	}
	for i, c := range f.Cases {
		errs = append(errs, c.check(fmt.Sprintf("cases[%d]", i))...)
	}
	return f, errors.Join(errs...)
}

// caseNames are the names of each object of a file of tests; encoding/json would
// fold their case. Claims are the verifier's to read.
var caseNames = map[string][]string{
	"":             {"api", "stage", "cases"},
	"cases":        {"name", "caller", "claims", "calls"},
	"cases.caller": {"scopes", "roles", "groups", "app", "tenant", "issuer", "audience"},
	"cases.calls":  {"method", "path", "expect", "reason"},
}

func exactCases(text []byte) error {
	n := names{of: caseNames, what: "a file of tests", opaque: "cases.claims"}
	return n.check(json.NewDecoder(bytes.NewReader(text)), "")
}

func (c caseJSON) check(at string) (errs []error) {
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(at+format, args...)) }
	if c.Name == "" {
		fault(".name: must be given")
	}
	if (c.Caller == nil) == (c.Claims == nil) {
		fault(": must have one of caller and claims")
	}
	if len(c.Calls) == 0 {
		fault(".calls: must hold at least one")
	}
	for i, call := range c.Calls {
		switch call.Expect {
		case decisionAllow, decisionDeny, decisionUnauthorized:
		default:
			fault(".calls[%d].expect %q: must be allow, deny or unauthorized", i, call.Expect)
		}
		if _, _, err := requestLine(call.Method, call.Path); err != nil || call.Method == "" {
			fault(".calls[%d]: must have a method, and a path that begins with / and has no query", i)
		} else if call.Expect != decisionAllow && !isMethod(call.Method) && call.Reason != string(mapping.UnknownMethod) {
			fault(".calls[%d].method %q: must be one of %s, in upper case: any other is denied whatever the table says (with reason: %s it is taken)",
				i, call.Method, methodNames(), mapping.UnknownMethod)
		}
	}
	return errs
}

// isMethod reports whether a table can say anything of a method.
func isMethod(name string) bool {
	return name == string(mapping.Connect) || slices.Contains(mapping.Methods, mapping.Verb(name))
}

func methodNames() string {
	var names []string
	for _, v := range mapping.Methods {
		names = append(names, string(v))
	}
	return strings.Join(append(names, string(mapping.Connect)), ", ")
}

const decisionUnauthorized = "unauthorized"

// bench decides about calls of many callers on one table.
type bench struct {
	settings   config.Settings
	api        mapping.API
	trust      mapping.Trust
	authorizer *authorizer.Authorizer
}

func newBench(ctx context.Context, s store.Snapshot, settings config.Settings) (*bench, error) {
	src := source{settings: settings, tables: fixed{s}}
	table, err := src.table(ctx, s.API)
	if err != nil {
		return nil, err
	}
	a, err := src.authorizer(table)
	return &bench{settings, s.API, table.Trust[0], a}, err
}

// fixed is one table, as store.Tables.
type fixed struct{ store.Snapshot }

func (f fixed) Load(context.Context, mapping.API) (store.Snapshot, error) { return f.Snapshot, nil }

func (f fixed) Commit(context.Context, store.Change) (store.Meta, error) {
	return store.Meta{}, store.ErrInvalid
}

func (b *bench) run(ctx context.Context, c caseJSON) (testedCase, error) {
	out := testedCase{Name: c.Name, Passed: true}
	claims, refused, err := b.claims(ctx, c)
	if err != nil {
		return out, err
	}
	for _, call := range c.Calls {
		done := testedCall{caseCall: call, Decision: decisionUnauthorized, Got: refused}
		if refused == "" {
			if done.Decision, done.Got, err = b.decide(ctx, claims, call); err != nil {
				return out, err
			}
		}
		done.Passed = done.Decision == call.Expect && (call.Reason == "" || call.Reason == done.Got)
		out.Passed = out.Passed && done.Passed
		out.Calls = append(out.Calls, done)
	}
	return out, nil
}

// claims are those of the case's caller, as the verifier reads them, or the reason
// for which it refuses them.
func (b *bench) claims(ctx context.Context, c caseJSON) (claims token.Claims, refused string, err error) {
	trust, text := b.trust, string(c.Claims)
	if k := c.Caller; k != nil {
		trust = k.trust(trust)
		if text, err = described(asked{scopes: k.Scopes, roles: k.Roles, group: k.Groups, app: k.App}, trust); err != nil {
			return claims, "", err
		}
	} else {
		if text, err = explain.Members([]byte(text)); err != nil {
			return claims, "", negative(fmt.Errorf("claims: %w", err))
		}
	}
	claims, err = believed(ctx, b.settings, trust, text)
	if errors.Is(err, token.ErrRefused) {
		return claims, string(token.ReasonOf(err)), nil
	}
	return claims, "", err
}

// trust is where the caller's token comes from.
func (k caseCaller) trust(of mapping.Trust) mapping.Trust {
	switch {
	case k.Issuer != "":
		of.Issuer, of.Tenant = k.Issuer, ""
	case k.Tenant != "":
		of.Issuer, of.Tenant = "", k.Tenant
	}
	if k.Audience != "" {
		of.Audiences = []string{k.Audience}
	}
	return of
}

func (b *bench) decide(ctx context.Context, claims token.Claims, call caseCall) (decision, reason string, err error) {
	method, path, err := requestLine(call.Method, call.Path)
	if err != nil {
		return "", "", err
	}
	x, err := b.authorizer.Explain(ctx, authorizer.Question{Claims: claims, API: b.api, Method: method, Path: path})
	if explain.TooLarge(err) {
		return decisionError, string(authorizer.TooLarge), nil
	}
	return decisionName(x), string(x.Reason), err
}

func printTested(w io.Writer, out testedJSON) error {
	var rows [][]string
	for _, c := range out.Cases {
		for _, call := range c.Calls {
			state := "ok"
			if !call.Passed {
				state = "FAIL"
			}
			said := call.Decision + " (" + call.Got + ")"
			if !call.Passed {
				said += ", want " + call.Expect
				if call.Reason != "" {
					said += " (" + call.Reason + ")"
				}
			}
			rows = append(rows, []string{state, c.Name, call.Method + " " + call.Path, said})
		}
	}
	if err := columns(w, []string{"", "case", "call", "answer"}, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%d passed, %d failed\n", out.Passed, out.Failed)
	return err
}
