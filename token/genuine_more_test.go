package token

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"scopegate/internal/idp"
)

// The shapes here are those that Entra and other providers are known to issue,
// with invented values: Microsoft's "Access token claims reference", "Optional
// claims reference" and the claims that its tokens carry beyond these (opaque
// ones and xms_*). "An application should ignore claims that it doesn't know."
func TestEverythingThatEntraPutsIntoATokenPasses(t *testing.T) {
	w := newWorld(t, 2)
	for _, c := range entraTokens() {
		t.Run(c.name, func(t *testing.T) {
			raw := signed(t, w.idp, entraHeader(w.idp.KeyID(), c.spec.Version), w.claimsJSON(t, c.spec, c.claims))
			got, err := w.verifier.Verify(context.Background(), raw)
			if err != nil {
				t.Fatal(err)
			}
			if got.Kind != c.kind || got.PrincipalID() != w.idp.TenantID()+":"+got.ObjectID || got.AppID != idp.DefaultAppID || got.GroupsUnknown != c.overage {
				t.Errorf("claims: %+v", got)
			}
			if !slices.Equal(got.Scopes, c.spec.Scopes) || !slices.Equal(got.Roles, c.spec.Roles) || !slices.Equal(got.Groups, c.spec.Groups) {
				t.Errorf("grants: %+v", got)
			}
		})
	}
}

// entraHeader is in Entra's order; v1 tokens repeat the kid as x5t.
func entraHeader(kid, version string) string {
	if version == "1.0" {
		return `{"typ":"JWT","alg":"RS256","x5t":"` + kid + `","kid":"` + kid + `"}`
	}
	return header(kid)
}

type entraToken struct {
	name    string
	spec    idp.Spec
	claims  map[string]string // JSON texts beside the ordinary ones
	kind    Kind
	overage bool
}

