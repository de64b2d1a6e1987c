package authorizer_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"scopegate/authorizer"
	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/store"
)

// revokes makes an authorizer whose caller's tokens of until tabletest.Now are
// revoked, and that remembers tokens.
func revokes(t *testing.T, who *revocations, change func(*authorizer.Config)) bench {
	t.Helper()
	return start(t, func(c *authorizer.Config) {
		v, err := authorizer.Remember(c.Verifier, 8, time.Hour, c.Now)
		if err != nil {
			t.Fatal(err)
		}
		c.Verifier, c.Revocations = v, who
		if change != nil {
			change(c)
		}
	})
}

var everything = []string{
	restToken(api+"/dev/GET/my-resource", "Bearer "+good),
	restRequest(api+"/dev/GET/my-resource", "Bearer "+good, "/my-resource"),
	http1(api+"/dev/GET/my-resource", "Bearer "+good, "/my-resource"),
	http2(api+"/dev/GET/my-resource", "Bearer "+good, "GET /my-resource"),
	webSocket(api+"/dev/$connect", "Bearer "+good),
	restToken(api+"/prod/GET/my-resource", "Bearer "+good), // no table
}

// TestARevokedTokenIsRefusedAlsoWhenItIsRemembered, in every shape of event.
func TestARevokedTokenIsRefusedAlsoWhenItIsRemembered(t *testing.T) {
	who := &revocations{}
	a := revokes(t, who, nil)
	for _, event := range everything {
		if _, err := ask(t, a, event); err != nil {
			t.Fatalf("before: %v", err)
		}
	}
	who.until = map[string]time.Time{claims().PrincipalID(): tabletest.Now}
	a.logs.TakeAll()
	for _, event := range everything {
		if _, err := ask(t, a, event); err == nil || err.Error() != "Unauthorized" {
			t.Errorf("%s: %v", event, err)
		}
	}
	for _, line := range a.logs.TakeAll() {
		f := line.ContextMap()
		if f["reason"] != "revoked" || f["decision"] != "unauthorized" || f["tokenHit"] != true || f["TokenRefused"] != int64(1) || f["principal"] != claims().PrincipalID() {
			t.Errorf("logged %v", f)
		}
	}
	if asked, refreshes := int(who.asked.Load()), int(who.refreshes.Load()); asked != 2*len(everything) || refreshes != asked {
		t.Errorf("asked %d times, begun %d times, for %d calls", asked, refreshes, 2*len(everything))
	}
}

// TestATokenIssuedAfterTheRevocationIsGood.
func TestATokenIssuedAfterTheRevocationIsGood(t *testing.T) {
	who := &revocations{until: map[string]time.Time{claims().PrincipalID(): tabletest.Now}}
	fresh := claims("s1")
	fresh.IssuedAt = tabletest.Now.Add(time.Second)
	a := revokes(t, who, func(c *authorizer.Config) { c.Verifier = verifier{good: fresh} })
	if _, err := ask(t, a, everything[0]); err != nil {
		t.Errorf("issued afterwards: %v", err)
	}
}

// TestWithInvalidTokenDenyARevokedTokenGetsADenyAll: it may be kept, since the
// token stays refused for as long as it lives.
func TestWithInvalidTokenDenyARevokedTokenGetsADenyAll(t *testing.T) {
	who := &revocations{until: map[string]time.Time{claims().PrincipalID(): tabletest.Now}}
	a := revokes(t, who, func(c *authorizer.Config) { c.DenyInvalidToken = true })
	got, err := ask(t, a, everything[0])
	if err != nil || len(got.PolicyDocument.Statement) != 1 || got.PolicyDocument.Statement[0].Effect != "Deny" || got.PrincipalID != "user" || got.Context != nil {
		t.Errorf("%+v, %v", got, err)
	}
	simple := revokes(t, who, func(c *authorizer.Config) { c.DenyInvalidToken, c.Simple = true, true })
	out, err := simple.Invoke(t.Context(), []byte(http2(api+"/dev/GET/my-resource", "Bearer "+good, "GET /my-resource", "Bearer "+good, "GET /my-resource")))
	if err != nil || string(out) != `{"isAuthorized":false}` {
		t.Errorf("simple: %s, %v", out, err)
	}
}

// TestARefusedTokenAsksForNoRevocations: forgeries cost the store nothing.
func TestARefusedTokenAsksForNoRevocations(t *testing.T) {
	who := &revocations{err: errors.New("dial")}
	a := revokes(t, who, nil)
	if _, err := ask(t, a, restToken(api+"/dev/GET/my-resource", "Bearer fo.rg.ed")); err == nil || err.Error() != "Unauthorized" {
		t.Errorf("got %v", err)
	}
	if asked, refreshes := who.asked.Load(), who.refreshes.Load(); asked+refreshes != 0 {
		t.Errorf("asked %d times, begun %d times", asked, refreshes)
	}
}

