package wiring_test

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"

	"scopegate/mapping"
	"scopegate/store"
)

// trusting is a table with its trust list and what that means.
type trusting struct {
	name     string
	trust    []mapping.Trust
	believes believes
}

func (m *matrix) tables() []trusting {
	tenant := func(tid string, audiences ...string) mapping.Trust {
		return mapping.Trust{Tenant: tid, Audiences: audiences}
	}
	issuer := func(iss string, audiences ...string) mapping.Trust {
		return mapping.Trust{Issuer: iss, Audiences: audiences}
	}
	list := func(t ...mapping.Trust) []mapping.Trust { return t }
	return []trusting{
		{"no list: the first tenant", nil, "A1 A2"},
		{"an empty list: the first tenant", list(), "A1 A2"},
		{"A", list(tenant(tidA, audience1, audience2)), "A1 A2"},
		{"A for 1", list(tenant(tidA, audience1)), "A1"},
		{"A for 2", list(tenant(tidA, audience2)), "A2"},
		{"A for 1, in other spellings", list(tenant(strings.ToUpper(tidA), audience1+"/")), "A1"},
		{"A in two entries", list(tenant(tidA, audience1), tenant(tidA, audience2)), "A1 A2"},
		{"B", list(tenant(tidB, audience1, audience2)), "B1 B2"},
		{"B for 2", list(tenant(tidB, audience2)), "B2"},
		{"F", list(issuer(m.issuerF, audience1, audience2)), "F1 F2"},
		{"F for 1", list(issuer(m.issuerF, audience1)), "F1"},
		{"A and B", list(tenant(tidA, audience1, audience2), tenant(tidB, audience1, audience2)), "A1 A2 B1 B2"},
		{"A for 1 and B for 2", list(tenant(tidA, audience1), tenant(tidB, audience2)), "A1 B2"},
		{"A for 1 and F for 2", list(tenant(tidA, audience1), issuer(m.issuerF, audience2)), "A1 F2"},
		{"each for 1", list(tenant(tidA, audience1), tenant(tidB, audience1), issuer(m.issuerF, audience1)), "A1 B1 F1"},
		{"all", list(tenant(tidA, audience1, audience2), tenant(tidB, audience1, audience2), issuer(m.issuerF, audience1, audience2)), "A1 A2 B1 B2 F1 F2"},
		{"a tenant that is not configured", list(tenant("cccccccc-4444-4444-8444-444444444444", audience1, audience2)), ""},
		{"F's tid as a tenant", list(tenant(tidF, audience1, audience2)), ""},
		{"an issuer that is not configured", list(issuer("https://issuer.example", audience1, audience2)), ""},
		{"F but for its last character", list(issuer(m.issuerF+"/", audience1, audience2)), ""},
		{"A's issuers as if they were not Entra's", list(issuer(m.authority+"/"+tidA+"/v2.0", audience1, audience2), issuer(m.authority+"/sts/"+tidA+"/", audience1, audience2)), ""},
		{"A for an audience that is not configured", list(tenant(tidA, "api://three", "api://ONE", "one")), ""},
	}
}

// TestOnlyWhatIsTrustedOpens: every caller on every table, about every route.
// Whichever route was called, the answer is one about all of them. Callers call one
// of a table, in turn, those who hold everything call each.
func TestOnlyWhatIsTrustedOpens(t *testing.T) {
	m := newMatrix(t, nil)
	s := storeOf(t)
	tables, callers, names := m.tables(), everyCaller(ordersGrants), slices.Sorted(maps.Keys(columns))
	for i, table := range tables {
		put(t, s, stageOf(i), table.trust, nil)
	}
	parts := m.authorizer(s, zap.NewNop())
	seen, calls, cells := tally{}, 0, 0
	for _, c := range callers {
		raw, row := m.mint(c), c.issuer+c.audience
		for i, table := range tables {
			stage := stageOf(i)
			called := names[calls%len(names):][:1]
			if len(c.grants.scopes)*len(c.grants.roles)*len(c.grants.groups) == 1 {
				called = names
			}
			cells += len(names)
			for _, called := range called {
				calls++
				a, err := m.ask(parts, raw, stage, called)
				if err != nil {
					t.Fatalf("%s, %s, %s: %v", c, table.name, called, err)
				}
				m.wantPrincipal(c, a)
				seen.note(columns[called].opens(c, table.believes), row+" called "+called)
				for _, column := range names {
					want := columns[column].opens(c, table.believes)
					if got := m.opens(a, stage, column); got != want {
						t.Errorf("%s, table %q, %s, by a call of %s: allowed %v, want %v", c, table.name, column, called, got, want)
					}
					seen.note(want, row+" "+column, table.name)
				}
			}
		}
	}
	for _, issuer := range []string{"A", "B", "F"} {
		for _, column := range names {
			for _, aud := range []string{"1", "2"} {
				seen.bothSides(t, issuer+aud+" "+column, never(issuer, column))
				seen.bothSides(t, issuer+aud+" called "+column, never(issuer, column))
			}
		}
	}
	for _, table := range tables {
		seen.bothSides(t, table.name, table.believes == "")
	}
	// Issuers, audiences, kinds, versions (of F: honest or posing).
	if want := 3 * 2 * 2 * 2 * len(ordersGrants) * len(tables) * len(names); cells != want {
		t.Errorf("%d cells, want %d", cells, want)
	}
	t.Logf("%d callers, %d tables, %d columns, %d calls: %d cells", len(callers), len(tables), len(names), calls, cells)
}