func entraTokens() []entraToken {
	read := []string{"orders.read", "user_impersonation"}
	roles := []string{"Orders.Read.All", "Task.Write"}
	v1User, v2User := idp.Spec{Version: "1.0", Scopes: read}, idp.Spec{Scopes: read}
	v1App, v2App := idp.Spec{Version: "1.0", App: true, Roles: roles}, idp.Spec{App: true, Roles: roles}
	with := func(s idp.Spec, change func(*idp.Spec)) idp.Spec { change(&s); return s }
	groups := func(n int) []string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf("0f0f0f0f-0000-4000-8000-%012d", i))
		}
		return list
	}
	overage := map[string]string{"_claim_names": `{"groups":"src1"}`,
		"_claim_sources": `{"src1":{"endpoint":"https://graph.windows.net/t/users/o/getMemberObjects"}}`}
	return []entraToken{
		{"v1 delegated, a user of a hybrid tenant", v1User, usersClaims(), KindUser, false},
		{"v2 delegated, a user of a hybrid tenant", v2User, usersClaims(), KindUser, false},
		{"v1 delegated, a guest", v1User, map[string]string{"acct": "1", "altsecid": `"1:live.com:0003BFFD00000000"`, "idp": `"live.com"`, "unique_name": `"live.com#guest@example.org"`, "upn": "", "email": `"guest@example.org"`, "xms_idrel": `"5 14"`}, KindUser, false},
		{"v2 delegated, a guest of another tenant", v2User, map[string]string{"acct": "1", "idp": `"https://sts.windows.net/99999999-2222-4333-8444-555555555555/"`, "home_oid": `"x"`, "ctry": `"DE"`, "tenant_ctry": `"AT"`}, KindUser, false},
		{"v2 delegated, on behalf of", with(v2User, func(s *idp.Spec) { s.Roles = roles }), map[string]string{"azpacr": `"2"`, "rh": `"1.AXoAx."`, "xms_ftd": `"x"`}, KindUser, false},
		{"v2 delegated, authentication context", v2User, map[string]string{"acrs": `["urn:user:registersecurityinfo","c1"]`, "xms_cc": `["CP1"]`, "auth_time": "1772600000", "amr": `["pwd","mfa","rsa","wia","fido"]`}, KindUser, false},
		{"v2 delegated, 28 hours of continuous access", with(v2User, func(s *idp.Spec) { s.Life = 28 * time.Hour }), map[string]string{"xms_cc": `["CP1"]`, "xms_ssm": `"1"`, "sid": `"0a0a0a0a-1111-4222-8333-bbbbbbbbbbbb"`}, KindUser, false},
		{"v1 delegated, 28 hours and six minutes", with(v1User, func(s *idp.Spec) { s.Life = 28*time.Hour + 6*time.Minute }), map[string]string{"xms_cc": `["cp1"]`}, KindUser, false},
		{"v2 delegated, a day and five minutes, begun five minutes early", with(v2User, func(s *idp.Spec) { s.Life = 24*time.Hour + 5*time.Minute; s.IssuedAt = -5 * time.Minute }), nil, KindUser, false},
		{"v2 delegated, no refresh left", with(v2User, func(s *idp.Spec) { s.Life = 61 * time.Second }), nil, KindUser, false},
		{"v2 delegated, many groups", with(v2User, func(s *idp.Spec) { s.Groups = groups(100) }), nil, KindUser, false},
		{"v2 delegated, groups by name", with(v2User, func(s *idp.Spec) { s.Groups = []string{`CONTOSO\Ärzte & Pflege`, "cloud only", "S-1-5-21-1-2-3-512"} }), nil, KindUser, false},
		{"v1 delegated, more groups than fit", v1User, overage, KindUser, true},
		{"v2 delegated, more groups than fit, implicit flow", v2User, map[string]string{"hasgroups": "true"}, KindUser, true},
		{"v2 delegated, another distributed claim", v2User, map[string]string{"_claim_names": `{"photo":"src1","address":"src2"}`,
			"_claim_sources": `{"src1":{"endpoint":"https://x.example/photo"},"src2":{"endpoint":"https://x.example/address","access_token":"t"}}`}, KindUser, false},
		{"v2 delegated, empty roles and groups", v2User, map[string]string{"roles": `[]`, "groups": `[]`, "wids": `[]`}, KindUser, false},
		{"v2 delegated without sub and uti", v2User, map[string]string{"sub": "", "uti": ""}, KindUser, false},
		{"v1 app-only, a secret", v1App, map[string]string{"aio": `"E2ZgYFg="`, "appidacr": `"1"`, "idp": `"https://sts.windows.net/11111111-2222-4333-8444-555555555555/"`, "rh": `"0.AXoAx."`, "tenant_region_scope": `"EU"`}, KindApp, false},
		{"v2 app-only, a certificate", v2App, map[string]string{"azpacr": `"2"`, "app_displayname": `"Nightly \u2013 import"`, "rh": `"0.x"`}, KindApp, false},
		{"v2 app-only without idtyp", v2App, map[string]string{"idtyp": ""}, KindApp, false},
		{"v1 app-only, a system-assigned managed identity", v1App, map[string]string{"appidacr": `"2"`, "xms_az_rid": `"/subscriptions/s/resourcegroups/g/providers/Microsoft.Compute/virtualMachines/vm"`,
			"xms_mirid": `"/subscriptions/s/resourcegroups/g/providers/Microsoft.Compute/virtualMachines/vm"`, "xms_idrel": `"7 10"`, "xms_rd": `"x"`, "xms_tdbr": `"EU"`}, KindApp, false},
		{"v2 app-only, a managed identity for a day", with(v2App, func(s *idp.Spec) { s.Life = 24*time.Hour + 5*time.Minute }), map[string]string{"azpacr": `"2"`, "xms_mirid": `"/subscriptions/s"`, "xms_nw_loc": `"x"`}, KindApp, false},
		{"v2 app-only, workload identity federation", v2App, map[string]string{"azpacr": `"2"`, "xms_cc": `["cp1"]`, "fmi_path": `"a/b"`}, KindApp, false},
		{"v2 app-only with groups", with(v2App, func(s *idp.Spec) { s.Groups = groups(2) }), nil, KindApp, false},
		{"v1 audience as the App ID URI with its slash", with(v1User, func(s *idp.Spec) { s.Audience = apiAudience + "/" }), nil, KindUser, false},
		{"v2 audience as the client id in capitals", with(v2User, func(s *idp.Spec) { s.Audience = strings.ToUpper(guidAudience) }), nil, KindUser, false},
		{"a nested claim of directory extensions", v2User, map[string]string{"extn.jobTitle": `["Ärztin"]`, "extension_0a0a_costCenter": `"1/2"`, "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/x": `"y"`}, KindUser, false},
	}
}

