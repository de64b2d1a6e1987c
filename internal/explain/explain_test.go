package explain

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"scopegate/authorizer"
	"scopegate/internal/idp"
	"scopegate/mapping"
	"scopegate/store"
	"scopegate/token"
)

var (
	epoch  = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	tenant = "8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11"
	entra  = mapping.Trust{Tenant: tenant, Audiences: []string{"api://orders", "api://more"}}
	other  = mapping.Trust{Issuer: "https://i.example", Audiences: []string{"orders"}}
	set    = Settings{ClockSkew: time.Minute, Now: func() time.Time { return epoch }}
)

func TestClaimsThatAreMissingAreThoseOfACallerWhomTheTrustCovers(t *testing.T) {
	for _, c := range []struct {
		name, members string
		trust         mapping.Trust
		want          token.Claims // of what is looked at
	}{
		{"of a user", `"scp": "a b"`, entra, token.Claims{Issuer: token.DefaultAuthority + "/" + tenant + "/v2.0", TenantID: tenant, Audience: "api://orders", ObjectID: idp.DefaultObjectID, Kind: token.KindUser}},
		{"of an app", `"idtyp": "app", "roles": ["R"]`, entra, token.Claims{Issuer: token.DefaultAuthority + "/" + tenant + "/v2.0", TenantID: tenant, Audience: "api://orders", ObjectID: idp.DefaultObjectID, Kind: token.KindApp}},
		{"of a v1 token", `"scp": "a", "ver": "1.0"`, entra, token.Claims{Issuer: token.DefaultSTS + "/" + tenant + "/", TenantID: tenant, Audience: "api://orders", ObjectID: idp.DefaultObjectID, Kind: token.KindUser}},
		{"the second audience", `"scp": "a", "aud": "api://more"`, entra, token.Claims{Issuer: token.DefaultAuthority + "/" + tenant + "/v2.0", TenantID: tenant, Audience: "api://more", ObjectID: idp.DefaultObjectID, Kind: token.KindUser}},
		{"a foreign audience", `"scp": "a", "aud": "api://foreign"`, entra, token.Claims{Issuer: token.DefaultAuthority + "/" + tenant + "/v2.0", TenantID: tenant, Audience: "api://foreign", ObjectID: idp.DefaultObjectID, Kind: token.KindUser}},
		{"of another issuer", `"scope": "a"`, other, token.Claims{Issuer: "https://i.example", Audience: "orders", Kind: token.KindUnknown}},
	} {
		got, err := set.Believe(t.Context(), c.trust, c.members)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		looked := token.Claims{Issuer: got.Issuer, TenantID: got.TenantID, Audience: got.Audience, ObjectID: got.ObjectID, Kind: got.Kind}
		if a, b := text(t, looked), text(t, c.want); a != b {
			t.Errorf("%s: %s, want %s", c.name, a, b)
		}
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestClaimsThatATokenMayNotHaveAreRefusedAsInAToken(t *testing.T) {
	for members, reason := range map[string]token.Reason{
		`"scp": "a", "exp": 1893440000`: token.ReasonExpired,
		`"scp": 1`:                      token.ReasonClaimType,
		`"scp": "a", "SCP": "a"`:        token.ReasonTwin,
		`"scp": "a", "scp": "b"`:        token.ReasonPayload,
	} {
		_, err := set.Believe(t.Context(), entra, members)
		if !errors.Is(err, token.ErrRefused) || token.ReasonOf(err) != reason {
			t.Errorf("%s: %v, want %s", members, err, reason)
		}
	}
	if _, err := set.Believe(t.Context(), mapping.Trust{Tenant: tenant}, ""); !errors.Is(err, ErrNoAudience) {
		t.Errorf("without an audience: %v", err)
	}
	if _, err := set.Believe(t.Context(), entra, `"iss": "no issuer"`); !errors.Is(err, ErrIssuer) {
		t.Errorf("without an issuer: %v", err)
	}
}

func TestMembersAreThoseOfAnObjectAlone(t *testing.T) {
	if got, err := Members([]byte(" {\"a\": 1, \"a\": 2} \n")); err != nil || got != `"a": 1, "a": 2` {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"", "null", "[]", `"x"`, "{", "{} {}"} {
		if got, err := Members([]byte(bad)); err == nil {
			t.Errorf("%q gives %q", bad, got)
		}
	}
}

// TestNothingSignedHereIsBelievedElsewhere: by a verifier of the same issuer that
// has its own keys.
func TestNothingSignedHereIsBelievedElsewhere(t *testing.T) {
	mine, err := signer()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := newSigning()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := mine.sign([]byte(set.completed(other, `"scope": "a"`).text))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(raw, ".") != 2 {
		t.Fatalf("no token: %s", raw)
	}
	if _, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[2]); err != nil {
		t.Fatal(err)
	}
	v, err := token.New(token.Config{
		Issuers: []token.OIDCIssuer{{Issuer: other.Issuer, Audiences: other.Audiences}}, HTTPClient: theirs.client(other.Issuer), Now: set.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), raw); !errors.Is(err, token.ErrRefused) {
		t.Errorf("believed: %v", err)
	}
}

// downStore is a store of revocations that does not answer.
type downStore struct{}

var errDown = errors.New("down")

func (downStore) RevocationsRevision(context.Context) (store.Revision, error) {
	return store.Revision{}, errDown
}
func (downStore) Revocations(context.Context) (store.Revocations, error) {
	return store.Revocations{}, errDown
}

func TestATableIsDecidedAboutAsItIsAndAnOutageIsNone(t *testing.T) {
	api := mapping.API{ARN: "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", Stage: "dev"}
	p, err := mapping.ParsePermission([]byte(`{"arn": "` + api.ARN + `", "stage": "dev", "httpVerb": "GET", "resource": "a", "scope": "s"}`))
	if err != nil {
		t.Fatal(err)
	}
	claims, err := set.Believe(t.Context(), entra, `"scp": "s"`)
	if err != nil {
		t.Fatal(err)
	}
	q := authorizer.Question{Claims: claims, API: api, Method: "GET", Path: "/a"}
	decide := func(s Settings, read error, revoked store.RevocationReader) (authorizer.Explanation, error) {
		table, err := s.TableOf(store.Snapshot{Meta: store.Meta{API: api}, Permissions: []mapping.Permission{p}}, read)
		if err != nil {
			t.Fatal(err)
		}
		a, err := s.Authorizer(table, revoked)
		if err != nil {
			t.Fatal(err)
		}
		return a.Explain(t.Context(), q)
	}
	trusting := set
	trusting.Trust = []mapping.Trust{entra}
	if x, err := decide(trusting, nil, nil); err != nil || !x.Allowed {
		t.Errorf("trusted by default: %+v, %v", x, err)
	}
	if x, err := decide(set, nil, nil); err != nil || x.Allowed || x.Trusted {
		t.Errorf("trusted by nobody: %+v, %v", x, err)
	}
	if x, err := decide(trusting, store.ErrNotFound, nil); err != nil || x.Allowed || x.Registered {
		t.Errorf("not registered: %+v, %v", x, err)
	}
	var f *authorizer.Failure
	if x, err := decide(trusting, nil, downStore{}); !errors.As(err, &f) {
		t.Errorf("revocations not known: %+v, %v", x, err)
	}
	if _, err := trusting.TableOf(store.Snapshot{}, errDown); !errors.Is(err, errDown) {
		t.Errorf("a table that cannot be read: %v", err)
	}
}
