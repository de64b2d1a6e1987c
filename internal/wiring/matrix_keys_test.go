package wiring_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"scopegate/internal/idp"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/token"
)

// label is an issuer as a token names it, and whose word that is.
type label struct{ name, iss, party, version string }

func (m *matrix) labels() []label {
	sts := m.authority + "/sts/"
	return []label{
		{"A v1", sts + tidA + "/", "A", "1.0"}, {"A v2", m.authority + "/" + tidA + "/v2.0", "A", "2.0"},
		{"B v1", sts + tidB + "/", "B", "1.0"}, {"B v2", m.authority + "/" + tidB + "/v2.0", "B", "2.0"},
		{"F", m.issuerF, "F", "2.0"},
	}
}

// relabel signs, with the key of one party, claims that are another's but for
// what is given. kid is that of a third.
func (m *matrix) relabel(signer string, as label, kid, tid string) string {
	m.t.Helper()
	claims, err := m.parties[as.party].Claims(idp.Spec{
		Version: as.version, Audience: audience1, Scopes: []string{"orders.read"}, Roles: []string{"Orders.Run"}, ObjectID: posedOID,
		Extra: map[string]any{"iss": as.iss, "tid": tid, "scope": "orders.read"},
	})
	if err != nil {
		m.t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		m.t.Fatal(err)
	}
	header, err := json.Marshal(map[string]string{"typ": "JWT", "alg": "RS256", "kid": m.parties[kid].KeyID()})
	if err != nil {
		m.t.Fatal(err)
	}
	raw, err := m.parties[signer].Sign(header, payload)
	if err != nil {
		m.t.Fatal(err)
	}
	return raw
}

// TestAKeyOfOneIssuerNeverVerifiesAnothersToken: signer, label, kid and tid in
// all combinations. Entra may publish one set of keys for all its tenants, in
// which each key says whose it is; then as little is taken.
func TestAKeyOfOneIssuerNeverVerifiesAnothersToken(t *testing.T) {
	for name, entra := range map[string]func(*matrix, http.Handler) http.Handler{
		"a set of keys for each tenant": nil, "one set for both": keysOfBoth,
	} {
		t.Run(name, func(t *testing.T) {
			m := newMatrix(t, entra)
			s := storeOf(t)
			put(t, s, "dev", []mapping.Trust{
				{Tenant: tidA, Audiences: []string{audience1}}, {Tenant: tidB, Audiences: []string{audience1}}, {Issuer: m.issuerF, Audiences: []string{audience1}},
			}, nil)
			parts := m.authorizer(s, zap.NewNop())
			parts.Prefetch(t.Context())
			good, bad := map[string]int{}, map[string]int{}
			for _, signer := range []string{"A", "B", "F"} {
				for _, as := range m.labels() {
					for _, kid := range []string{"A", "B", "F"} {
						for _, tid := range []string{tidA, tidB, tidF, strings.ToUpper(tidA), ""} {
							raw := m.relabel(signer, as, kid, tid)
							own := map[string]string{"A": tidA, "B": tidB}[as.party]
							want := signer == as.party && kid == signer && (as.party == "F" || tid == own)
							_, err := parts.Verifier.Verify(t.Context(), raw)
							switch {
							case want && err != nil:
								t.Errorf("%s by %s, tid %q: %v", as.name, signer, tid, err)
							case !want && !errors.Is(err, token.ErrRefused):
								t.Errorf("%s signed by %s under the kid of %s, tid %q: %v, want it refused", as.name, signer, kid, tid, err)
							}
							a, err := m.ask(parts, raw, "dev", "authenticated")
							if opened := m.opens(a, "dev", "authenticated"); opened != want || !want && (err == nil || err.Error() != "Unauthorized") {
								t.Errorf("%s signed by %s under the kid of %s, tid %q: opened %v, %v", as.name, signer, kid, tid, opened, err)
							}
							map[bool]map[string]int{true: good, false: bad}[want][as.name]++
						}
					}
				}
			}
			for _, as := range m.labels() {
				if good[as.name] == 0 || bad[as.name] == 0 {
					t.Errorf("%s: %d accepted, %d refused", as.name, good[as.name], bad[as.name])
				}
			}
		})
	}
}

// keysOfBoth gives the keys of both tenants under each one's address; every key
// names the v2 issuer that it may sign for.
func keysOfBoth(m *matrix, tenants http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/keys") {
			tenants.ServeHTTP(w, r)
			return
		}
		var both struct {
			Keys []map[string]any `json:"keys"`
		}
		for _, tid := range []string{tidB, tidA} {
			recorder := httptest.NewRecorder()
			tenants.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/"+tid+"/discovery/v2.0/keys", nil))
			var one struct {
				Keys []map[string]any `json:"keys"`
			}
			if err := json.Unmarshal(recorder.Body.Bytes(), &one); err != nil {
				http.Error(w, "no keys of "+tid, http.StatusInternalServerError)
				return
			}
			both.Keys = append(both.Keys, one.Keys...)
		}
		b, err := json.Marshal(both)
		if err != nil {
			http.Error(w, "no keys", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(b) // the client is gone: nobody left to tell
	})
}

// everythingOf is a caller of an issuer who holds all that tables ask for.
func everythingOf(issuer string) caller {
	return caller{issuer: issuer, audience: "1", version: "2.0", grants: ordersGrants[len(ordersGrants)-1]}
}

