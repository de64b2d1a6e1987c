package token

// Each of these kills faults of one character that the other tests let live.

import (
	"bytes"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"scopegate/internal/idp"
)

func TestTheBoundsOfJSON(t *testing.T) {
	nest := func(n int) string { return `{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}` }
	members := func(n int) string {
		var b []string
		for i := range n {
			b = append(b, fmt.Sprintf(`"m%d":1`, i))
		}
		return "{" + strings.Join(b, ",") + "}"
	}
	for text, want := range map[string]bool{
		nest(maxDepth): true, nest(maxDepth + 1): false,
		members(maxMembers): true, members(maxMembers + 1): false,
		"{\"a\":\"\x1f\"}": false, `{"a":" "}`: true,
	} {
		if got := object([]byte(text), func(_, _ []byte) bool { return true }); got != want {
			t.Errorf("%.40q of %d bytes: %v", text, len(text), got)
		}
	}
	for text, want := range map[string]int{`[ ]`: 0, `[]`: 0, `[ 1 , 2 ]`: 2, "[\t\n]": 0} {
		n := 0
		if !elements([]byte(text), func([]byte) bool { n++; return true }) || n != want {
			t.Errorf("%q: %d", text, n)
		}
	}
}

func TestTheBoundsOfTheGate(t *testing.T) {
	w := newWorld(t, 1)
	w.wantGood(t, w.good(t))
	claims := w.claimsJSON(t, idp.Spec{Scopes: []string{"a"}}, nil)
	padded := func(n int) string { // a header of n decoded bytes
		h := header(w.idp.KeyID())
		return strings.Replace(h, "{", "{"+strings.Repeat(" ", n-len(h)), 1)
	}
	w.wantGood(t, signed(t, w.idp, padded(maxHeaderBytes*3/4), claims))
	w.wantReason(t, signed(t, w.idp, padded(maxHeaderBytes*3/4+1), claims), ReasonHeader)
	good := w.good(t)
	dot := strings.IndexByte(good, '.')
	for _, at := range []int{1, dot + 5, len(good) - 3} {
		w.wantReason(t, good[:at]+"\r"+good[at:], ReasonBase64)
	}
}

// A distributed claim that stands behind groups does not hide them.
func TestOverageAndTwinsToTheLetter(t *testing.T) {
	w := newWorld(t, 1)
	w.wantGood(t, w.good(t))
	with := func(set map[string]string) string {
		return signed(t, w.idp, header(w.idp.KeyID()), w.claimsJSON(t, idp.Spec{Scopes: []string{"a"}}, set))
	}
	w.wantReason(t, with(map[string]string{"aZp": `"x"`}), ReasonTwin)
	for text, want := range map[string]bool{
		`"hasgroups":"false"`: false, `"hasgroups":false`: false, `"hasgroups":"true"`: true, `"hasgroups":true`: true,
	} {
		name, value, _ := strings.Cut(text, ":")
		c, err := w.verifier.Verify(t.Context(), with(map[string]string{strings.Trim(name, `"`): value}))
		if err != nil || c.GroupsUnknown != want {
			t.Errorf("%s: %v %v", text, c.GroupsUnknown, err)
		}
	}
	c, err := w.verifier.Verify(t.Context(), with(map[string]string{"_claim_names": `{"groups":"s","zzz":"s"}`, "_claim_sources": `{"s":{"endpoint":"e"}}`}))
	if err != nil || !c.GroupsUnknown {
		t.Errorf("overage with a second distributed claim after it: %v %v", c.GroupsUnknown, err)
	}
}

func TestWhichIssuerAKeyNames(t *testing.T) {
	v1 := &issuer{iss: "https://sts.example/t/", tenant: "t", v2: "https://login.example/t/v2.0"}
	other := &issuer{iss: "https://other.example"}
	for _, c := range []struct {
		is   *issuer
		key  string
		want bool
	}{{v1, " ", true}, {v1, "https://sts.example/t/", true}, {v1, "https://sts.example/{tenantid}/", true}, {v1, "https://sts.example/u/", false},
		{other, "https://elsewhere.example", true}} {
		if got := c.is.keyMaySign(c.key); got != c.want {
			t.Errorf("%s by a key of %q: %v", c.is.iss, c.key, got)
		}
	}
}

