package authorizer

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/token"
)

// keeping keeps whatever it is given, as a cache would.
type keeping struct {
	site
	others map[mapping.API]*mapping.Table // at the same revision as site's
	apis   []mapping.API
	tokens []string
}

func (k *keeping) Table(ctx context.Context, api mapping.API) (store.Served, error) {
	k.apis = append(k.apis, api)
	served, err := k.site.Table(ctx, api)
	if other, ok := k.others[api]; ok {
		served.Table = other
	}
	return served, err
}

func (k *keeping) Verify(ctx context.Context, raw string) (token.Claims, error) {
	k.tokens = append(k.tokens, raw)
	return k.site.Verify(ctx, raw)
}

func newKeeping(permissions ...mapping.Permission) *keeping {
	caller := tabletest.Caller("s1")
	return &keeping{site: site{
		table: tabletest.Table(permissions...), revision: store.Revision{Number: 1, Incarnation: "a"}, now: tabletest.Now,
		claims: token.Claims{
			Issuer: caller.Issuer, TenantID: caller.Tenant, ObjectID: "o", Audience: caller.Audience, Kind: token.KindUser, Scopes: caller.Scopes,
			Expires: tabletest.Now.Add(time.Hour), End: tabletest.Now.Add(time.Hour),
		},
	}}
}

func (k *keeping) authorizer(t *testing.T, remember bool) *Authorizer {
	t.Helper()
	var v Verifier = k
	if remember {
		var err error
		if v, err = Remember(k, 8, 1000*time.Hour, k.clock); err != nil {
			t.Fatal(err)
		}
	}
	a, err := New(Config{Verifier: v, Tables: k, Revocations: k, Log: zap.NewNop(), Now: k.clock})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestNothingOfAnEventOutlivesItsCall: its bytes are the next event's afterwards,
// and whoever kept something of it keeps what it was.
func TestNothingOfAnEventOutlivesItsCall(t *testing.T) {
	for _, remember := range []bool{true, false} {
		for name, shape := range shapes {
			k := newKeeping(tabletest.Permission("GET", "x/{id}", "s1"))
			a := k.authorizer(t, remember)
			event := []byte(shape)
			if _, err := a.Invoke(t.Context(), event); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for i := range event {
				event[i] = '#'
			}
			kept := append([]string{}, k.tokens...)
			for _, api := range k.apis {
				kept = append(kept, api.ARN, api.Stage)
			}
			for _, api := range a.memory.apis.Keys() {
				kept = append(kept, api.ARN, api.Stage)
			}
			for _, api := range a.memory.tables.Keys() {
				kept = append(kept, api.ARN, api.Stage)
			}
			for _, key := range a.memory.policies.Keys() {
				kept = append(kept, key.api.ARN, key.api.Stage)
			}
			for _, key := range a.memory.grants.Keys() {
				kept = append(kept, key.api.ARN, key.api.Stage)
			}
			kept = append(kept, a.memory.templates.Keys()...)
			if len(kept) < 8 || strings.Contains(strings.Join(kept, " "), "#") {
				t.Errorf("%s: %q", name, kept)
			}
			if name == "REST REQUEST" && (len(a.memory.templates.Keys()) != 1 || a.memory.templates.Keys()[0] != "/x/{id}") {
				t.Errorf("%s: %q", name, a.memory.templates.Keys())
			}
		}
	}
}

// TestADecisionKeepsNothingOfTheOneBefore: requests use it one after another.
func TestADecisionKeepsNothingOfTheOneBefore(t *testing.T) {
	k := newKeeping(tabletest.Permission("GET", "x/{id}", "s1"))
	a := k.authorizer(t, true)
	for name, shape := range shapes {
		var d decision
		d.begin(k.now)
		if _, err := a.authorize(t.Context(), []byte(shape), &d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		a.describe(&d, "deny")
		d.end()
		if d.known != nil || d.grant != nil || d.served.Table != nil || d.requestID != "" || d.reason != "" || d.verdict != (mapping.Verdict{}) ||
			d.event.ARNText != "" || len(d.event.Authorization)+len(d.event.Sources)+len(d.fields)+len(d.document) > 0 || d.reader.text != nil {
			t.Errorf("%s: %+v", name, d)
		}
		for _, list := range [][]string{d.event.Authorization[:cap(d.event.Authorization)], d.event.Sources[:cap(d.event.Sources)]} {
			if strings.Join(list, "") != "" {
				t.Errorf("%s: %q", name, list)
			}
		}
		for _, f := range d.fields[:cap(d.fields)] {
			if f.Key != "" || f.String != "" {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}

// TestWhoeverNeedsAPolicyAtOnceSharesOne: it is compiled once, from a table that is
// made ready once.
func TestWhoeverNeedsAPolicyAtOnceSharesOne(t *testing.T) {
	k := newKeeping(tabletest.Permission("GET", "x/{id}", "s1"))
	a := k.authorizer(t, false)
	kept := make([]any, 16)
	var wg sync.WaitGroup
	for i := range kept {
		wg.Go(func() {
			d := &decision{known: newKnown(k.claims), served: store.Served{Table: k.table, Revision: k.revision}}
			d.event.ARN.API = tabletest.API
			d.begin(k.now)
			d.held = k.table.Held(CallerOf(d.known.claims), k.now)
			kept[i] = a.compile(d, 4096)
		})
	}
	wg.Wait()
	for _, one := range kept[1:] {
		if one != kept[0] {
			t.Fatal("two were compiled")
		}
	}
}

// TestABugInCompilingIsNotRemembered: who waited for it fails, who comes later has
// it tried again.
func TestABugInCompilingIsNotRemembered(t *testing.T) {
	k := newKeeping(tabletest.Permission("GET", "x/{id}", "s1"))
	good := k.table
	k.table = nil // which is no table
	a := k.authorizer(t, true)
	d := &decision{known: newKnown(k.claims), served: store.Served{Revision: k.revision}, held: mapping.Held{}}
	d.event.ARN.API = tabletest.API
	d.begin(k.now)
	for range 2 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("it was compiled")
				}
			}()
			a.compile(d, 4096)
		}()
	}
	d.served.Table = good
	if kept := a.compile(d, 4096); kept == nil {
		t.Error("it is not compiled afterwards")
	}
}

// TestPoliciesThatAreTooLargeKeepFewTables: they are remembered, but only a few of
// them: each keeps the table of its revision.
func TestPoliciesThatAreTooLargeKeepFewTables(t *testing.T) {
	var many []mapping.Permission
	for i := range 400 {
		many = append(many, tabletest.Permission("GET", fmt.Sprintf("a-resource-of-some-length-%d/{id}", i), []string{"s1", "s2"}[i%2]))
	}
	k := newKeeping(many...)
	a := k.authorizer(t, true)
	event := `{"type":"TOKEN","methodArn":"` + tabletest.API.ARN + `/dev/GET/a-resource-of-some-length-0/1","authorizationToken":"Bearer a.b.c"}`
	for range 3 * mostLarge {
		k.revision.Number++
		for range 2 {
			if _, err := a.Invoke(t.Context(), []byte(event)); err == nil || err.Error() != (&Failure{Reason: TooLarge}).Error() {
				t.Fatal(err)
			}
		}
	}
	if n := a.memory.large.Len(); n != mostLarge || a.memory.policies.Len() != 0 {
		t.Errorf("%d and %d policies are kept", n, a.memory.policies.Len())
	}
	for _, g := range a.memory.grants.Values() {
		if g.policy.Load() != nil {
			t.Error("a grant keeps one")
		}
	}
}