// TestATokenKnownUnderOneTableOpensNoOther that does not trust it: what is
// remembered is who a caller is, never that he may.
func TestATokenKnownUnderOneTableOpensNoOther(t *testing.T) {
	m := newMatrix(t, nil)
	s := storeOf(t)
	a1 := mapping.Trust{Tenant: tidA, Audiences: []string{audience1}}
	b1 := mapping.Trust{Tenant: tidB, Audiences: []string{audience1}}
	f1 := mapping.Trust{Issuer: m.issuerF, Audiences: []string{audience1}}
	trusts := map[string]mapping.Trust{"A": a1, "B": b1, "F": f1}
	for name, trust := range trusts {
		put(t, s, name, []mapping.Trust{trust}, nil)
	}
	core, lines := observer.New(zapcore.InfoLevel)
	parts := m.authorizer(s, zap.New(core))
	for issuer := range trusts {
		raw := m.mint(everythingOf(issuer))
		for round, stage := range []string{issuer, "A", "B", "F", issuer, "no-table", issuer} {
			a, err := m.ask(parts, raw, stage, "authenticated")
			if err != nil {
				t.Fatal(err)
			}
			for column, n := range columns {
				if got, want := m.opens(a, stage, column), stage == issuer && n.opens(everythingOf(issuer), believes(issuer+"1")); got != want {
					t.Errorf("%s on the table of %s, %s, round %d: allowed %v, want %v", issuer, stage, column, round, got, want)
				}
			}
			last := lines.All()[lines.Len()-1].ContextMap()
			if last["tokenHit"] != (round > 0) {
				t.Errorf("%s, round %d: from the memory: %v", issuer, round, last["tokenHit"])
			}
			if stage != issuer && last["reason"] != "untrusted" && stage != "no-table" {
				t.Errorf("%s on the table of %s: reason %v", issuer, stage, last["reason"])
			}
		}
	}
}

// TestATokenKnownOpensNothingOnceItsTableTrustsItNoMore: the memory of tokens
// does not outlive a change of the trust list.
func TestATokenKnownOpensNothingOnceItsTableTrustsItNoMore(t *testing.T) {
	m := newMatrix(t, nil)
	s := storeOf(t)
	put(t, s, "dev", []mapping.Trust{{Tenant: tidB, Audiences: []string{audience1}}, {Tenant: tidA, Audiences: []string{audience1}}}, nil)
	parts := m.authorizer(s, zap.NewNop(), "CACHE_TTL=30s", "TOKEN_CACHE_TTL=10m")
	raw := m.mint(everythingOf("B"))
	want := func(at time.Duration, open bool) {
		t.Helper()
		m.at(at)
		if a, err := m.ask(parts, raw, "dev", "scope"); err != nil || m.opens(a, "dev", "scope") != open {
			t.Errorf("after %v: allowed %v, want %v (%v)", at, !open, open, err)
		}
	}
	want(0, true)
	meta, err := s.Meta(t.Context(), apiOf("dev"))
	if err != nil {
		t.Fatal(err)
	}
	change := store.Change{
		ID: ulid.Make().String(), API: apiOf("dev"), If: meta.Revision, By: "test", At: epoch,
		Head: &store.Head{Trust: []mapping.Trust{{Tenant: tidA, Audiences: []string{audience1}}}},
	}
	if _, err := s.Commit(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	want(30*time.Second-1, true)
	want(30*time.Second, false)
	want(5*time.Minute, false)
}

// TestAKeyTakenAwayEndsTheMemoryWithinItsTTL: from when the key set has been
// refreshed, for a new kid or by the hour, tokens of a key that is gone are known
// for TOKEN_CACHE_TTL at most, however often they are used.
func TestAKeyTakenAwayEndsTheMemoryWithinItsTTL(t *testing.T) {
	for name, c := range map[string]struct {
		refresh time.Duration // of the key set
		newKid  bool          // which a token of the new key causes
	}{"for a new kid": {5 * time.Minute, true}, "by the hour": {time.Hour, false}} {
		for _, issuer := range []string{"A", "B", "F"} {
			t.Run(name+" "+issuer, func(t *testing.T) {
				m := newMatrix(t, nil)
				s := storeOf(t)
				put(t, s, "dev", []mapping.Trust{
					{Tenant: tidA, Audiences: []string{audience1}}, {Tenant: tidB, Audiences: []string{audience1}}, {Issuer: m.issuerF, Audiences: []string{audience1}},
				}, nil)
				parts := m.authorizer(s, zap.NewNop(), "TOKEN_CACHE_TTL=60s")
				who := everythingOf(issuer)
				old := m.mint(who)
				opens := func(raw string) bool {
					t.Helper()
					a, err := m.ask(parts, raw, "dev", "authenticated")
					if err != nil && err.Error() != "Unauthorized" {
						t.Fatal(err)
					}
					return m.opens(a, "dev", "authenticated")
				}
				if !opens(old) {
					t.Fatal("a good token opens nothing")
				}
				if err := m.parties[issuer].Rotate(); err != nil { // one key: the old one is gone
					t.Fatal(err)
				}
				fresh := m.mint(who)
				m.at(c.refresh - time.Second)
				if !opens(old) { // known again just before the refresh
					t.Fatal("the old key is gone before anybody could know")
				}
				m.at(c.refresh)
				if c.newKid && !opens(fresh) {
					t.Fatal("a token of the new key opens nothing")
				}
				// The memory of a second before ends a second early. Until then it must be
				// seen to answer, or this would test nothing.
				for _, after := range []time.Duration{0, 30 * time.Second, 58 * time.Second, 59 * time.Second, time.Minute, 2 * time.Minute, 30 * time.Minute} {
					m.at(c.refresh + after)
					want := after < 59*time.Second
					if opens(old) != want {
						t.Errorf("%v after the refresh a token of the old key opens: %v, want %v", after, !want, want)
					}
				}
				if !opens(fresh) {
					t.Error("a token of the new key opens nothing")
				}
			})
		}
	}
}