func TestTheBoundsOfGivenKeys(t *testing.T) {
	w := newWorld(t, 1)
	jwks := `{"keys":[` + w.goodJWK(nil) + `]}`
	c := Config{Issuers: []OIDCIssuer{{Issuer: "https://a.example", Audiences: []string{"a"}}, {Issuer: "https://b.example", Audiences: []string{"b"}}}, Keys: []byte(jwks)}
	if _, err := New(c); err == nil || !strings.Contains(err.Error(), "several issuers") {
		t.Errorf("one set for two issuers: %v", err)
	}
	c.Issuers = c.Issuers[:1]
	for n, good := range map[int]bool{MaxKeysBytes: true, MaxKeysBytes + 1: false} {
		c.Keys = append([]byte(jwks), bytes.Repeat([]byte(" "), n-len(jwks))...)
		if _, err := New(c); (err == nil) != good {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestAGivenUpFetchLeavesTheNextOneAlone(t *testing.T) {
	w := newWorld(t, 1)
	s := w.keysOf()
	now := w.clock.Now()
	zombie := &flight{started: now, done: make(chan struct{})}
	current := &flight{started: now.Add(time.Minute), done: make(chan struct{})}
	s.flight = current
	s.land(zombie, loaded{}, &Error{Reason: ReasonKeys})
	if s.flight != current || s.attempts != 0 || s.failures != 0 {
		t.Errorf("flight %p of %p, attempts %d, failures %d", s.flight, current, s.attempts, s.failures)
	}
}

func TestLoopbackIsThisMachineAlone(t *testing.T) {
	for raw, want := range map[string]bool{"http://10.0.0.1/": false, "http://192.168.0.1/": false, "http://169.254.169.254/": false, "http://127.0.0.9/": true, "http://[::1]/": true} {
		u, err := url.Parse(raw)
		if err != nil || fetchable(u) != want {
			t.Errorf("%s: %v %v", raw, !want, err)
		}
	}
	if _, err := New(Config{Issuers: []OIDCIssuer{{Issuer: "https://a.example", Audiences: []string{"a\x7f"}}}}); err == nil {
		t.Error("an audience with DEL")
	}
}

func TestTheBoundsOfAFetch(t *testing.T) {
	redirects, size := 0, 10
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := len(r.URL.Query().Get("n"))
		if n < redirects {
			http.Redirect(w, r, "/?n="+strings.Repeat("x", n+1), http.StatusFound)
			return
		}
		_, _ = w.Write(make([]byte, size))
	})
	f := newFetcher(&http.Client{Transport: &hosts{byHost: map[string]http.Handler{"a.example": h}}})
	u, _ := url.Parse("https://a.example/")
	for _, c := range []struct {
		redirects, size int
		good            bool
	}{{maxRedirects, 1, true}, {maxRedirects + 1, 1, false}, {0, maxBody, true}, {0, maxBody + 1, false}} {
		redirects, size = c.redirects, c.size
		if _, err := f.get(t.Context(), u); (err == nil) != c.good {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestKeysAreAsOldAsTheirFetch(t *testing.T) {
	w := newWorld(t, 1)
	s := w.keysOf()
	start := w.clock.Now()
	f := &flight{started: start, done: make(chan struct{})}
	s.flight = f
	w.clock.Advance(5 * time.Second)
	u, _ := url.Parse("https://login.example/keys")
	r := s.land(f, loaded{uri: u, keys: keyring{"k": {{may: true}}}}, nil)
	if !s.fetched.Equal(start) || !s.found.Equal(start) || r.Age != 0 {
		t.Errorf("fetched %v, found %v, age %v", s.fetched.Sub(start), s.found.Sub(start), r.Age)
	}
	s.flight = f
	if r = s.land(f, loaded{}, &Error{Reason: ReasonKeys}); r.Age != 5*time.Second {
		t.Errorf("age %v after a fetch that failed", r.Age)
	}
	w.clock.Advance(-time.Minute)
	s.flight = f
	if r = s.land(f, loaded{}, &Error{Reason: ReasonKeys}); r.Age != 0 {
		t.Errorf("age %v", r.Age)
	}
}

func TestWhatAGivenUpFetchBringsCountsIfItIsNewer(t *testing.T) {
	w := newWorld(t, 1)
	s := w.keysOf()
	zombie := &flight{started: w.clock.Now(), done: make(chan struct{})}
	s.flight = &flight{started: w.clock.Now().Add(time.Minute), done: make(chan struct{})}
	s.land(zombie, loaded{keys: keyring{"k": {{may: true}}}}, nil)
	if len(s.keys) != 1 {
		t.Error("keys that came late and are the only ones are thrown away")
	}
	now := w.clock.Now()
	s.forced, s.recent = now, nil
	if s.mayForce(now.Add(kidSpacing-1)) || !s.mayForce(now.Add(kidSpacing)) {
		t.Error("kidSpacing")
	}
}

func TestTheClientAndTheGroupsOfOtherIssuers(t *testing.T) {
	r := &reader{payload: &payload{}}
	r.payload[claimSub], r.payload[claimAzp], r.payload[claimClientID], r.payload[claimGroups] = []byte(`"s"`), []byte(`"a"`), []byte(`"c"`), []byte(`"g"`)
	c := Claims{Subject: "s"}
	readOther(r, &c)
	if r.err != nil || c.AppID != "a" || len(c.Groups) != 1 || c.Groups[0] != "g" {
		t.Errorf("%+v %v", c, r.err)
	}
}

func TestTheBoundsOfAKey(t *testing.T) {
	w := newWorld(t, 1)
	all := func(string) bool { return true }
	for set, want := range map[*map[string]any]bool{
		{"kid": strings.Repeat("k", maxKeyIDBytes)}:                                     true,
		{"kid": strings.Repeat("k", maxKeyIDBytes+1)}:                                   false,
		{"n": b64(string(new(big.Int).SetBit(big.NewInt(1), minKeyBits-2, 1).Bytes()))}: false, // 2,047 bits
		{"n": b64(string(new(big.Int).SetBit(big.NewInt(1), minKeyBits-1, 1).Bytes()))}: true,  // 2,048 bits
		{"q": "AQAB"}: false, {"p": "AQAB"}: false, {"d": "AQAB"}: false,
	} {
		if _, ok := parseKeys([]byte(`{"keys":[`+w.goodJWK(*set)+`]}`), onlyRS256, all); ok != want {
			t.Errorf("%v: %v", *set, ok)
		}
	}
}

func TestAKidWithTheLastControlCharacterIsRefused(t *testing.T) {
	w := newWorld(t, 1)
	w.wantReason(t, signed(t, w.idp, header(w.idp.KeyID()+`\u001f`), w.claimsJSON(t, idp.Spec{Scopes: []string{"a"}}, nil)), ReasonKeyID)
}

// A clock that goes back in the midst of a fetch or behind a discovery makes
// nothing last longer.
func TestASetBackClockEndsFetchesAndDiscoveries(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	f := &flight{started: now}
	for ahead, want := range map[time.Duration]bool{-time.Second: false, 0: true, flightLife - 1: true, flightLife: false} {
		if f.alive(now.Add(ahead)) != want {
			t.Errorf("%v after its start alive is %v", ahead, !want)
		}
	}
	w := newWorld(t, 2)
	w.clock.Advance(48 * time.Hour)
	w.wantGood(t, w.good(t))
	w.clock.Advance(-24 * time.Hour)
	w.wantGood(t, w.good(t))
	if got := w.idp.Fetches(); got.Discovery != 2 || got.Keys != 2 {
		t.Errorf("fetches: %+v", got)
	}
}

// What the shape of an ID token is, to the letter: each of these takes a token
// for its own client out of it.
func TestWhatIsNoIDToken(t *testing.T) {
	w := newWorld(t, 2)
	for name, extra := range map[string]map[string]any{
		"token_use access":        {"token_use": "access"},
		"typ Bearer":              {"typ": "Bearer"},
		"a scope":                 {"scope": "a"},
		"scp, as Okta has it":     {"scp": []string{"a"}},
		"a role":                  {"roles": []string{"R"}},
		"a group":                 {"groups": []string{"g"}},
		"client_id":               {"client_id": "https://orders.example"},
		"client credentials":      {"sub": "https://orders.example"},
		"another client":          {"azp": "web"},
		"no client, as workloads": {"azp": nil},
	} {
		claims := map[string]any{"azp": "https://orders.example", "scp": nil, "roles": nil}
		for k, v := range extra {
			claims[k] = v
		}
		if _, err := w.verifier.Verify(t.Context(), mint(t, w.other, idp.Spec{Extra: claims})); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTwinsOfUnusualNames(t *testing.T) {
	for _, name := range []string{"to\u212aen_use", "Events", "_CLAIM_SOURCES", "Client_Id"} {
		if _, err := parsePayload([]byte(`{"` + name + `":1}`)); ReasonOf(err) != ReasonTwin {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"UPN", "Preferred_Username", "_claim_sources_", "x5t"} {
		if _, err := parsePayload([]byte(`{"` + name + `":1}`)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, c := range "\u0000\u001f\u007f\u0080\u009f\u2028\u2029" {
		if !isControl(c) {
			t.Errorf("%U is one", c)
		}
	}
	if b, ok := unquote([]byte(`"\b\f\n\r\t\/\\\""`)); !ok || string(b) != "\b\f\n\r\t/\\\"" {
		t.Errorf("%q", b)
	}
}

func TestAnAuthorityMayBeWrittenInAnyCase(t *testing.T) {
	p := newProvider(t, idp.Options{})
	server := httptest.NewServer(p)
	defer server.Close()
	p.SetBaseURL(strings.Replace(server.URL, "http:", "HTTP:", 1))
	v, err := New(Config{TenantIDs: []string{p.TenantID()}, Authority: p.Authority(), STS: p.STS(), Audiences: []string{p.Audience()}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), mint(t, p, idp.Spec{Scopes: []string{"a"}})); err != nil {
		t.Error(err)
	}
}