// usersClaims are all that a synchronized user's token has been seen with.
func usersClaims() map[string]string {
	return map[string]string{
		"acct": "0", "acr": `"1"`, "aio": `"AXQAi/8TAAAA+x/x=="`, "amr": `["pwd","mfa"]`, "app_displayname": `"Bestell\u00fcbersicht"`, "appidacr": `"0"`, "azpacr": `"0"`, "capolids": `["0a0a0a0a-1111-4222-8333-bbbbbbbbbbbb"]`, "capolids_latebind": `["x"]`,
		"controls": `["app_res"]`, "controls_auds": `["00000003-0000-0000-c000-000000000000"]`, "ctry": `"DE"`, "deviceid": `"0a0a0a0a-1111-4222-8333-bbbbbbbbbbbb"`, "email": `"jürgen.müller@contoso.example"`, "family_name": `"M\u00fcller"`, "given_name": `"Jürgen"`,
		"fwd": `"203.0.113.7"`, "idp": `"https://sts.windows.net/11111111-2222-4333-8444-555555555555/"`, "idtyp": `"user"`, "in_corp": `"true"`, "ipaddr": `"2001:db8::1"`, "login_hint": `"O.CiQ="`, "name": `"Jürgen \"JM\" Müller, 山田太郎 \ud83d\ude80"`, "onprem_sid": `"S-1-5-21-1-2-3-1104"`,
		"onprem_sam_account_name": `"jm"`, "platf": `"14"`, "preferred_username": `"jürgen.müller@contoso.example"`, "puid": `"10032000FFFFFFFF"`, "pwd_exp": `"1108800"`, "pwd_url": `"https:\/\/portal.microsoftonline.com\/ChangePassword.aspx"`, "rh": `"0.AXoAx_."`,
		"sid": `"0a0a0a0a-1111-4222-8333-bbbbbbbbbbbb"`, "signin_state": `["dvc_mngd","dvc_dmjd","inknownntwk","kmsi"]`, "tenant_ctry": `"DE"`, "tenant_region_scope": `"EU"`, "tenant_region_sub_scope": `"x"`, "unique_name": `"jürgen.müller@contoso.example"`, "upn": `"jürgen.müller@contoso.example"`,
		"verified_primary_email": `["jm@contoso.example"]`, "verified_secondary_email": `["jürgen@contoso.example"]`, "vnet": `"x"`, "wids": `["62e90394-69f5-4237-9190-012177145e10","b79fbf4d-3ef9-4689-8143-76b194e85509"]`, "xms_act_fct": `"9 3"`, "xms_cc": `["CP1"]`, "xms_edov": "true",
		"xms_ftd": `"x"`, "xms_idrel": `"1 26"`, "xms_pdl": `"EUR"`, "xms_pl": `"de-DE"`, "xms_tpl": `"de"`, "xms_ssm": `"1"`, "xms_st": `{"sub":"AAAA_-x"}`, "xms_sub_fct": `"3 12"`, "xms_tcdt": "1400000000", "xms_tnt_fct": `"3 2"`, "zoneinfo": `"Europe\/Berlin"`, "xms_pftexp": "1772700000.5", "xms_flag": "null",
	}
}