// meeting is a table and revocations that can each be read only while the other
// one is.
type meeting struct {
	tables
	meet chan struct{}
}

func (m meeting) Table(ctx context.Context, api mapping.API) (store.Served, error) {
	m.meet <- struct{}{}
	return m.tables.Table(ctx, api)
}

func (m meeting) RevocationsRevision(context.Context) (store.Revision, error) {
	return store.Revision{}, nil
}

func (m meeting) Revocations(context.Context) (store.Revocations, error) {
	<-m.meet
	return store.Revocations{}, nil
}

// TestAColdCallReadsTableAndRevocationsSideBySide: one after the other they would
// wait for each other for ever.
func TestAColdCallReadsTableAndRevocationsSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meeting{tables{table: tabletest.Table(tabletest.Permission("GET", "my-resource", "s1"))}, make(chan struct{})}
		a := start(t, func(c *authorizer.Config) {
			c.Tables, c.Revocations = m, store.NewRevocationCache(m, store.RevocationConfig{TTL: time.Minute, Now: c.Now})
		})
		if _, err := ask(t, a, everything[0]); err != nil {
			t.Error(err)
		}
	})
}

func TestExplainTellsThatTheCallersTokensAreRevoked(t *testing.T) {
	table := tabletest.Table(tabletest.Permission("GET", "a", "s1"))
	caller := explainedCaller("s1")
	a := explainer(t, caller, explainTables{table: table})
	who := &revocations{until: map[string]time.Time{caller.PrincipalID(): tabletest.Now}}
	a.Revocations = who
	q := authorizer.Question{Claims: caller, API: tabletest.API, Method: "GET", Path: "/a"}
	x, err := a.Explain(t.Context(), q)
	if err != nil || x.Allowed || !x.Revoked || x.Reason != authorizer.Revoked || x.Answer != nil || len(x.Policy.Statement) != 0 {
		t.Errorf("%+v, %v", x, err)
	}
	if len(x.Held) != 1 || x.Route != "GET /a" || !x.Registered {
		t.Errorf("what he would hold: %+v", x)
	}
	who.err = errors.New("dial")
	var f *authorizer.Failure
	if _, err := a.Explain(t.Context(), q); !errors.As(err, &f) || f.Reason != authorizer.RevocationsUnavailable {
		t.Errorf("an outage: %v", err)
	}
}

// unrevoked is a store without any revocation.
type unrevoked struct{}

func (unrevoked) RevocationsRevision(context.Context) (store.Revision, error) {
	return store.Revision{}, nil
}

func (unrevoked) Revocations(context.Context) (store.Revocations, error) {
	return store.Revocations{}, nil
}

// weighed counts what each question to revocations allocates, where they are
// asked. The whole call would be no measure: encoding/json and zap keep buffers
// in pools that the garbage collector empties when it likes, and the race
// detector at random.
type weighed struct {
	authorizer.Revocations
	on                 bool
	refreshes, answers []float64
}

func (w *weighed) Refresh(ctx context.Context) {
	if !w.on {
		w.Revocations.Refresh(ctx)
		return
	}
	w.refreshes = append(w.refreshes, testing.AllocsPerRun(100, func() { w.Revocations.Refresh(ctx) }))
}

func (w *weighed) Revoked(ctx context.Context, principalID string, issuedAt time.Time) (revoked bool, err error) {
	if !w.on {
		return w.Revocations.Revoked(ctx, principalID, issuedAt)
	}
	w.answers = append(w.answers, testing.AllocsPerRun(100, func() { revoked, err = w.Revocations.Revoked(ctx, principalID, issuedAt) }))
	return revoked, err
}

// TestTheCheckCostsNoAllocation where everything is in memory.
func TestTheCheckCostsNoAllocation(t *testing.T) {
	w := &weighed{Revocations: store.NewRevocationCache(unrevoked{}, store.RevocationConfig{TTL: time.Minute, Now: func() time.Time { return tabletest.Now }})}
	a := start(t, func(c *authorizer.Config) { c.Revocations = w })
	for _, on := range []bool{false, true} { // first it is read
		w.on = on
		if _, err := ask(t, a, everything[0]); err != nil {
			t.Fatal(err)
		}
	}
	none := []float64{0}
	if !slices.Equal(w.refreshes, none) || !slices.Equal(w.answers, none) {
		t.Errorf("a call's questions to the revocations allocate %v and %v times, want %v", w.refreshes, w.answers, none)
	}
}
