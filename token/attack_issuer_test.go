package token

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"scopegate/internal/idp"
)

// Tenants with letters in them: upper case must make a difference.
const (
	firstTenant  = "aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb"
	secondTenant = "cccccccc-1111-4222-8333-dddddddddddd"
)

// estateKeys are made once, since keys take long to make: two tenants with one
// key for each version, and a key of consumers' accounts.
var estateKeys = sync.OnceValue(func() map[string]*idp.Provider {
	keys := map[string]*idp.Provider{"foreign": foreignProvider()}
	for name, tenant := range map[string]string{"first v1": firstTenant, "first v2": firstTenant, "second v1": secondTenant, "second v2": secondTenant, "consumers": msaTenant} {
		p, err := idp.New(idp.Options{BaseURL: "https://login.example", TenantID: tenant, Audience: apiAudience, Now: newClock().Now})
		if err != nil {
			panic(err) // a machine without randomness
		}
		keys[name] = p
	}
	return keys
})

var estateIssuers = []string{"first v1", "first v2", "second v1", "second v2", "foreign"}

// estate is a verifier of five issuers, each with a key of its own. The key of
// the consumers' tenant is published among those of the first tenant, as Entra
// publishes it under common, and names its own issuer.
type estate struct {
	*world
	keys map[string]*idp.Provider
}

func newEstate(t *testing.T) *estate {
	t.Helper()
	w := &world{clock: newClock(), idp: estateKeys()["first v2"], other: foreignProvider()}
	e := &estate{w, estateKeys()}
	w.net = &hosts{byHost: map[string]http.Handler{"login.example": http.HandlerFunc(e.serve), "other.example": w.other}}
	c := w.config()
	c.TenantIDs = []string{firstTenant, secondTenant}
	v, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	w.verifier = v
	return e
}

func (e *estate) serve(rw http.ResponseWriter, r *http.Request) {
	tenant := map[string]string{firstTenant: "first", secondTenant: "second"}[strings.Split(r.URL.Path, "/")[1]]
	if tenant == "" {
		http.NotFound(rw, r)
		return
	}
	body := ""
	switch {
	case strings.HasSuffix(r.URL.Path, "/discovery/keys"):
		body = e.jwk(tenant+" v1", "")
	case strings.HasSuffix(r.URL.Path, "/discovery/v2.0/keys"):
		body = e.jwk(tenant+" v2", "https://login.example/{tenantid}/v2.0")
	default:
		e.keys[tenant+" v2"].ServeHTTP(rw, r)
		return
	}
	if tenant == "first" {
		body += "," + e.jwk("consumers", "https://login.example/"+msaTenant+"/v2.0")
	}
	fmt.Fprint(rw, `{"keys":[`+body+`]}`)
}

func (e *estate) jwk(name, issuer string) string {
	p := e.keys[name]
	return fmt.Sprintf(`{"kty":"RSA","use":"sig","kid":%q,"e":"AQAB","n":%q,"issuer":%q}`, p.KeyID(), b64(string(p.PublicKey().N.Bytes())), issuer)
}

// claims are a good token's of an issuer.
func (e *estate) claims(t *testing.T, name string, extra map[string]any) string {
	t.Helper()
	spec := idp.Spec{Scopes: []string{"orders.read"}, Version: "2.0", Extra: extra}
	if strings.HasSuffix(name, "v1") {
		spec.Version = "1.0"
	}
	p := *e.world
	p.idp = e.keys[name]
	return p.claimsJSON(t, spec, nil)
}

func (e *estate) token(t *testing.T, kid, key, claims string) string {
	t.Helper()
	return signed(t, e.keys[key], header(e.keys[kid].KeyID()), claims)
}

// A key of one issuer never verifies another's token (RFC 8725, 3.8), be it of the
// tenant's other version, of another tenant or of consumers' accounts, whose stolen
// key opened everybody's mail (Storm-0558). Microsoft's rule is in "Access tokens
// in the Microsoft identity platform", validate the signing key issuer.
func TestAKeyVerifiesNothingButItsOwnIssuersTokens(t *testing.T) {
	e := newEstate(t)
	for _, name := range estateIssuers {
		e.wantGood(t, e.token(t, name, name, e.claims(t, name, nil)))
	}
	for _, a := range estateAttacks(t, e) {
		t.Run(a.name, func(t *testing.T) { refusedQuietly(t, e.world, a) })
	}
	if foreign := e.net.foreignHosts(); len(foreign) != 0 {
		t.Errorf("tokens made us ask %v", foreign)
	}
}

