package token

import (
	"fmt"
	"strings"

	"scopegate/internal/idp"
)

// Everything else that Entra signs, or that clients sign, in its own shape (RFC
// 8725, 2.8, 3.11, 3.12; RFC 9068, 5): ID tokens of both versions and of the hybrid
// flow, back-channel logout, tokens for Graph, client assertions (RFC 7523), DPoP
// proofs (RFC 9449), request objects (RFC 9101).
func otherPurposeAttacks(k *workshop) []attack {
	w, tid := k.w, k.w.idp.TenantID()
	now := w.clock.Now().Unix()
	times := fmt.Sprintf(`"iat":%d,"nbf":%d,"exp":%d`, now, now, now+3600)
	v1, v2 := w.idp.STS()+"/"+tid+"/", w.idp.Authority()+"/"+tid+"/v2.0"
	user := `"oid":"` + idp.DefaultObjectID + `","sub":"AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ","tid":"` + tid + `"`
	idV1 := `"aud":"` + guidAudience + `","iss":"` + v1 + `",` + times + `,"amr":["pwd"],"family_name":"Local","given_name":"Ada","ipaddr":"203.0.113.7","name":"Ada Local",` + user + `,"unique_name":"ada@local.example","upn":"ada@local.example","ver":"1.0"`
	idV2 := `"aud":"` + guidAudience + `","iss":"` + v2 + `",` + times + `,"name":"Ada Local",` + user + `,"preferred_username":"ada@local.example","rh":"0.x","uti":"u","ver":"2.0"`
	raw := func(claims string) string { return k.payload("{" + claims + "}") }
	w.wantGood(k.t, raw(idV1+`,"appid":"`+idp.DefaultAppID+`","scp":"orders.read"`))
	w.wantGood(k.t, raw(idV2+`,"azp":"`+idp.DefaultAppID+`","scp":"orders.read"`))
	proof := `{"typ":"dpop+jwt","alg":"RS256","jwk":{"kty":"RSA","e":"AQAB","n":"AQAB"}}`
	assertion := fmt.Sprintf(`{"iss":%q,"sub":%q,"aud":%q,"jti":"j","iat":%d,"nbf":%d,"exp":%d}`, idp.DefaultAppID, idp.DefaultAppID, v2[:len(v2)-len("v2.0")]+"oauth2/v2.0/token", now, now, now+600)
	good := func(m string) string { return k.and(m) }
	return []attack{
		{"v1 ID token", raw(idV1), ReasonIDToken},
		{"v2 ID token", raw(idV2), ReasonIDToken},
		{"v1 ID token with nonce", raw(idV1 + `,"nonce":"n"`), ReasonIDToken},
		{"v2 ID token with nonce", raw(idV2 + `,"nonce":"n"`), ReasonIDToken},
		{"v2 ID token with roles and groups", raw(idV2 + `,"roles":["Admin"],"groups":["g"]`), ReasonIDToken},
		{"v2 ID token with at_hash and c_hash", raw(idV2 + `,"at_hash":"a","c_hash":"c"`), ReasonIDToken},
		{"v2 ID token with acrs and auth_time", raw(idV2 + `,"acrs":["c1"],"auth_time":1,"login_hint":"O.x"`), ReasonIDToken},
		{"v2 ID token with an empty azp", raw(idV2 + `,"azp":"","roles":["Admin"]`), ReasonIDToken},
		{"v2 ID token with azp and without grants", raw(idV2 + `,"azp":"` + idp.DefaultAppID + `"`), ReasonPurpose},
		{"v1 client claim and scope under v2", raw(idV2 + `,"appid":"` + idp.DefaultAppID + `","scp":"a"`), ReasonIDToken},
		{"v2 client claim and scope under v1", raw(idV1 + `,"azp":"` + idp.DefaultAppID + `","scp":"a"`), ReasonIDToken},
		{"s_hash", good(`"s_hash":"s"`), ReasonIDToken},
		{"nonce null", good(`"nonce":null`), ReasonIDToken},
		{"nonce a number", good(`"nonce":1`), ReasonIDToken},
		{"nonce empty", good(`"nonce":""`), ReasonIDToken},
		{"at_hash null", good(`"at_hash":null`), ReasonIDToken},
		{"at_hash an object", good(`"at_hash":{}`), ReasonIDToken},
		{"back-channel logout", good(`"events":{"http://schemas.openid.net/event/backchannel-logout":{}},"sid":"s"`), ReasonIDToken},
		{"events null", good(`"events":null`), ReasonIDToken},
		{"events a list", good(`"events":["x"]`), ReasonIDToken},
		{"scope in the place of scp", raw(idV2 + `,"azp":"` + idp.DefaultAppID + `","scope":"orders.admin"`), ReasonPurpose},
		{"wids and groups alone", raw(idV2 + `,"azp":"` + idp.DefaultAppID + `","wids":["62e90394-69f5-4237-9190-012177145e10"],"groups":["g"]`), ReasonPurpose},
		{"v1 token for Graph", raw(strings.Replace(idV1, guidAudience, "https://graph.microsoft.com", 1) + `,"appid":"` + idp.DefaultAppID + `","scp":"User.Read"`), ReasonAudience},
		{"v1 token for Graph with its nonce", signed(k.t, w.idp, header(k.kid, `"x5t":"x"`, `"nonce":"AQABAAAAAAD"`), "{"+strings.Replace(idV1, guidAudience, "00000003-0000-0000-c000-000000000000", 1)+"}"), ReasonGraphToken},
		{"nonce and jku in the header", k.header(header(k.kid, `"jku":"https://evil.invalid"`, `"nonce":"n"`)), ReasonGraphToken},
		{"client assertion", k.attacker(header(k.kid), assertion), ReasonIssuer},
		{"client assertion, typed", k.attacker(strings.Replace(header(k.kid), `"JWT"`, `"client-authentication+jwt"`, 1), assertion), ReasonType},
		{"client assertion, signed by the issuer", k.payload(assertion), ReasonIssuer},
		{"request object", k.attacker(strings.Replace(header(k.kid), `"JWT"`, `"oauth-authz-req+jwt"`, 1), assertion), ReasonType},
		{"self-issued ID token", k.attacker(header(k.kid), `{"iss":"https://self-issued.me/v2","sub":"s","aud":"`+apiAudience+`",`+times+`}`), ReasonIssuer},
		{"DPoP proof", k.attacker(proof, `{"jti":"j","htm":"GET","htu":"https://orders.example/","iat":1}`), ReasonHeaderMember},
		{"DPoP proof without jwk", k.attacker(strings.Replace(header(k.kid), `"JWT"`, `"dpop+jwt"`, 1), `{"jti":"j","htm":"GET","htu":"https://orders.example/","iat":1}`), ReasonType},
		{"signed HTTP request of Entra's proof of possession", k.attacker(`{"alg":"RS256","typ":"pop","kid":"`+k.kid+`"}`, `{"at":"`+k.good+`","ts":1,"m":"GET","u":"orders.example"}`), ReasonType},
		{"verifiable credential", k.payload(`{"iss":"did:web:evil.invalid","vc":{"type":["VerifiableCredential"]},` + times + `}`), ReasonIssuer},
	}
}

