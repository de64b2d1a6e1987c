package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"

	"scopegate/internal/idp"
)

// FuzzGate: whatever passes has one spelling, and go-jose reads the same in it.
func FuzzGate(f *testing.F) {
	p := newProvider(f, idp.Options{BaseURL: "https://login.example"})
	for _, s := range []idp.Spec{{Scopes: []string{"a"}}, {Version: "1.0", App: true, Roles: []string{"r"}}, {Header: map[string]any{"nonce": "n"}}} {
		f.Add(mint(f, p, s))
	}
	f.Add(`{"payload":"e30","signatures":[]}`)
	f.Add("e30.e30.AA")
	f.Fuzz(func(t *testing.T, raw string) {
		g, err := gate(raw, onlyRS256)
		if err != nil {
			if !errors.Is(err, ErrRefused) {
				t.Fatalf("%v is no refusal", err)
			}
			return
		}
		part := strings.Split(raw, ".")
		if len(part) != 3 || strictBase64.EncodeToString(g.payload) != part[1] || strictBase64.EncodeToString(g.signature) != part[2] {
			t.Fatalf("%q has another spelling", raw)
		}
		jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256})
		if err != nil {
			t.Fatalf("go-jose refuses what the gate lets through: %v", err)
		}
		if jws.Signatures[0].Header.KeyID != g.kid || string(jws.UnsafePayloadWithoutVerification()) != string(g.payload) {
			t.Fatalf("go-jose reads another token in %q", raw)
		}
	})
}

// FuzzSecondOpinion: go-oidc says of a header, a payload and next to nothing in
// place of the rest what it says of the whole token.
func FuzzSecondOpinion(f *testing.F) {
	w := newWorld(f, 2)
	raw := w.claimsJSON(f, idp.Spec{Scopes: []string{"a"}}, nil)
	for _, payload := range []string{raw, "{}", `{"iss":"other"}`, raw[:len(raw)-1], strings.Replace(raw, `"sub":"`, `"sub":1,"x":"`, 1), strings.Replace(raw, "{", `{"_claim_names":{"a":"b"},`, 1)} {
		f.Add([]byte(header("k")), []byte(payload))
		f.Add([]byte(header("k", `"typ":"at+jwt"`)), []byte(payload))
	}
	is, ok := w.verifier.byName[w.idp.Authority()+"/"+w.idp.TenantID()+"/v2.0"]
	if !ok {
		f.Fatal("no issuer")
	}
	signature := strictBase64.EncodeToString(make([]byte, minKeyBits/8))
	f.Fuzz(func(t *testing.T, head, payload []byte) {
		g, err := gate(strictBase64.EncodeToString(head)+"."+strictBase64.EncodeToString(payload)+"."+signature, onlyRS256)
		if err != nil {
			return
		}
		whole := &verified{raw: g.raw, payload: g.payload}
		_, want := oidc.NewVerifier(is.iss, whole, is.library).Verify(t.Context(), g.raw)
		if got := is.secondOpinion(t.Context(), g); (got == nil) != (want == nil) {
			t.Fatalf("%v, of the whole token %v: header %q, payload %q", got, want, head, payload)
		}
	})
}

// FuzzHeader: an accepted header reads the same to a parser that folds case and
// takes the last of two names.
func FuzzHeader(f *testing.F) {
	f.Add([]byte(header("k")))
	f.Add([]byte(header("k", `"x5t":"x"`)))
	f.Add([]byte(`{"alg":"none"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := readHeader(raw, everyAlgorithm)
		if err == nil && (h.kid == "" || h.alg == noAlgorithm) || err != nil && !errors.Is(err, ErrRefused) {
			t.Fatalf("%+v with %v", h, err)
		}
		var folded struct{ Alg, Kid string }
		if err == nil && (!utf8.Valid(raw) || json.Unmarshal(raw, &folded) != nil || folded.Alg != h.alg.String() || folded.Kid != h.kid) {
			t.Fatalf("%q was accepted and reads otherwise elsewhere: %+v", raw, folded)
		}
	})
}

// FuzzClaims: any payload, as if the issuer had signed it, is refused or gives
// claims that keep the rules and that a parser reads the same which folds case
// and takes the last of two names, as go-oidc's does.
func FuzzClaims(f *testing.F) {
	w := newWorld(f, 2)
	for _, s := range []idp.Spec{{Scopes: []string{"a"}}, {App: true, Roles: []string{"r"}}, {Scopes: []string{"a"}, GroupsOverage: true}, {Version: "1.0", Scopes: []string{"a"}}} {
		seed := w.claimsJSON(f, s, nil)
		if _, err := w.judge([]byte(seed)); err != nil {
			f.Fatalf("the seed %s: %v", seed, err)
		}
		f.Add([]byte(seed))
		f.Add([]byte(strings.Replace(seed, `"tid"`, `"TID"`, 1)))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := w.judge(raw)
		if err != nil {
			if !errors.Is(err, ErrRefused) {
				t.Fatalf("%v is no refusal", err)
			}
			return
		}
		now := w.clock.Now()
		switch {
		case c.TenantID != w.idp.TenantID() || !isGUID(c.ObjectID):
			t.Fatalf("identity %+v", c)
		case c.Audience != apiAudience && c.Audience != guidAudience:
			t.Fatalf("audience %+v", c)
		case !now.Before(c.End) || c.Expires.Sub(c.IssuedAt) > MaxLife || c.IssuedAt.After(now.Add(time.Minute)):
			t.Fatalf("times %+v", c)
		case c.Kind == KindUnknown || len(c.Scopes)+len(c.Roles) == 0:
			t.Fatalf("purpose %+v", c)
		}
		var folded struct {
			Iss, Tid, Oid, Scp, Idtyp string
			Exp                       int64
			Roles, Groups             []string
		}
		if err := json.Unmarshal(raw, &folded); err != nil {
			t.Fatalf("encoding/json: %v", err)
		}
		if folded.Iss != c.Issuer || folded.Tid != c.TenantID || folded.Oid != c.ObjectID || folded.Exp != c.Expires.Unix() ||
			!slices.Equal(splitWords(folded.Scp), c.Scopes) || !slices.Equal(folded.Roles, c.Roles) || !slices.Equal(folded.Groups, c.Groups) {
			t.Fatalf("read in two ways: %+v and %+v", folded, c)
		}
	})
}

// judge is Verify without the signature. The foreign issuer is left out: its
// rules are others.
func (w *world) judge(raw []byte) (Claims, error) {
	p, err := parsePayload(raw)
	if err != nil {
		return Claims{}, err
	}
	is, err := w.verifier.issuerOf(p)
	if err != nil {
		return Claims{}, err
	}
	if !is.entra() {
		return Claims{}, refuse(ReasonIssuer)
	}
	return is.claims(p, w.clock.Now(), time.Minute)
}

// everyAlgorithm is what no issuer but a test's is allowed.
const everyAlgorithm algorithms = 1<<endOfAlgorithms - 1 - 1<<noAlgorithm

// FuzzKeys: no answer of a provider gives a key that is unfit.
func FuzzKeys(f *testing.F) {
	w := newWorld(f, 2)
	f.Add([]byte(`{"keys":[` + w.goodJWK(nil) + `]}`))
	f.Add([]byte(`{"keys":[` + curveJWK("P-256") + `,` + curveJWK("Ed25519") + `]}`))
	f.Add([]byte(`{"keys":[{}]}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, usable := parseKeys(body, everyAlgorithm, func(string) bool { return true })
		if usable != (len(keys) > 0) {
			t.Fatalf("usable %v with %d keys", usable, len(keys))
		}
		for kid, list := range keys {
			for i, k := range list {
				checkKey(t, kid, k)
				if slices.ContainsFunc(list[:i], k.overlaps) {
					t.Fatalf("two keys of %q are for one algorithm", kid)
				}
			}
		}
	})
}

