package token

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"scopegate/internal/idp"
)

func (w *world) wantUnavailable(t testing.TB, raw string) {
	t.Helper()
	_, err := w.verifier.Verify(context.Background(), raw)
	if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrRefused) {
		t.Fatalf("got %v, want an outage", err)
	}
}

// wantFetches compares how often the keys were fetched.
func (w *world) wantFetches(t testing.TB, want int) {
	t.Helper()
	if got := w.idp.Fetches().Keys; got != want {
		t.Fatalf("the keys were fetched %d times, want %d", got, want)
	}
}

// flood sends tokens under kids that nobody knows.
func (w *world) flood(t testing.TB, n int) {
	t.Helper()
	claims := w.claimsJSON(t, idp.Spec{Scopes: []string{"a"}}, nil)
	for i := range n {
		w.wantReason(t, unsigned(header(fmt.Sprintf("kid-%d", i)), claims, i), ReasonKey)
	}
}

func (w *world) rotate(t testing.TB) {
	t.Helper()
	if err := w.idp.Rotate(); err != nil {
		t.Fatal(err)
	}
}

func TestForgedSignaturesUnderAKnownKidNeverFetch(t *testing.T) {
	w := newWorld(t, 2)
	w.wantGood(t, w.good(t))
	w.wantFetches(t, 1)
	claims := w.claimsJSON(t, idp.Spec{Scopes: []string{"a"}}, nil)
	for i := range 1000 {
		w.wantReason(t, unsigned(header(w.idp.KeyID()), claims, i), ReasonSignature)
	}
	w.wantFetches(t, 1)
}

func TestAFloodOfUnknownKidsFetchesTwiceInAnInterval(t *testing.T) {
	w := newWorld(t, 2)
	for range 29 { // 10 s apart: 4 min 50 s
		w.flood(t, 40)
		w.clock.Advance(10 * time.Second)
	}
	w.wantFetches(t, 2)
	w.clock.Advance(10 * time.Second)
	w.flood(t, 40)
	w.wantFetches(t, 3)
}

func TestConcurrentUnknownKidsShareOneFetch(t *testing.T) {
	w := newWorld(t, 2)
	w.wantGood(t, w.good(t))
	claims := w.claimsJSON(t, idp.Spec{Scopes: []string{"a"}}, nil)
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			_, err := w.verifier.Verify(context.Background(), unsigned(header(fmt.Sprint("k", i)), claims, i))
			if ReasonOf(err) != ReasonKey {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	w.wantFetches(t, 2)
}

func TestARotationRightAfterAFetchIsFoundAtOnce(t *testing.T) {
	w := newWorld(t, 2)
	old := w.good(t)
	w.wantGood(t, old)
	w.clock.Advance(time.Second)
	w.rotate(t)
	w.wantGood(t, w.good(t))
	w.wantGood(t, old) // still published
	w.wantFetches(t, 2)
}

func TestARotationDuringAFloodIsFoundWithinTheInterval(t *testing.T) {
	w := newWorld(t, 2)
	w.flood(t, 10)
	w.clock.Advance(kidSpacing)
	w.flood(t, 10)
	w.wantFetches(t, 2)
	w.rotate(t)
	rotated := w.good(t)
	w.wantReason(t, rotated, ReasonKey)
	w.clock.Advance(kidInterval)
	w.wantGood(t, rotated)
}

func TestADroppedKeyEndsWithTheHour(t *testing.T) {
	w := newWorld(t, 1)
	old := mint(t, w.idp, idp.Spec{Scopes: []string{"a"}, Life: 4 * time.Hour})
	w.wantGood(t, old)
	w.rotate(t)
	w.wantGood(t, old) // nobody told us
	w.clock.Advance(refreshAfter)
	w.wantReason(t, old, ReasonKey)
	w.wantGood(t, w.good(t))
}

// The faults of a provider; each must look the same from outside.
var outages = []idp.Fault{idp.Down, idp.EmptyKeys, idp.EmptyObject, idp.HTML, idp.Huge, idp.Redirect}

func TestAProviderDownColdIsAnOutageAndHealsByItself(t *testing.T) {
	for _, fault := range append([]idp.Fault{idp.WrongIssuer}, outages...) {
		t.Run(string(fault), func(t *testing.T) {
			w := newWorld(t, 2)
			raw := w.good(t)
			w.idp.Fail(fault)
			if err := w.verifier.Prefetch(context.Background()); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("Prefetch: %v", err)
			}
			w.wantUnavailable(t, raw)
			w.idp.Fail(idp.Healthy)
			w.wantUnavailable(t, raw) // backing off
			w.clock.Advance(firstBackoff)
			w.wantGood(t, raw)
		})
	}
}