// wantPrincipal: tid, oid and the kind of a principal are Entra's to say.
func (m *matrix) wantPrincipal(c caller, a answer) {
	m.t.Helper()
	kind := map[bool]string{false: "user", true: "app"}[c.app]
	want := map[string]string{"tid": map[string]string{"A": tidA, "B": tidB}[c.issuer], "oid": posedOID, "principalType": kind}
	principal := want["tid"] + ":" + posedOID
	if c.issuer == "F" {
		u, err := url.Parse(m.issuerF)
		if err != nil {
			m.t.Fatal(err)
		}
		want, principal = map[string]string{"tid": "", "oid": "", "principalType": ""}, u.Host+":sub-of-F"
	}
	if a.PrincipalID != principal {
		m.t.Errorf("%s: principal %q, want %q", c, a.PrincipalID, principal)
	}
	for name, value := range want {
		if a.Context[name] != value {
			m.t.Errorf("%s: context %s %q, want %q", c, name, a.Context[name], value)
		}
	}
}

// TestAnEmptyListOfAudiencesTrustsNobody: no store takes one, and one that got
// into a table in another way is not "any audience".
func TestAnEmptyListOfAudiencesTrustsNobody(t *testing.T) {
	m := newMatrix(t, nil)
	s := storeOf(t)
	put(t, s, "dev", nil, nil)
	dev := mapping.API{ARN: api, Stage: "dev"}
	meta, err := s.Meta(t.Context(), dev)
	if err != nil {
		t.Fatal(err)
	}
	everything := ordersGrants[len(ordersGrants)-1:]
	for name, trust := range map[string]mapping.Trust{
		"tenant": {Tenant: tidA}, "tenant, an empty list": {Tenant: tidA, Audiences: []string{}}, "tenant, an empty audience": {Tenant: tidA, Audiences: []string{""}},
		"issuer": {Issuer: m.issuerF}, "audiences of nobody": {Audiences: []string{audience1, audience2}}, "nothing": {},
	} {
		c := store.Change{ID: ulid.Make().String(), API: dev, If: meta.Revision, Head: &store.Head{Trust: []mapping.Trust{trust}}, By: "test", At: epoch}
		if _, err := s.Commit(t.Context(), c); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: the store takes it: %v", name, err)
		}
		parts := m.authorizer(trustOverlay{s, trust}, zap.NewNop())
		for _, c := range everyCaller(everything) {
			a, err := m.ask(parts, m.mint(c), "dev", "authenticated")
			if err != nil {
				t.Fatal(err)
			}
			for column := range columns {
				if m.opens(a, "dev", column) {
					t.Errorf("%s: %s opens %s", name, c, column)
				}
			}
		}
	}
}

// trustOverlay is a store whose tables have a trust list that no store takes.
type trustOverlay struct {
	store.Store
	trust mapping.Trust
}

// Load implements store.Reader.
func (o trustOverlay) Load(ctx context.Context, api mapping.API) (store.Snapshot, error) {
	s, err := o.Store.Load(ctx, api)
	s.Trust = []mapping.Trust{o.trust}
	return s, err
}

// TestATableWithoutAListTrustsTheFirstOfTheSettings: the first tenant, or where
// there is none the first issuer, and no second one.
func TestATableWithoutAListTrustsTheFirstOfTheSettings(t *testing.T) {
	m := newMatrix(t, nil)
	s := storeOf(t)
	put(t, s, "dev", nil, nil)
	everything := ordersGrants[len(ordersGrants)-1:]
	for name, c := range map[string]struct {
		settings []string
		believes believes
		refused  string // issuers that the verifier does not know
	}{
		"A before B": {nil, "A1 A2", ""},
		"B before A": {[]string{"ENTRA_TENANT_IDS=" + tidB + " " + tidA}, "B1 B2", ""},
		"B alone":    {[]string{"ENTRA_TENANT_IDS=" + tidB}, "B1 B2", "A"},
		"F alone":    {[]string{"ENTRA_TENANT_IDS=", "OIDC_AUDIENCES=" + m.issuerF + "=" + audience1 + " " + m.issuerF + "=" + audience2}, "F1 F2", "AB"},
		"A and F, each with an audience of its own": {[]string{"ENTRA_TENANT_IDS=" + tidA, "OIDC_AUDIENCES=" + audience1 + " " + m.issuerF + "=" + audience2}, "A1", "B"},
	} {
		parts := m.authorizer(s, zap.NewNop(), c.settings...)
		for _, who := range everyCaller(everything) {
			own := name != "A and F, each with an audience of its own" || who.issuer+who.audience == "A1" || who.issuer+who.audience == "F2"
			a, err := m.ask(parts, m.mint(who), "dev", "authenticated")
			if known := own && !strings.Contains(c.refused, who.issuer); known != (err == nil) || err != nil && err.Error() != "Unauthorized" {
				t.Errorf("%s: %s: %v", name, who, err)
			}
			for column, n := range columns {
				if got, want := m.opens(a, "dev", column), n.opens(who, c.believes); got != want {
					t.Errorf("%s: %s, %s: allowed %v, want %v", name, who, column, got, want)
				}
			}
		}
	}
}

// storeOf is inBolt with all of a store's methods.
func storeOf(t *testing.T) store.Store {
	t.Helper()
	s, ok := inBolt(t).(store.Store)
	if !ok {
		t.Fatal("no whole store")
	}
	return s
}
