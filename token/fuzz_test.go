package token

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"

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
		g, err := gate(raw)
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

// FuzzHeader: an accepted header reads the same to a parser that folds case and
// takes the last of two names.
func FuzzHeader(f *testing.F) {
	f.Add([]byte(header("k")))
	f.Add([]byte(header("k", `"x5t":"x"`)))
	f.Add([]byte(`{"alg":"none"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		kid, err := checkHeader(raw)
		if (kid == "") != (err != nil) {
			t.Fatalf("kid %q with %v", kid, err)
		}
		var folded struct{ Alg, Kid string }
		if err == nil && (!utf8.Valid(raw) || json.Unmarshal(raw, &folded) != nil || folded.Alg != algorithm || folded.Kid != kid) {
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
		case c.TenantID != w.idp.TenantID() || !guid.MatchString(c.ObjectID):
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

// FuzzKeys: no answer of a provider gives a key that is unfit.
func FuzzKeys(f *testing.F) {
	w := newWorld(f, 2)
	f.Add([]byte(`{"keys":[` + w.goodJWK(nil) + `]}`))
	f.Add([]byte(`{"keys":[{}]}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, usable := parseKeys(body, func(string) bool { return true })
		if usable != (len(keys) > 0) {
			t.Fatalf("usable %v with %d keys", usable, len(keys))
		}
		for kid, k := range keys {
			if kid == "" || k.public.N.BitLen() < minKeyBits || k.public.E < 3 {
				t.Fatalf("unfit key %q", kid)
			}
		}
	})
}