func checkKey(t *testing.T, kid string, k key) {
	t.Helper()
	if kid == "" || !k.may {
		t.Fatalf("unfit key %q", kid)
	}
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() < minKeyBits || public.E < 3 {
			t.Fatalf("weak key %q", kid)
		}
	case *ecdsa.PublicKey:
		if _, err := public.ECDH(); err != nil {
			t.Fatalf("key %q: %v", kid, err)
		}
	case ed25519.PublicKey:
		if len(public) != ed25519.PublicKeySize {
			t.Fatalf("key %q is %d bytes long", kid, len(public))
		}
	default:
		t.Fatalf("key %q is a %T", kid, public)
	}
}

// FuzzObject: our reading of JSON is go-jose's and the standard library's, less
// what we refuse beside them: bad UTF-8, half surrogates in names, deep nesting
// and very many members. It refuses nothing else.
func FuzzObject(f *testing.F) {
	for _, s := range []string{
		`{}`, ` { "a" : [1 , -2.5e+3, "x\\n\u00e9"] , "b":{"c":null,"c":true}}`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`,
		`{"\ud800":1}`, `{"a":"\ud800"}`, `{"a":01}`, `{"a":1.}`, `{"a":tru}`, `{"a":1,}`, `[1]`, "{\"a\":\"\x01\"}", `{"a":1}x`,
		`{"a":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + `}`, `{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":-}`, `{"a":[{]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got := map[string]string{}
		ok := object(raw, func(name, value []byte) bool { got[string(name)] = string(value); return true })
		var want map[string]josejson.RawMessage
		theirs := josejson.Unmarshal(raw, &want) == nil && want != nil && utf8.Valid(raw) && json.Valid(raw)
		if ok && !theirs {
			t.Fatalf("%q was read", raw)
		}
		if !ok && theirs && len(want) <= maxMembers && !nestsDeeply(raw) && !slices.ContainsFunc(slices.Collect(maps.Keys(want)), isBroken) {
			t.Fatalf("%q was refused", raw)
		}
		for name, value := range want {
			if ok && (len(got) != len(want) || got[name] != string(value)) {
				t.Fatalf("%q: %q is %q, want %q", raw, name, got[name], value)
			}
			if ok {
				sameString(t, value)
				sameElements(t, value)
			}
		}
	})
}

func isBroken(name string) bool { return strings.ContainsRune(name, utf8.RuneError) }

// nestsDeeply counts brackets outside strings.
func nestsDeeply(raw []byte) bool {
	depth, deepest, inString := 0, 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case !inString && (c == '{' || c == '['):
			depth++
			deepest = max(deepest, depth)
		case !inString && (c == '}' || c == ']'):
			depth--
		}
	}
	return deepest > maxDepth
}

func sameString(t *testing.T, value []byte) {
	var want string
	isString := value[0] == '"' && json.Unmarshal(value, &want) == nil
	got, ok := text(value)
	if ok != (isString && !isBroken(want)) || ok && got != want {
		t.Fatalf("%q reads %q, %v", value, got, ok)
	}
}

func sameElements(t *testing.T, value []byte) {
	var want []json.RawMessage
	isArray := value[0] == '[' && json.Unmarshal(value, &want) == nil
	var got []string
	if ok := elements(value, func(v []byte) bool { got = append(got, string(v)); return true }); ok != isArray || len(got) != len(want) {
		t.Fatalf("%q has the elements %q, %v", value, got, ok)
	}
	for i := range want {
		if got[i] != string(want[i]) {
			t.Fatalf("%q has the elements %q", value, got)
		}
	}
}
