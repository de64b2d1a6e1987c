package wiring_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"

	"scopegate/internal/config"
	"scopegate/internal/idp"
	"scopegate/internal/wiring"
	"scopegate/mapping"
	"scopegate/policy"
	"scopegate/store"
)

// The parties of the matrix: tenants A and B on one authority, as tenants of
// Entra are, and the foreign issuer F, which has a host of its own.
const (
	tidA = "aaaaaaaa-1111-4111-8111-111111111111"
	tidB = "bbbbbbbb-2222-4222-8222-222222222222"
	tidF = "ffffffff-3333-4333-8333-333333333333"

	audience1 = "api://one"
	audience2 = "api://two"

	ordersGroup = "99999999-0000-4000-8000-000000000009"
)

var audiences = map[string]string{"1": audience1, "2": audience2}

// matrix is providers of all parties on one clock that only the test moves.
type matrix struct {
	t         *testing.T
	clock     atomic.Int64
	parties   map[string]*idp.Provider
	authority string // of the tenants
	issuerF   string
	settings  []string // as an environment
}

func (m *matrix) now() time.Time { return epoch.Add(time.Duration(m.clock.Load())) }

func (m *matrix) at(d time.Duration) { m.clock.Store(int64(d)) }

// newMatrix starts the providers. entra stands between a tenant's provider and
// the network; nil leaves it out.
func newMatrix(t *testing.T, entra func(m *matrix, tenants http.Handler) http.Handler) *matrix {
	t.Helper()
	m := &matrix{t: t, parties: map[string]*idp.Provider{}}
	for name, tid := range map[string]string{"A": tidA, "B": tidB, "F": tidF} {
		p, err := idp.New(idp.Options{TenantID: tid, Now: m.now, Keys: 1})
		if err != nil {
			t.Fatal(err)
		}
		m.parties[name] = p
	}
	var tenants http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"A", "B"} {
			if p := m.parties[name]; strings.HasPrefix(r.URL.Path, "/"+p.TenantID()+"/") {
				p.ServeHTTP(w, r)
				return
			}
		}
		http.NotFound(w, r)
	})
	if entra != nil {
		tenants = entra(m, tenants)
	}
	m.authority = m.serve(tenants, "A", "B")
	m.issuerF = m.serve(m.parties["F"], "F") + "/" + tidF + "/v2.0"
	m.settings = []string{
		"ENTRA_TENANT_IDS=" + tidA + " " + tidB, "ENTRA_AUTHORITY=" + m.authority, "ENTRA_STS=" + m.authority + "/sts",
		"OIDC_ISSUERS=" + m.issuerF,
		"OIDC_AUDIENCES=" + strings.Join([]string{audience1, audience2, m.issuerF + "=" + audience1, m.issuerF + "=" + audience2}, " "),
	}
	return m
}

func (m *matrix) serve(h http.Handler, parties ...string) string {
	s := httptest.NewServer(h)
	m.t.Cleanup(s.Close)
	for _, name := range parties {
		m.parties[name].SetBaseURL(s.URL)
	}
	return s.URL
}

// authorizer puts the real one together in front of a store.
func (m *matrix) authorizer(source wiring.Source, log *zap.Logger, settings ...string) *wiring.Parts {
	m.t.Helper()
	s, err := config.Load(append(slices.Clone(m.settings), settings...), config.Authorizer)
	if err != nil {
		m.t.Fatal(err)
	}
	parts, err := wiring.New(s, source, log, m.now)
	if err != nil {
		m.t.Fatal(err)
	}
	return parts
}

// grants are what a token's claims name.
type grants struct {
	name                  string
	scopes, roles, groups []string
	overage               bool // the token says that it does not list its groups
}

// caller is who a token is of.
type caller struct {
	issuer   string // A, B or F
	audience string // 1 or 2
	version  string // of Entra's tokens
	app      bool
	// posing is a token of F with claims that mean something in Entra's tokens
	// alone: tid and oid of A's user, and its scopes in scp.
	posing bool
	grants grants
}

func (c caller) String() string {
	kind := map[bool]string{false: "user", true: "app"}[c.app]
	if c.posing {
		kind += " posing as A's"
	}
	return strings.Join([]string{c.issuer + c.audience, "v" + c.version, kind, "with", c.grants.name}, " ")
}

const posedOID = "aaaaaaaa-0000-4000-8000-00000000000a"