// The same of another issuer: Keycloak's, Cognito's and others' marks, and what
// has neither an end nor an audience.
func foreignPurposeAttacks(k *workshop) []attack {
	w := k.w
	claims := func(extra map[string]any) string { return mint(k.t, w.other, idp.Spec{Extra: extra}) }
	w.wantGood(k.t, claims(nil))
	set := func(name string) func(string) string {
		return func(v string) string { return claims(map[string]any{name: v}) }
	}
	rows := k.rowsOf("other issuer, typ", ReasonIDToken, set("typ"), "ID", "Refresh", "Offline", "Logout", "Serialized-ID", "Bearer ", "id+jwt", "Action", "User-Info", "bear\u0435r", "JWE", "refresh_token")
	rows = append(rows, k.rowsOf("other issuer, token_use", ReasonIDToken, set("token_use"), "id", "ID", "Access", "refresh", "access ", "id access", "any")...)
	rows = append(rows, k.rowsOf("other issuer, aud", ReasonAudience, set("aud"), "", "https://orders.example/", "https://orders.example:443", "https://ORDERS.example", "http://orders.example", "https://orders.example/x", "https://billing.example", apiAudience, guidAudience)...)
	for _, name := range []string{"exp", "iat", "sub"} {
		rows = append(rows, attack{"other issuer, no " + name, claims(map[string]any{name: nil}), ReasonClaimMissing})
	}
	for _, c := range []struct {
		name  string
		extra map[string]any
		want  Reason
	}{
		{"ID token of the hybrid flow", map[string]any{"nonce": "n", "at_hash": "a", "c_hash": "c"}, ReasonIDToken},
		{"nonce, typ at+jwt", map[string]any{"nonce": "n", "typ": "at+jwt"}, ReasonIDToken},
		{"nonce, token_use access", map[string]any{"nonce": "n", "token_use": "access"}, ReasonIDToken},
		{"at_hash, typ Bearer", map[string]any{"at_hash": "a", "typ": "Bearer"}, ReasonIDToken},
		{"logout token", map[string]any{"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}, "sid": "s", "typ": "Bearer"}, ReasonIDToken},
		{"security event (RFC 8417)", map[string]any{"events": map[string]any{"urn:ietf:params:scim:event:create": map[string]any{}}, "txn": "t", "toe": 1}, ReasonIDToken},
		{"no aud, client_id ours (Cognito without a resource)", map[string]any{"aud": nil, "client_id": "https://orders.example", "token_use": "access"}, ReasonAudience},
		{"azp ours, aud another's", map[string]any{"aud": "account", "azp": "https://orders.example"}, ReasonAudience},
		{"sub empty", map[string]any{"sub": ""}, ReasonClaimMissing},
		{"sub a number", map[string]any{"sub": 1}, ReasonClaimType},
		{"sub a list", map[string]any{"sub": []string{"a"}}, ReasonClaimType},
		{"sub with a line break", map[string]any{"sub": "a\nb"}, ReasonClaimType},
		{"scope a list of lists", map[string]any{"scope": [][]string{{"a"}}}, ReasonClaimType},
		{"scope an object", map[string]any{"scope": map[string]any{"a": true}}, ReasonClaimType},
		{"scope with a tab", map[string]any{"scope": "a\tadmin"}, ReasonClaimType},
		{"typ a list", map[string]any{"typ": []string{"Bearer"}}, ReasonClaimType},
		{"typ null", map[string]any{"typ": rawNull}, ReasonClaimType},
		{"token_use a list", map[string]any{"token_use": []string{"access"}}, ReasonClaimType},
		{"exp a text", map[string]any{"exp": "9999999999"}, ReasonClaimType},
		{"Entra's ver, tid and oid do not help", map[string]any{"aud": apiAudience, "ver": "2.0", "tid": w.idp.TenantID(), "oid": idp.DefaultObjectID, "scp": "admin"}, ReasonAudience},
	} {
		rows = append(rows, attack{"other issuer, " + c.name, claims(c.extra), c.want})
	}
	return rows
}

// rawNull is a JSON null where nil would take the claim out.
var rawNull = (*int)(nil)