func TestFailedFetchesBackOffToHalfAMinute(t *testing.T) {
	w := newWorld(t, 2)
	raw := w.good(t)
	w.idp.Fail(idp.Down)
	start := w.clock.Now()
	var at []int
	for range 130 {
		before := w.idp.Fetches().Discovery
		for range 3 {
			w.wantUnavailable(t, raw)
		}
		if w.idp.Fetches().Discovery > before {
			at = append(at, int(w.clock.Now().Sub(start).Seconds()))
		}
		w.clock.Advance(time.Second)
	}
	if got, want := fmt.Sprint(at), "[0 1 3 7 15 31 61 91 121]"; got != want {
		t.Errorf("fetches at seconds %v, want %v", got, want)
	}
}

func TestAProviderDownWarmLeavesGoodTokensGood(t *testing.T) {
	for _, fault := range outages {
		t.Run(string(fault), func(t *testing.T) {
			w := newWorld(t, 2)
			raw := mint(t, w.idp, idp.Spec{Scopes: []string{"a"}, Life: 28 * time.Hour})
			w.wantGood(t, raw)
			w.idp.Fail(fault)
			for range 23 {
				w.clock.Advance(refreshAfter)
				w.wantGood(t, raw)
			}
			if got := w.idp.Fetches(); got.Keys+got.Discovery < 20 {
				t.Errorf("nobody asked meanwhile: %+v", got)
			}
			w.wantUnavailable(t, w.unknownKid(t)) // it may be the new key: nobody knows
			w.clock.Advance(refreshAfter)
			w.wantUnavailable(t, raw) // a day is the limit
			w.idp.Fail(idp.Healthy)
			w.clock.Advance(maxBackoff)
			w.wantGood(t, raw)
			w.wantReason(t, w.unknownKid(t), ReasonKey)
			if foreign := w.net.foreignHosts(); len(foreign) != 0 {
				t.Errorf("we were sent to %v and went", foreign)
			}
		})
	}
}

func (w *world) unknownKid(t testing.TB) string {
	return unsigned(header("unknown"), w.claimsJSON(t, idp.Spec{Scopes: []string{"a"}}, nil), 0)
}

func TestOneMalformedKeyIsSkipped(t *testing.T) {
	w := newWorld(t, 2)
	w.idp.Fail(idp.MalformedKey)
	w.wantGood(t, w.good(t))
}

func TestASetBackClockDoesNotKeepKeysForever(t *testing.T) {
	w := newWorld(t, 1)
	w.clock.Advance(48 * time.Hour)
	old := w.good(t)
	w.wantGood(t, old)
	w.rotate(t)
	w.clock.Advance(-47 * time.Hour)
	w.wantReason(t, old, ReasonKey)
	w.wantFetches(t, 2)
}

// How old keys of the future are nobody knows: from when that is seen they last
// no longer than others.
func TestKeysOfTheFutureEndWithinADay(t *testing.T) {
	w := newWorld(t, 2)
	w.clock.Advance(365 * 24 * time.Hour)
	w.wantGood(t, w.good(t))
	w.clock.Advance(-365 * 24 * time.Hour)
	w.idp.Fail(idp.Down)
	w.wantGood(t, w.good(t))
	w.clock.Advance(maxKeyAge)
	w.wantUnavailable(t, w.good(t))
}

// Passing is said of what may be otherwise in a moment, and of nothing else.
func TestOnlyRefusalsOfTheMomentPass(t *testing.T) {
	w := newWorld(t, 2)
	passes := func(raw string) bool {
		t.Helper()
		_, err := w.verifier.Verify(context.Background(), raw)
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, ErrRefused) {
			t.Fatalf("got %v, want a refusal", err)
		}
		return e.Passing()
	}
	unknown := w.unknownKid(t)
	for range 2 { // with the first keys, and with those fetched for it
		if passes(unknown) {
			t.Error("the issuer was asked for a key and had none: that passes")
		}
		w.clock.Advance(kidSpacing)
	}
	if !passes(unknown) {
		t.Error("nobody was asked any more: that does not pass")
	}
	for raw, want := range map[string]bool{
		mint(t, w.idp, idp.Spec{Scopes: []string{"a"}, NotBefore: time.Hour}):                           true,
		mint(t, w.idp, idp.Spec{Scopes: []string{"a"}, IssuedAt: time.Hour, NotBefore: -2 * time.Hour}): true,
		mint(t, w.idp, idp.Spec{Scopes: []string{"a"}, Expired: true}):                                  false,
		mint(t, w.idp, idp.Spec{Scopes: []string{"a"}, Forged: true}):                                   false,
		"garbage": false,
	} {
		if passes(raw) != want {
			t.Errorf("%.20s…: passing is %v", raw, !want)
		}
	}
}