// mint signs the caller's token. Apps have no scopes; each token has one grant
// that opens nothing, since Entra's have at least one.
func (m *matrix) mint(c caller) string {
	m.t.Helper()
	s := idp.Spec{
		Version: c.version, Audience: audiences[c.audience], App: c.app, Subject: "sub-of-" + c.issuer, ObjectID: posedOID,
		Scopes: append([]string{"other"}, c.grants.scopes...), Roles: append([]string{"Other"}, c.grants.roles...),
		Groups: append([]string{"other"}, c.grants.groups...), Life: 5 * time.Hour, Extra: map[string]any{},
	}
	if c.app && c.issuer != "F" {
		s.Scopes = nil
	}
	if c.grants.overage {
		// The groups that are listed beside it do not count then.
		s.Extra["_claim_names"] = map[string]string{"groups": "src1"}
		s.Extra["_claim_sources"] = map[string]any{"src1": map[string]string{"endpoint": "https://graph.example/groups"}}
	}
	if c.issuer == "F" && c.posing {
		s.Extra["tid"], s.Extra["ver"] = tidA, "2.0"
	}
	if c.issuer == "F" && !c.posing {
		s.Extra["scope"], s.Extra["scp"] = strings.Join(s.Scopes, " "), nil
		s.Extra["tid"], s.Extra["oid"], s.Extra["ver"], s.Extra["idtyp"] = nil, nil, nil, nil
	}
	raw, err := m.parties[c.issuer].Mint(s)
	if err != nil {
		m.t.Fatal(err)
	}
	return raw
}

// everyCaller is the product of issuers, audiences, kinds and versions for each
// of the grants.
func everyCaller(all []grants) (list []caller) {
	for _, g := range all {
		for _, aud := range []string{"1", "2"} {
			for _, yes := range []bool{false, true} {
				for _, issuer := range []string{"A", "B"} {
					for _, version := range []string{"1.0", "2.0"} {
						list = append(list, caller{issuer: issuer, audience: aud, version: version, app: yes, grants: g})
					}
				}
				for _, posing := range []bool{false, true} {
					list = append(list, caller{issuer: "F", audience: aud, version: "2.0", app: yes, posing: posing, grants: g})
				}
			}
		}
	}
	return list
}

// need is what one route asks for: all that is given. The zero need is
// "authenticated".
type need struct {
	scope, role, group bool
	kind               string // user or app
	tenant             string // A or B
	nobody             bool
}

// columns are the routes of every table of the matrix, by name.
var columns = map[string]need{
	"scope": {scope: true}, "role": {role: true}, "group": {group: true}, "authenticated": {},
	"user": {kind: "user"}, "app": {kind: "app"}, "tenant-a": {tenant: "A"}, "tenant-b": {tenant: "B"},
	"scope-and-role": {scope: true, role: true}, "app-role-in-a": {role: true, kind: "app", tenant: "A"},
	"registered": {nobody: true},
}

func (n need) permission(stage, name string) map[string]any {
	p := map[string]any{"arn": api, "stage": stage, "httpVerb": "GET", "resource": name}
	set := func(field string, given bool, value any) {
		if given {
			p[field] = value
		}
	}
	set("registered", n.nobody, true)
	set("scope", n.scope, "orders.read")
	set("role", n.role, "Orders.Run")
	set("group", n.group, ordersGroup)
	set("authenticated", !n.scope && !n.role && !n.group && !n.nobody, true)
	set("principalType", n.kind != "", n.kind)
	set("tenant", n.tenant != "", map[string]string{"A": tidA, "B": tidB}[n.tenant])
	return p
}

// believes is the oracle's list of whom a table trusts: "A1 B2" is tenant A's
// tokens for audience 1 and tenant B's for audience 2.
type believes string

func (b believes) trusts(c caller) bool {
	return slices.Contains(strings.Fields(string(b)), c.issuer+c.audience)
}

// opens is the oracle, from design.md's words alone: outside the trust list
// callers hold nothing, "authenticated" included; all that is given must hold;
// scope <- scp (Entra) or scope (others); tid, oid and the kind of a principal
// count from Entra only; groups that are not listed are unknown, so not held.
func (n need) opens(c caller, b believes) bool {
	if n.nobody || !b.trusts(c) {
		return false
	}
	entra := c.issuer != "F"
	if n.scope && (!slices.Contains(c.grants.scopes, "orders.read") || entra && c.app || c.posing) {
		return false
	}
	if n.role && !slices.Contains(c.grants.roles, "Orders.Run") {
		return false
	}
	if n.group && (!slices.Contains(c.grants.groups, ordersGroup) || entra && c.grants.overage) {
		return false
	}
	if n.kind != "" && (!entra || c.app != (n.kind == "app")) {
		return false
	}
	return n.tenant == "" || n.tenant == c.issuer
}