// White space, order and escapes are the issuer's affair.
func TestEntrasJSONMayLookOtherwise(t *testing.T) {
	w := newWorld(t, 2)
	kid := w.idp.KeyID()
	claims := w.claimsJSON(t, idp.Spec{Scopes: []string{"orders.read"}, Roles: []string{"Reader"}}, usersClaims())
	for _, h := range []string{
		`{"kid":"` + kid + `","alg":"RS256","typ":"JWT"}`, `{"alg":"RS256","kid":"` + kid + `"}`, "{\r\n  \"alg\" : \"RS256\",\r\n  \"typ\" : \"JWT\",\r\n  \"kid\" : \"" + kid + "\"\r\n}\r\n",
		`{"alg":"RS256","typ":"at+jwt","kid":"` + kid + `"}`, `{"alg":"RS256","typ":"application\/at+jwt","kid":"` + kid + `"}`, `{"alg":"RS256","typ":"JWT","x5t":"","kid":"` + kid + `"}`, `{"\u006bid":"` + kid + `","\u0061lg":"RS\u003256"}`,
		`{"typ":"Jwt","alg":"RS256","x5t":"Ü","kid":"` + kid + `"}`,
	} {
		w.wantGood(t, signed(t, w.idp, h, claims))
	}
	for _, body := range []string{
		claims + "\n", "\t" + claims, strings.ReplaceAll(claims, `,"`, " ,\r\n \""), strings.ReplaceAll(claims, `":`, "\" \t:\n"), strings.ReplaceAll(claims, "/", `\/`),
		strings.Replace(claims, `"scp"`, `"\u0073\u0063\u0070"`, 1), strings.Replace(claims, "orders.read", `orders\u002eread`, 1), strings.Replace(claims, "{", `{"":"",`, 1), strings.Replace(claims, "{", `{"\ud83d\ude00":"\ud83d\ude00","漢字":["字"],`, 1),
		strings.Replace(claims, "{", `{"n":-1.5e-3,"t":true,"f":false,"z":null,"o":{},"l":[],"deep":[[[{"a":[{}]}]]],`, 1), strings.Replace(claims, "{", `{"half":"\ud800",`, 1),
	} {
		c, err := w.verifier.Verify(context.Background(), w.sign(t, body))
		if err != nil || !slices.Equal(c.Scopes, []string{"orders.read"}) || !slices.Equal(c.Roles, []string{"Reader"}) || c.Audience != apiAudience {
			t.Errorf("%.80q: %+v, %v", body, c, err)
		}
	}
}

func (w *world) sign(t *testing.T, payload string) string {
	t.Helper()
	return signed(t, w.idp, header(w.idp.KeyID()), payload)
}

// A name that looks like a claim is another claim: it may be there and says
// nothing. Grants are read as they stand, and split at spaces alone.
func TestLookAlikesAndOtherSpacesSayNothing(t *testing.T) {
	w := newWorld(t, 2)
	spec := idp.Spec{Scopes: []string{"orders.read"}, Roles: []string{"Reader"}}
	for _, name := range []string{"ѕcp", "scp ", "s\u200bcp", "ｓcp", "rоles", "gr\u043eups", "tıd", "\u0130ss", "scopes", "role", "group", "aud ", "scp\u0301", "_claim_name", "_claims_names"} {
		c, err := w.verifier.Verify(context.Background(), w.sign(t, w.claimsJSON(t, spec, map[string]string{name: `"orders.admin"`})))
		if err != nil || !slices.Equal(c.Scopes, spec.Scopes) || !slices.Equal(c.Roles, spec.Roles) || c.Groups != nil || c.GroupsUnknown {
			t.Errorf("%+q: %+v, %v", name, c, err)
		}
	}
	for scp, want := range map[string][]string{
		"a b": {"a", "b"}, "  a   b ": {"a", "b"}, "a\u00a0b": {"a\u00a0b"}, "a\u2003b": {"a\u2003b"}, "a,b": {"a,b"}, "a+b": {"a+b"}, "a;b": {"a;b"},
		"ORDERS.READ": {"ORDERS.READ"}, "a a": {"a", "a"}, "\u3000": {"\u3000"}, "api://orders/orders.read": {"api://orders/orders.read"},
	} {
		text, err := json.Marshal(scp)
		if err != nil {
			t.Fatal(err)
		}
		c, err := w.verifier.Verify(context.Background(), w.sign(t, w.claimsJSON(t, spec, map[string]string{"scp": string(text)})))
		if err != nil || !slices.Equal(c.Scopes, want) {
			t.Errorf("scp %+q: %+q, %v", scp, c.Scopes, err)
		}
	}
}

// outsider is a provider that is not Entra: any issuer, one key, a document where
// OpenID Connect Discovery wants it.
type outsider struct {
	*world
	issuer, audience string
}

func newOutsider(t *testing.T, issuer, audience string) *outsider {
	t.Helper()
	w := &world{clock: newClock(), other: foreignProvider(), idp: foreignProvider()}
	o := &outsider{w, issuer, audience}
	w.net = &hosts{byHost: map[string]http.Handler{hostOf(issuer): http.HandlerFunc(o.serve)}}
	v, err := New(Config{Issuers: []OIDCIssuer{{Issuer: issuer, Audiences: []string{audience}}}, ClockSkew: time.Minute, Now: w.clock.Now, HTTPClient: &http.Client{Transport: w.net}})
	if err != nil {
		t.Fatal(err)
	}
	w.verifier = v
	return o
}