func TestASetBackClockDoesNotKeepTheBackoffForever(t *testing.T) {
	w := newWorld(t, 2)
	w.clock.Advance(48 * time.Hour)
	w.idp.Fail(idp.Down)
	w.wantUnavailable(t, w.good(t))
	w.idp.Fail(idp.Healthy)
	w.clock.Advance(-47 * time.Hour)
	w.wantGood(t, w.good(t))
}

// keysOf is the key set of the provider's v2 issuer.
func (w *world) keysOf() *keySet {
	return w.verifier.byName[w.idp.Authority()+"/"+w.idp.TenantID()+"/v2.0"].keys
}

// Between a look and its fetch somebody else may have fetched.
func TestAFetchThatSomebodyElseMadeIsNotMadeAgain(t *testing.T) {
	w := newWorld(t, 2)
	before := w.keysOf().look(head{kid: "k", alg: rs256})
	w.wantGood(t, w.good(t))
	if f, _ := w.keysOf().board(before); f != nil {
		t.Error("a fetch was started for what had been fetched since")
	}
	w.wantFetches(t, 1)
}

func TestKeysThatMovedAreFound(t *testing.T) {
	w := newWorld(t, 2)
	raw := mint(t, w.idp, idp.Spec{Scopes: []string{"a"}, Life: 28 * time.Hour})
	w.wantGood(t, raw)
	moved := 0
	w.net.byHost["login.example"] = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/moved":
			moved++
			_, _ = rw.Write([]byte(`{"keys":[` + w.goodJWK(nil) + `]}`))
		case strings.HasSuffix(r.URL.Path, "/keys"):
			http.NotFound(rw, r)
		default:
			_, _ = fmt.Fprintf(rw, `{"issuer":%q,"jwks_uri":"https://login.example/moved"}`, w.keysOf().issuer.iss)
		}
	})
	w.clock.Advance(refreshAfter)
	w.wantGood(t, raw) // by the old keys
	w.clock.Advance(firstBackoff)
	w.wantGood(t, raw)
	if moved != 1 {
		t.Errorf("the new place was asked %d times", moved)
	}
}

func TestDiscoveryIsReadAgainAfterADay(t *testing.T) {
	w := newWorld(t, 2)
	for hour := range 25 {
		w.wantGood(t, w.good(t))
		if got, want := w.idp.Fetches().Discovery, 1+hour/24; got != want {
			t.Fatalf("after %d hours %d discoveries, want %d", hour, got, want)
		}
		w.clock.Advance(refreshAfter)
	}
}

// go-oidc is told that a signature is good of one token alone.
func TestGoOIDCLearnsOfNoOtherToken(t *testing.T) {
	v := &verified{raw: "e30.e30.AA", payload: []byte("{}")}
	if payload, err := v.VerifySignature(context.Background(), v.raw); err != nil || string(payload) != "{}" {
		t.Errorf("of its own: %v", err)
	}
	for _, raw := range []string{"", v.raw + "A", v.raw[:len(v.raw)-1], "e31.e30.AA"} {
		if payload, err := v.VerifySignature(context.Background(), raw); ReasonOf(err) != ReasonLibrary || payload != nil {
			t.Errorf("of another: %v", err)
		}
	}
}

func TestAFrozenProcessRefreshesWhenItWakes(t *testing.T) {
	w := newWorld(t, 1)
	old := w.good(t)
	w.wantGood(t, old)
	w.clock.Advance(72 * time.Hour)
	w.rotate(t)
	w.wantGood(t, w.good(t))
}

func TestPrefetchSparesTheFirstCallItsFetch(t *testing.T) {
	w := newWorld(t, 2)
	if err := w.verifier.Prefetch(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.wantFetches(t, 2) // v1 and v2
	if err := w.verifier.Prefetch(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.wantGood(t, w.good(t))
	w.wantGood(t, mint(t, w.idp, idp.Spec{Version: "1.0", Scopes: []string{"a"}}))
	w.wantFetches(t, 2)
	w.idp.Fail(idp.Down)
	w.clock.Advance(2 * refreshAfter)
	err := w.verifier.Prefetch(context.Background())
	if !errors.Is(err, ErrUnavailable) || strings.Count(err.Error(), "status 503") != 2 {
		t.Errorf("Prefetch of a provider that is down: %v", err)
	}
}

func TestVerifyingWhileKeysRotateIsRaceFree(t *testing.T) {
	w := newWorld(t, 2)
	raw := w.good(t)
	w.wantGood(t, raw)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if _, err := w.verifier.Verify(context.Background(), raw); err != nil {
					t.Errorf("got %v", err)
				}
			}
		})
	}
	for range 3 {
		w.clock.Advance(10 * time.Minute)
		w.flood(t, 5)
	}
	wg.Wait()
}
