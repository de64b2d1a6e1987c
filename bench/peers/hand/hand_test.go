package hand_test

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"scopegate/bench/peers/hand"
	"scopegate/bench/world"
	"scopegate/internal/idp"
)

const issuer = "https://login.example"

func setup(t *testing.T) (*idp.Provider, *hand.Authorizer) {
	t.Helper()
	p, err := idp.New(idp.Options{BaseURL: issuer})
	if err != nil {
		t.Fatal(err)
	}
	document, _, err := world.One.Permissions()
	if err != nil {
		t.Fatal(err)
	}
	table, err := hand.ReadTable(document)
	if err != nil {
		t.Fatal(err)
	}
	return p, &hand.Authorizer{Table: table, Verifier: &hand.Verifier{
		Keys:   map[string]*rsa.PublicKey{p.KeyID(): p.PublicKey()},
		Issuer: issuer + "/" + p.TenantID() + "/v2.0", Audience: p.Audience(),
	}}
}

func event(t *testing.T, p *idp.Provider, s idp.Spec) []byte {
	t.Helper()
	raw, err := p.Mint(s)
	if err != nil {
		t.Fatal(err)
	}
	b, err := world.One.Event(raw)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestWhatIsNotGoodIsRefused: a peer that verifies less would be faster than it may
// be, remembered or not.
func TestWhatIsNotGoodIsRefused(t *testing.T) {
	p, a := setup(t)
	scopes := []string{world.One.Scope}
	for _, a.Remember = range []bool{false, true} {
		for name, spec := range map[string]idp.Spec{
			"expired":        {Scopes: scopes, Expired: true},
			"not yet valid":  {Scopes: scopes, NotBefore: time.Hour},
			"forged":         {Scopes: scopes, Forged: true},
			"other audience": {Scopes: scopes, Audience: "api://other"},
			"other issuer":   {Scopes: scopes, Issuer: "https://other.example"},
			"unknown key":    {Scopes: scopes, Header: map[string]any{"kid": "other"}},
			"no algorithm":   {Scopes: scopes, Header: map[string]any{"alg": "none"}},
		} {
			for range 2 {
				if out, err := a.Handle(event(t, p, spec)); !errors.Is(err, hand.ErrUnauthorized) {
					t.Errorf("%s: %s, %v", name, out, err)
				}
			}
		}
		for _, payload := range []string{`{}`, `{"headers":{"Authorization":"Basic x"}}`, `{"headers":{"Authorization":"Bearer x"}}`, `{"headers":{"Authorization":"Bearer x.y.z"}}`} {
			if out, err := a.Handle([]byte(payload)); !errors.Is(err, hand.ErrUnauthorized) {
				t.Errorf("%s: %s, %v", payload, out, err)
			}
		}
	}
}

func TestACallerIsAnsweredWithWhatHeHolds(t *testing.T) {
	p, a := setup(t)
	for _, a.Remember = range []bool{false, true} {
		for scope, want := range map[string][]hand.Statement{
			world.One.Scope:  {{Action: "execute-api:Invoke", Effect: "Allow", Resource: world.API.ARN + "/dev/GET/orders/*"}},
			"customers.read": nil,
			"nothing":        {{Action: "execute-api:Invoke", Effect: "Deny", Resource: "*"}},
		} {
			e := event(t, p, idp.Spec{Scopes: []string{scope}})
			for range 2 {
				out, err := a.Handle(e)
				var answer hand.Answer
				if err != nil || json.Unmarshal(out, &answer) != nil {
					t.Fatalf("%s, %v", out, err)
				}
				got := answer.PolicyDocument.Statement
				if want == nil && len(got) != 3 || want != nil && (len(got) != 1 || got[0] != want[0]) {
					t.Errorf("%s: %+v", scope, got)
				}
			}
		}
	}
}

func TestTheTokenOfAnEventIsFound(t *testing.T) {
	p, _ := setup(t)
	raw, err := p.Mint(world.One.Spec(1))
	if err != nil {
		t.Fatal(err)
	}
	e, err := world.One.Event(raw)
	if err != nil {
		t.Fatal(err)
	}
	found := hand.Bearer(e)
	if string(found) != raw {
		t.Errorf("found %d bytes of %d", len(found), len(raw))
	}
	if err := hand.CheckSignature(found, p.PublicKey()); err != nil {
		t.Error(err)
	}
	other := []byte(raw)
	other[40] ^= 1 // another digit of base64, or none: not what was signed
	for name, bad := range map[string][]byte{"changed": other, "none": hand.Bearer([]byte(`{}`)), "cut": found[:len(found)-8], "no signature": []byte("x")} {
		if err := hand.CheckSignature(bad, p.PublicKey()); !errors.Is(err, hand.ErrUnauthorized) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