// never are the cells that no trust and no claim opens.
func never(issuer, column string) bool {
	n := columns[column]
	return n.nobody || n.tenant != "" && n.tenant != issuer || n.kind != "" && issuer == "F"
}

var ordersGrants = []grants{
	{name: "nothing"},
	{name: "the scope", scopes: []string{"orders.read"}},
	{name: "the role", roles: []string{"Orders.Run"}},
	{name: "the group", groups: []string{ordersGroup}},
	{name: "the group in an overage", groups: []string{ordersGroup}, overage: true},
	{name: "the names in the wrong places", scopes: []string{"Orders.Run", ordersGroup}, roles: []string{"orders.read", ordersGroup}, groups: []string{"orders.read", "Orders.Run"}},
	{name: "the names in another case", scopes: []string{"Orders.Read"}, roles: []string{"orders.run"}},
	{name: "everything", scopes: []string{"orders.read"}, roles: []string{"Orders.Run"}, groups: []string{ordersGroup}},
}

// put makes a table of the columns.
func put(t *testing.T, s store.Store, stage string, trust []mapping.Trust, owners []store.Owner) {
	t.Helper()
	var documents []map[string]any
	for name, n := range columns {
		documents = append(documents, n.permission(stage, name))
	}
	b, err := json.Marshal(documents)
	if err != nil {
		t.Fatal(err)
	}
	permissions, err := mapping.ParsePermissions(b)
	if err != nil {
		t.Fatal(err)
	}
	at := apiOf(stage)
	meta, err := s.Meta(t.Context(), at)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	change := store.Change{
		ID: ulid.Make().String(), API: at, If: meta.Revision, Put: permissions, Head: &store.Head{Trust: trust, Owners: owners}, By: "test", At: epoch,
	}
	if _, err := s.Commit(t.Context(), change); err != nil {
		t.Fatal(err)
	}
}

// answer is what API Gateway reads of the authorizer's answer.
type answer struct {
	PrincipalID    string            `json:"principalId"`
	PolicyDocument policy.Document   `json:"policyDocument"`
	Context        map[string]string `json:"context"`
}

// ask calls the authorizer as a REST API does for one route.
func (m *matrix) ask(parts *wiring.Parts, raw, stage, column string) (answer, error) {
	event, err := json.Marshal(map[string]string{"type": "TOKEN", "authorizationToken": "Bearer " + raw, "methodArn": arnOf(stage, column)})
	if err != nil {
		m.t.Fatal(err)
	}
	out, err := parts.Authorizer.Invoke(m.t.Context(), event)
	if err != nil {
		return answer{}, err
	}
	var a answer
	if err := json.Unmarshal(out, &a); err != nil {
		m.t.Fatal(err)
	}
	return a, nil
}

func arnOf(stage, column string) string { return api + "/" + stage + "/GET/" + column }

// opens decides as API Gateway does with the answer about one call.
func (m *matrix) opens(a answer, stage, column string) bool {
	return policy.Evaluate(a.PolicyDocument, arnOf(stage, column), m.now(), netip.Addr{}) == policy.Allowed
}

// tally counts allowed and denied cells by row and column.
type tally map[string]*[2]int

func (t tally) note(allowed bool, rows ...string) {
	for _, row := range rows {
		if t[row] == nil {
			t[row] = new([2]int)
		}
		t[row][map[bool]int{true: 1}[allowed]]++
	}
}

// bothSides fails for a row that was not seen allowed, unless that can't be, or
// not seen denied.
func (t tally) bothSides(test *testing.T, row string, closed bool) {
	test.Helper()
	n := t[row]
	if n == nil || n[0] == 0 || (n[1] == 0) != closed {
		test.Errorf("%s: exercised %v times [denied allowed], never allowed: %v", row, n, closed)
	}
}

func apiOf(stage string) mapping.API { return mapping.API{ARN: api, Stage: stage} }

// stageOf is the stage of the i-th table.
func stageOf(i int) string { return fmt.Sprintf("t%d", i) }