func estateAttacks(t *testing.T, e *estate) []attack {
	t.Helper()
	var rows []attack
	for _, issuer := range estateIssuers {
		claims := e.claims(t, issuer, nil)
		for key := range e.keys {
			if key == issuer {
				continue
			}
			unknown := ReasonKey
			if key == "consumers" && strings.HasPrefix(issuer, "first") {
				unknown = ReasonKeyIssuer
			}
			rows = append(rows,
				attack{"key and kid of " + key + ", claims of " + issuer, e.token(t, key, key, claims), unknown},
				attack{"key of " + key + ", kid and claims of " + issuer, e.token(t, issuer, key, claims), ReasonSignature},
				attack{"kid of " + key + ", key and claims of " + issuer, e.token(t, key, issuer, claims), unknown})
		}
		rows = append(rows, e.mixedClaims(t, issuer)...)
	}
	consumers := e.claims(t, "consumers", nil)
	rows = append(rows,
		attack{"a genuine token of consumers' accounts", e.token(t, "consumers", "consumers", consumers), ReasonIssuer},
		attack{"claims of consumers, key of the first tenant", e.token(t, "first v2", "first v2", consumers), ReasonIssuer})
	return rows
}

// mixedClaims are signed by the issuer's own key: iss of it, ver and tid of others.
func (e *estate) mixedClaims(t *testing.T, issuer string) []attack {
	t.Helper()
	if issuer == "foreign" {
		return nil
	}
	var rows []attack
	tenant, version, _ := strings.Cut(issuer, " v")
	for _, other := range estateIssuers[:4] {
		itsTenant, itsVersion, _ := strings.Cut(other, " v")
		extra := map[string]any{"tid": e.keys[other].TenantID(), "ver": itsVersion + ".0"}
		want := ReasonTenant
		switch {
		case other == issuer:
			continue
		case itsVersion != version:
			want = ReasonVersion
		case itsTenant == tenant:
			t.Fatal("two issuers are one")
		}
		rows = append(rows, attack{"iss of " + issuer + ", ver and tid of " + other, e.token(t, issuer, issuer, e.claims(t, issuer, extra)), want})
	}
	tid := e.keys[issuer].TenantID()
	for name, c := range map[string]struct {
		extra map[string]any
		want  Reason
	}{
		"tid in upper case":      {map[string]any{"tid": strings.ToUpper(tid)}, ReasonTenant},
		"tid with one capital":   {map[string]any{"tid": strings.Replace(tid, tid[:1], strings.ToUpper(tid[:1]), 1)}, ReasonTenant},
		"tid of consumers":       {map[string]any{"tid": msaTenant}, ReasonTenant},
		"tid common":             {map[string]any{"tid": "common"}, ReasonTenant},
		"iss with the tid upper": {map[string]any{"iss": strings.Replace(e.iss(t, issuer), tid, strings.ToUpper(tid), 1)}, ReasonIssuer},
		"iss of another tenant":  {map[string]any{"iss": strings.Replace(e.iss(t, issuer), tid, otherTenant, 1)}, ReasonIssuer},
		"iss of consumers":       {map[string]any{"iss": strings.Replace(e.iss(t, issuer), tid, msaTenant, 1)}, ReasonIssuer},
		"iss of common":          {map[string]any{"iss": strings.Replace(e.iss(t, issuer), tid, "common", 1)}, ReasonIssuer},
	} {
		rows = append(rows, attack{issuer + ", " + name, e.token(t, issuer, issuer, e.claims(t, issuer, c.extra)), c.want})
	}
	return rows
}

func (e *estate) iss(t *testing.T, name string) string {
	t.Helper()
	claims, err := e.verifier.Verify(context.Background(), e.token(t, name, name, e.claims(t, name, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return claims.Issuer
}

// nOAuth: mail, name and sub of a victim in another tenant's genuine token make
// nobody the victim; tid and oid do.
func TestNothingButTidAndOidSaysWhoACallerIs(t *testing.T) {
	e := newEstate(t)
	victim, err := e.verifier.Verify(context.Background(), e.token(t, "first v2", "first v2", e.claims(t, "first v2", nil)))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"second v1", "second v2", "foreign"} {
		twin := map[string]any{"sub": victim.Subject, "email": "ada@local.example", "upn": "ada@local.example", "unique_name": "ada@local.example",
			"preferred_username": "ada@local.example", "xms_edov": true, "verified_primary_email": []string{"ada@local.example"}, "oid": victim.ObjectID, "idp": e.iss(t, "first v1")}
		c, err := e.verifier.Verify(context.Background(), e.token(t, name, name, e.claims(t, name, twin)))
		if err != nil {
			t.Fatal(err)
		}
		if c.PrincipalID() == victim.PrincipalID() || strings.HasPrefix(c.PrincipalID(), firstTenant) {
			t.Errorf("%s: %q passes for %q", name, c.PrincipalID(), victim.PrincipalID())
		}
	}
}

// Google's issuer is the one that go-oidc takes in a second spelling, without its
// scheme; here it is held to the one that is configured.
func TestGooglesIssuerHasOneSpelling(t *testing.T) {
	o := newOutsider(t, "https://accounts.google.com", apiAudience)
	o.wantGood(t, o.token(t, header(o.kid()), nil))
	o.wantReason(t, o.token(t, header(o.kid()), map[string]any{"iss": "accounts.google.com"}), ReasonIssuer)
	o.wantReason(t, o.token(t, header(o.kid()), map[string]any{"iss": "https://accounts.google.com/"}), ReasonIssuer)
}