func (o *outsider) serve(rw http.ResponseWriter, r *http.Request) {
	switch keys := "https://" + hostOf(o.issuer) + "/keys"; {
	case r.URL.Path == "/keys":
		fmt.Fprint(rw, `{"keys":[`+o.goodJWK(map[string]any{"alg": "RS256", "x5t": "x", "x5c": []string{"MIIB"}})+`]}`)
	case r.URL.String() == strings.TrimSuffix(o.issuer, "/")+wellKnown:
		fmt.Fprintf(rw, `{"issuer":%q,"jwks_uri":%q,"id_token_signing_alg_values_supported":["RS256"]}`, o.issuer, keys)
	default:
		http.NotFound(rw, r)
	}
}

func (o *outsider) kid() string { return o.other.KeyID() }

func (o *outsider) token(t *testing.T, header string, claims map[string]any) string {
	t.Helper()
	now := o.clock.Now().Unix()
	all := map[string]any{"iss": o.issuer, "aud": o.audience, "sub": "s", "iat": now, "exp": now + 3600}
	for name, value := range claims {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return signed(t, o.other, header, string(b))
}

// Access tokens as the common providers document and issue them. Scopes are read
// from scope alone, so that those of Okta and of Entra External ID (scp) are none,
// and clients from azp or client_id.
func TestTokensOfOtherProvidersPass(t *testing.T) {
	type m = map[string]any
	for _, c := range []struct {
		name, issuer, header string
		claims               m
		scopes, roles        []string
		principal, client    string
	}{
		{"Keycloak", "https://sso.example/realms/shop", `{"alg":"RS256","typ" : "JWT","kid" : "KID"}`, m{"jti": "onrtac:0a0a", "sub": "0a0a0a0a-1111-4222-8333-bbbbbbbbbbbb", "aud": []string{apiAudience, "account"}, "typ": "Bearer", "azp": "shop-ui", "sid": "s", "acr": "1", "allowed-origins": []string{"https://shop.example"},
			"realm_access": m{"roles": []string{"offline_access", "uma_authorization"}}, "resource_access": m{"account": m{"roles": []string{"view-profile"}}}, "scope": "openid email orders.read", "email_verified": true, "name": "Jürgen Müller", "preferred_username": "jm"}, []string{"openid", "email", "orders.read"}, nil, "sso.example:0a0a0a0a-1111-4222-8333-bbbbbbbbbbbb", "shop-ui"},
		{"Keycloak before 11, nbf zero and a nonce", "https://sso.example/auth/realms/shop", `{"alg":"RS256","typ":"JWT","kid":"KID"}`, m{"nbf": 0, "auth_time": 0, "typ": "Bearer", "nonce": "n", "session_state": "s", "azp": "ui", "scope": "a"}, []string{"a"}, nil, "sso.example:s", "ui"},
		{"Keycloak with its own role mapper", "https://sso.example/realms/shop", header("KID"), m{"typ": "Bearer", "roles": []string{"Reader"}, "groups": []string{"/a/b"}}, nil, []string{"Reader"}, "sso.example:s", ""},
		{"Auth0", "https://shop.eu.auth0.com/", `{"alg":"RS256","typ":"JWT","kid":"KID"}`, m{"sub": "auth0|5f7c8ec7c33c6c004bbafe82", "aud": []string{apiAudience, "https://shop.eu.auth0.com/userinfo"}, "azp": "my_client_id", "scope": "openid profile orders.read", "gty": "password", "permissions": []string{"orders.read"}, "https://shop.example/roles": []string{"x"}, "org_id": "org_1"}, []string{"openid", "profile", "orders.read"}, nil, "shop.eu.auth0.com:auth0|5f7c8ec7c33c6c004bbafe82", "my_client_id"},
		{"Auth0 machine to machine, RFC 9068 profile", "https://shop.eu.auth0.com/", `{"alg":"RS256","typ":"at+jwt","kid":"KID"}`, m{"sub": "client@clients", "client_id": "client", "jti": "j", "scope": "orders.read"}, []string{"orders.read"}, nil, "shop.eu.auth0.com:client@clients", "client"},
		{"Okta", "https://dev-1.okta.com/oauth2/default", `{"kid":"KID","alg":"RS256"}`, m{"ver": 1, "jti": "AT.x", "cid": "0oa1", "uid": "00u1", "scp": []string{"openid", "orders.read"}, "auth_time": 1772600000, "sub": "jm@shop.example", "groups": []string{"Everyone"}}, nil, nil, "dev-1.okta.com:jm@shop.example", ""},
		{"Cognito with a resource", "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Ab1", `{"kid":"KID","alg":"RS256"}`, m{"sub": "0a0a0a0a-1111-4222-8333-bbbbbbbbbbbb", "cognito:groups": []string{"admin"}, "version": 2, "client_id": "1h57kf5cpq17m0eml12EXAMPLE", "origin_jti": "o", "event_id": "e", "token_use": "access", "scope": "orders/read", "auth_time": 1772600000, "jti": "j", "username": "jm"}, []string{"orders/read"}, nil, "cognito-idp.eu-central-1.amazonaws.com:0a0a0a0a-1111-4222-8333-bbbbbbbbbbbb", "1h57kf5cpq17m0eml12EXAMPLE"},
		{"Google service account", "https://accounts.google.com", `{"alg":"RS256","kid":"KID","typ":"JWT"}`, m{"azp": "1102030405", "email": "robot@project.iam.gserviceaccount.com", "email_verified": true, "sub": "1102030405", "google": m{"compute_engine": m{"zone": "europe-west3-a", "instance_creation_timestamp": 1700000000}}}, nil, nil, "accounts.google.com:1102030405", "1102030405"},
		{"GitHub Actions", "https://token.actions.githubusercontent.com", `{"typ":"JWT","alg":"RS256","x5t":"KID","kid":"KID"}`, m{"jti": "j", "sub": "repo:octo/app:ref:refs/heads/main", "ref": "refs/heads/main", "repository_visibility": "private", "run_attempt": "1", "nbf": 1772600000}, nil, nil, "token.actions.githubusercontent.com:repo:octo/app:ref:refs/heads/main", ""},
		{"Kubernetes service account", "https://oidc.eks.eu-central-1.amazonaws.com/id/AB12", `{"alg":"RS256","kid":"KID"}`, m{"aud": []string{apiAudience}, "jti": "j", "nbf": 1772600000, "sub": "system:serviceaccount:shop:orders", "kubernetes.io": m{"namespace": "shop", "pod": m{"name": "p", "uid": "u"}, "warnafter": 1772603607}}, nil, nil, "oidc.eks.eu-central-1.amazonaws.com:system:serviceaccount:shop:orders", ""},
		{"Ory Hydra, empty nbf and lists", "https://id.example/", `{"alg":"RS256","kid":"KID","typ":"JWT"}`, m{"aud": []string{apiAudience}, "client_id": "c", "ext": m{}, "jti": "j", "scp": []string{"offline"}, "scope": "offline orders.read", "nbf": 1772600000}, []string{"offline", "orders.read"}, nil, "id.example:s", "c"},
		{"Duende with scope as a list", "https://id.example", `{"alg":"RS256","kid":"KID","typ":"at+jwt"}`, m{"client_id": "c", "scope": []string{"orders.read", "profile"}, "amr": []string{"pwd"}, "idp": "local", "role": "admin"}, []string{"orders.read", "profile"}, nil, "id.example:s", "c"},
		{"Entra External ID, in its own words", "https://contoso.ciamlogin.com/0a0a0a0a-1111-4222-8333-bbbbbbbbbbbb/v2.0", header("KID"), m{"ver": "2.0", "tid": "0a0a0a0a-1111-4222-8333-bbbbbbbbbbbb", "oid": "x", "azp": "c", "scp": "orders.read", "name": "Ü"}, nil, nil, "contoso.ciamlogin.com:s", "c"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOutsider(t, c.issuer, apiAudience)
			got, err := o.verifier.Verify(context.Background(), o.token(t, strings.ReplaceAll(c.header, "KID", o.kid()), c.claims))
			if err != nil {
				t.Fatal(err)
			}
			if got.Issuer != c.issuer || got.Kind != KindUnknown || got.Audience != apiAudience || got.PrincipalID() != c.principal || got.AppID != c.client {
				t.Errorf("claims: %+v", got)
			}
			if !slices.Equal(got.Scopes, c.scopes) || !slices.Equal(got.Roles, c.roles) || got.TenantID != "" || got.ObjectID != "" {
				t.Errorf("grants: %+v", got)
			}
		})
	}
}
