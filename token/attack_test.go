package token

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"scopegate/internal/idp"
)

// attack is one token that must be refused, for the one reason named.
type attack struct {
	name string
	raw  string
	want Reason
}

func TestEveryForgeryIsRefusedForItsOwnReason(t *testing.T) {
	w := newWorld(t, 2)
	w.wantGood(t, w.good(t)) // the control: what the attacks are made from passes
	var rows []attack
	rows = append(rows, formAttacks(t, w)...)
	rows = append(rows, headerAttacks(t, w)...)
	rows = append(rows, signatureAttacks(t, w)...)
	rows = append(rows, payloadAttacks(t, w)...)
	rows = append(rows, tupleAttacks(t, w)...)
	rows = append(rows, timeAttacks(t, w)...)
	rows = append(rows, purposeAttacks(t, w)...)
	for _, a := range rows {
		t.Run(a.name, func(t *testing.T) { refusedQuietly(t, w, a) })
	}
	if foreign := w.net.foreignHosts(); len(foreign) != 0 {
		t.Errorf("tokens made us ask %v", foreign)
	}
}

func refusedQuietly(t *testing.T, w *world, a attack) {
	w.wantReason(t, a.raw, a.want)
	_, err := w.verifier.Verify(context.Background(), a.raw)
	if !errors.Is(err, ErrRefused) || errors.Is(err, ErrUnavailable) {
		t.Errorf("%v is no refusal", err)
	}
	if want := "token refused: " + string(a.want); err.Error() != want {
		t.Errorf("the error says %q, want %q and nothing of the token", err, want)
	}
}

func formAttacks(t *testing.T, w *world) []attack {
	good := w.good(t)
	part := strings.Split(good, ".")
	h, p, s := part[0], part[1], part[2]
	flattened := fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, h, p, s)
	general := fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, p, h, s)
	return []attack{
		{"empty", "", ReasonNotCompact},
		{"one part", "ThisIsNotAJWT", ReasonNotCompact},
		{"two parts", h + "." + p, ReasonNotCompact},
		{"four parts", good + ".", ReasonNotCompact},
		{"five parts, as JWE", h + "." + p + "." + s + "." + p + "." + s, ReasonNotCompact},
		{"empty header", "." + p + "." + s, ReasonNotCompact},
		{"empty payload (detached)", h + ".." + s, ReasonNotCompact},
		{"JWS JSON serialization, flattened", flattened, ReasonNotCompact},
		{"JWS JSON serialization, general", general, ReasonNotCompact},
		{"several signatures", `{"payload":"` + p + `","signatures":[{"protected":"` + h + `","signature":"` + s + `"},{"protected":"` + h + `","signature":"AA"}]}`, ReasonNotCompact},
		{"one byte too large", strings.Repeat("A", MaxBytes+1), ReasonTooLarge},
		{"megabytes of dots", strings.Repeat(".", 1<<20), ReasonTooLarge},
		{"a genuine but oversize token", mint(t, w.idp, idp.Spec{Scopes: []string{strings.Repeat("s", MaxBytes)}}), ReasonTooLarge},
		{"leading space", " " + good, ReasonBase64},
		{"trailing newline", good + "\n", ReasonBase64},
		{"line break in the payload", h + "." + p[:20] + "\r\n" + p[20:] + "." + s, ReasonBase64},
		{"line break in the header", h[:8] + "\n" + h[8:] + "." + p + "." + s, ReasonBase64},
		{"space in the signature", h + "." + p + "." + s[:9] + " " + s[9:], ReasonBase64},
		{"padded header", h + "==." + p + "." + s, ReasonBase64},
		{"padded signature", good + "==", ReasonBase64},
		{"standard alphabet", h + "." + p + ".+/" + s[2:], ReasonBase64},
		{"percent-encoded dot", h + "%2E" + p + "." + s, ReasonNotCompact},
		{"NUL at the end", good + "\x00", ReasonBase64},
		{"non-canonical last character", h + "." + p + "." + nonCanonical(s), ReasonBase64},
		{"base64 of impossible length", h + "." + p + "." + s + "AAA", ReasonBase64},
		{"not ASCII", h + "." + p + "." + s[:10] + "é" + s[10:], ReasonBase64},
	}
}

// nonCanonical changes bits of the last character that decoders throw away.
func nonCanonical(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, s[len(s)-1])
	return s[:len(s)-1] + string(alphabet[last^1])
}

func headerAttacks(t *testing.T, w *world) []attack {
	kid := w.idp.KeyID()
	claims := w.claimsJSON(t, idp.Spec{Scopes: []string{"orders.read"}}, nil)
	with := func(h string) string { return signed(t, w.idp, h, claims) }
	alg := func(a string) string { return with(`{"typ":"JWT","alg":` + a + `,"kid":"` + kid + `"}`) }
	n := w.idp.PublicKey().N.Bytes()
	jwk := `{"kty":"RSA","e":"AQAB","n":"` + b64(string(n)) + `"}`
	rows := []attack{
		{"embedded jwk", with(header(kid, `"jwk":`+jwk)), ReasonHeaderMember},
		{"embedded jwk instead of kid", with(`{"alg":"RS256","jwk":` + jwk + `}`), ReasonHeaderMember},
		{"alg none with jwk, the go-jose 4.1.4 killer", b64(`{"alg":"none","jwk":`+jwk+`}`) + "." + b64(claims) + ".", ReasonHeaderMember},
		{"crit empty", with(header(kid, `"crit":[]`)), ReasonHeaderMember},
		{"crit b64 false", with(header(kid, `"crit":["b64"]`, `"b64":false`)), ReasonHeaderMember},
		{"member in other case", with(header(kid, `"KID":"x"`)), ReasonHeaderMember},
		{"member with a long s", with(header(kid, `"uſe":"x"`)), ReasonHeaderMember},
		{"empty member name", with(header(kid, `"":""`)), ReasonHeaderMember},
		{"Graph token", with(header(kid, `"nonce":"AQABAAAA"`)), ReasonGraphToken},
		{"Graph token, nonce empty", with(header(kid, `"nonce":""`)), ReasonGraphToken},
		{"kid twice", with(header(kid, `"kid":"`+kid+`"`)), ReasonHeader},
		{"alg twice, none last", with(header(kid, `"alg":"none"`)), ReasonHeader},
		{"alg twice, escaped", with(header(kid, `"\u0061lg":"none"`)), ReasonHeader},
		{"header is null", with(`null`), ReasonHeader},
		{"header is an array", with(`["RS256"]`), ReasonHeader},
		{"header is a string", with(`"RS256"`), ReasonHeader},
		{"header is no JSON", with(`alg=RS256`), ReasonHeader},
		{"header cut off", with(`{"alg":"RS256"`), ReasonHeader},
		{"header with a tail", with(header(kid) + `{}`), ReasonHeader},
		{"header in invalid UTF-8", with(header(kid, `"x5t":"`+"\xff"+`"`)), ReasonHeader},
		{"header with a lone surrogate", with(header(kid, `"x5t":"\ud800"`)), ReasonHeader},
		{"header of deep nesting", with(`{"kid":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `}`), ReasonHeader},
		{"header of two kilobytes", with(header(kid, `"x5t":"`+strings.Repeat("x", 2048)+`"`)), ReasonHeader},
		{"kid a number", with(`{"alg":"RS256","kid":1}`), ReasonHeader},
		{"kid null", with(`{"alg":"RS256","kid":null}`), ReasonHeader},
		{"typ a list", with(`{"alg":"RS256","kid":"` + kid + `","typ":["JWT"]}`), ReasonHeader},
		{"alg a list", alg(`["RS256"]`), ReasonHeader},
		{"alg null", alg(`null`), ReasonHeader},
		{"no alg", with(`{"typ":"JWT","kid":"` + kid + `"}`), ReasonAlgorithm},
		{"HS256 with the public key as the secret", hmacToken(t, w, claims), ReasonAlgorithm},
		{"typ of a logout token", with(strings.Replace(header(kid), `"JWT"`, `"logout+jwt"`, 1)), ReasonType},
		{"typ of a proof", with(strings.Replace(header(kid), `"JWT"`, `"dpop+jwt"`, 1)), ReasonType},
		{"typ of a security event", with(strings.Replace(header(kid), `"JWT"`, `"secevent+jwt"`, 1)), ReasonType},
		{"typ empty", with(strings.Replace(header(kid), `"JWT"`, `""`, 1)), ReasonType},
		{"typ JWE", with(strings.Replace(header(kid), `"JWT"`, `"JOSE"`, 1)), ReasonType},
		{"no kid", with(`{"typ":"JWT","alg":"RS256"}`), ReasonKeyIDMissing},
		{"kid empty", with(header("")), ReasonKeyIDMissing},
		{"kid of 300 bytes", with(header(strings.Repeat("k", 300))), ReasonKeyID},
		{"kid with a NUL", with(header(kid + `\u0000`)), ReasonKeyID},
		{"kid with a line break", with(header(kid + `\n`)), ReasonKeyID},
		{"kid a path", with(header("../../../../dev/null")), ReasonKey},
		{"kid an SQL injection", with(header("x' UNION SELECT 'secret")), ReasonKey},
		{"kid a URL", with(header("https://evil.invalid/key")), ReasonKey},
		{"kid unknown", with(header("unknown")), ReasonKey},
		{"kid in other case", with(header(strings.ToUpper(kid))), ReasonKey},
		{"kid with a space", with(header(kid + " ")), ReasonKey},
	}
	for _, a := range []string{"none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "RS384", "RS512", "PS256", "ES256", "EdDSA", "rs256", "RS256 ", "RSA-OAEP", "dir"} {
		rows = append(rows, attack{"alg " + a, alg(`"` + a + `"`), ReasonAlgorithm})
	}
	for _, m := range []string{"jku", "x5u", "x5c", "cty", "zip", "b64", "x5t#S256", "enc", "epk", "iss", "url", "apu"} {
		rows = append(rows, attack{"member " + m, with(header(kid, `"`+m+`":"https://evil.invalid/"`)), ReasonHeaderMember})
	}
	return rows
}

// hmacToken is algorithm confusion: the attacker knows the public key, too.
func hmacToken(t *testing.T, w *world, claims string) string {
	der, err := x509.MarshalPKIXPublicKey(w.idp.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	secret := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	head := b64(`{"typ":"JWT","alg":"HS256","kid":"`+w.idp.KeyID()+`"}`) + "." + b64(claims)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(head))
	return head + "." + b64(string(mac.Sum(nil)))
}

func signatureAttacks(t *testing.T, w *world) []attack {
	kid := w.idp.KeyID()
	claims := w.claimsJSON(t, idp.Spec{Scopes: []string{"orders.read"}}, nil)
	good := signed(t, w.idp, header(kid), claims)
	dot := strings.LastIndex(good, ".")
	head, sig := good[:dot], good[dot+1:]
	admin := strings.Replace(claims, "orders.read", "orders.admin", 1)
	other := signed(t, w.other, header(kid), claims)
	return []attack{
		{"signed by an unpublished key", mint(t, w.idp, idp.Spec{Scopes: []string{"orders.read"}, Forged: true}), ReasonSignature},
		{"signed by another issuer's key under our kid", other, ReasonSignature},
		{"another issuer's key and kid", signed(t, w.other, header(w.other.KeyID()), claims), ReasonKey},
		{"payload exchanged", b64(header(kid)) + "." + b64(admin) + "." + sig, ReasonSignature},
		{"header exchanged", b64(header(kid, `"x5t":"x"`)) + "." + b64(claims) + "." + sig, ReasonSignature},
		{"all zero", head + "." + b64(string(make([]byte, 256))), ReasonSignature},
		{"all one", head + "." + b64(strings.Repeat("\xff", 256)), ReasonSignature},
		{"first character changed", head + "." + flip(sig), ReasonSignature},
		{"signature of another token", head + "." + mustCutSignature(w.good(t)), ReasonSignature},
		{"longer than the key", head + "." + b64(strings.Repeat("\x01", 257)), ReasonSignature},
		{"empty signature", head + ".", ReasonSignatureForm},
		{"truncated", head + "." + sig[:len(sig)-6], ReasonSignatureForm},
		{"one byte", head + ".AA", ReasonSignatureForm},
		{"of two kilobytes", head + "." + b64(strings.Repeat("\x01", 2048)), ReasonSignatureForm},
	}
}

func flip(s string) string {
	if s[0] == 'A' {
		return "B" + s[1:]
	}
	return "A" + s[1:]
}

func mustCutSignature(raw string) string { return raw[strings.LastIndex(raw, ".")+1:] }

// payloadAttacks are signed by the issuer itself: what two parsers could read in
// two ways is refused even so.
func payloadAttacks(t *testing.T, w *world) []attack {
	kid := w.idp.KeyID()
	raw := func(payload string) string { return signed(t, w.idp, header(kid), payload) }
	spec := idp.Spec{Scopes: []string{"orders.read"}, Roles: []string{"Reader"}}
	claims := w.claimsJSON(t, spec, nil)
	and := func(member string) string { return raw(strings.TrimSuffix(claims, "}") + "," + member + "}") }
	set := func(name, text string) string { return raw(w.claimsJSON(t, spec, map[string]string{name: text})) }
	rows := []attack{
		{"payload is null", raw(`null`), ReasonPayload},
		{"payload is an array", raw(`[]`), ReasonPayload},
		{"payload is a string", raw(`"a"`), ReasonPayload},
		{"payload is no JSON", raw(`hello`), ReasonPayload},
		{"payload with a tail", raw(claims + claims), ReasonPayload},
		{"payload cut off", raw(claims[:len(claims)-1]), ReasonPayload},
		{"payload with a comment", raw("/**/" + claims), ReasonPayload},
		{"payload with a byte order mark", raw("\ufeff" + claims), ReasonPayload},
		{"payload in invalid UTF-8", and(`"x":"` + "\xc3\x28" + `"`), ReasonPayload},
		{"name in invalid UTF-8", and(`"` + "\xff" + `":1`), ReasonPayload},
		{"control character in a string", and(`"x":"` + "\x01" + `"`), ReasonPayload},
		{"scp twice", and(`"scp":"orders.admin"`), ReasonPayload},
		{"scp twice, escaped", and(`"\u0073cp":"orders.admin"`), ReasonPayload},
		{"iss twice", and(`"iss":"https://evil.invalid"`), ReasonPayload},
		{"unknown name twice", and(`"x":1,"x":2`), ReasonPayload},
		{"deep nesting, not closed", and(`"x":` + strings.Repeat("[", 2000)), ReasonPayload},
		{"empty object", raw(`{}`), ReasonClaimMissing},
		{"aud with NUL", set("aud", `"api://orders\u0000"`), ReasonClaimType},
		{"scp with a tab", set("scp", `"a\torders.admin"`), ReasonClaimType},
		{"scp with a lone surrogate", set("scp", `"\udfff"`), ReasonClaimType},
		{"scp with a next line", set("scp", `"a\u0085orders.admin"`), ReasonClaimType},
		{"role with a line separator", set("roles", `["a\u2028b"]`), ReasonClaimType},
		{"scp of 513 words", set("scp", `"`+strings.Repeat("a ", maxList)+`orders.admin"`), ReasonClaimType},
		{"513 roles", set("roles", `["r"`+strings.Repeat(`,"r"`, maxList)+`]`), ReasonClaimType},
		{"129 audiences", set("aud", `["api://orders"`+strings.Repeat(`,"a"`, maxAudiences)+`]`), ReasonClaimType},
		{"129 claims", and(members(maxMembers)), ReasonPayload},
		{"role with a line break", set("roles", `["a\nb"]`), ReasonClaimType},
		{"oid is no GUID", set("oid", `"me"`), ReasonClaimType},
		{"oid in upper case", set("oid", `"`+strings.ToUpper(idp.DefaultObjectID)+`"`), ReasonClaimType},
		{"iss a list", set("iss", `["`+w.idp.Authority()+`"]`), ReasonClaimType},
		{"iss a number", set("iss", `1`), ReasonClaimType},
		{"_claim_names a string", set("_claim_names", `"groups"`), ReasonClaimType},
		{"aud a list with a number", set("aud", `["api://orders",1]`), ReasonClaimType},
		{"aud a list of lists", set("aud", `[["api://orders"]]`), ReasonClaimType},
		{"roles a string", set("roles", `"Reader"`), ReasonClaimType},
		{"groups an object", set("groups", `{"a":true}`), ReasonClaimType},
	}
	for _, twin := range []string{"SCP", "Scp", "\u017fcp", "\\u017fcp", "ROLES", "role\u017f", "ISS", "Aud", "EXP", "Nbf", "TID", "oiD", "Ver", "groupS", "IDTYP", "HasGroups", "_Claim_Names", "AppId", "\u017fub"} {
		rows = append(rows, attack{"twin " + twin, and(`"` + twin + `":"orders.admin"`), ReasonTwin})
	}
	for _, name := range []string{"exp", "iat", "nbf"} {
		for _, n := range []string{`"1772600000"`, `1772600000.0`, `1772600000.5`, `1.7726e9`, `-1`, `-0`, `1e400`, `9223372036854775808`, `99999999999999999999999999`, `253402300800`, `null`, `true`, `[1772600000]`, `{}`, `""`} {
			rows = append(rows, attack{name + " " + n, set(name, n), ReasonClaimType})
		}
	}
	for _, name := range []string{"aud", "ver", "tid", "oid", "scp", "sub", "azp", "uti"} {
		for _, v := range []string{`1`, `null`, `true`, `{}`} {
			rows = append(rows, attack{name + " " + v, set(name, v), ReasonClaimType})
		}
	}
	for _, name := range []string{"iss", "exp", "iat", "tid", "oid", "ver"} {
		rows = append(rows, attack{"no " + name, set(name, ""), ReasonClaimMissing})
	}
	return rows
}

// members are n members that nobody knows.
func members(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`"x%d":0`, i)
	}
	return strings.Join(list, ",")
}

func tupleAttacks(t *testing.T, w *world) []attack {
	read := []string{"orders.read"}
	tid := w.idp.TenantID()
	v1, v2 := w.idp.STS()+"/"+tid+"/", w.idp.Authority()+"/"+tid+"/v2.0"
	m := func(s idp.Spec) string { s.Scopes = read; return mint(t, w.idp, s) }
	extra := func(name string, v any) string { return m(idp.Spec{Extra: map[string]any{name: v}}) }
	return []attack{
		{"another tenant, iss and tid", m(idp.Spec{TenantID: otherTenant}), ReasonIssuer},
		{"MSA tenant, iss and tid", m(idp.Spec{TenantID: msaTenant}), ReasonIssuer},
		{"tid of another tenant under our iss", m(idp.Spec{TenantID: otherTenant, Issuer: v2}), ReasonTenant},
		{"tid in upper case", extra("tid", strings.ToUpper(tid)+"A"), ReasonTenant},
		{"iss the template", m(idp.Spec{Issuer: w.idp.Authority() + "/{tenantid}/v2.0"}), ReasonIssuer},
		{"iss common", m(idp.Spec{Issuer: w.idp.Authority() + "/common/v2.0"}), ReasonIssuer},
		{"iss with a slash more", m(idp.Spec{Issuer: v2 + "/"}), ReasonIssuer},
		{"iss without its slash", m(idp.Spec{Version: "1.0", Issuer: strings.TrimSuffix(v1, "/")}), ReasonIssuer},
		{"iss in upper case", m(idp.Spec{Issuer: strings.ToUpper(v2)}), ReasonIssuer},
		{"iss with a tail", m(idp.Spec{Issuer: v2 + "@evil.invalid"}), ReasonIssuer},
		{"iss a prefix", m(idp.Spec{Issuer: w.idp.Authority()}), ReasonIssuer},
		{"iss of an attacker's server", m(idp.Spec{Issuer: "https://evil.invalid/" + tid + "/v2.0"}), ReasonIssuer},
		{"iss http", m(idp.Spec{Issuer: strings.Replace(v2, "https", "http", 1)}), ReasonIssuer},
		{"v1 claims under the v2 iss", m(idp.Spec{Version: "1.0", Issuer: v2}), ReasonVersion},
		{"v2 claims under the v1 iss", m(idp.Spec{Version: "2.0", Issuer: v1}), ReasonVersion},
		{"ver 1.0 in a v2 token", extra("ver", "1.0"), ReasonVersion},
		{"ver 2.00", extra("ver", "2.00"), ReasonVersion},
		{"ver v2.0", extra("ver", "v2.0"), ReasonVersion},
		{"aud of another API", m(idp.Spec{Audience: "api://billing"}), ReasonAudience},
		{"aud of Microsoft Graph", m(idp.Spec{Audience: "00000003-0000-0000-c000-000000000000"}), ReasonAudience},
		{"aud of the foreign issuer", m(idp.Spec{Audience: "https://orders.example"}), ReasonAudience},
		{"aud empty", extra("aud", ""), ReasonAudience},
		{"aud an empty list", extra("aud", []string{}), ReasonAudience},
		{"aud a list of others", extra("aud", []string{"api://a", "api://b"}), ReasonAudience},
		{"aud missing", extra("aud", nil), ReasonAudience},
		{"aud in upper case", m(idp.Spec{Audience: "API://ORDERS"}), ReasonAudience},
		{"aud with two slashes", m(idp.Spec{Audience: apiAudience + "//"}), ReasonAudience},
		{"aud a prefix", m(idp.Spec{Audience: "api://order"}), ReasonAudience},
		{"aud longer", m(idp.Spec{Audience: apiAudience + ".evil"}), ReasonAudience},
		{"aud two in one string", m(idp.Spec{Audience: "api://a " + apiAudience}), ReasonAudience},
		{"foreign issuer's token for our audience", mint(t, w.other, idp.Spec{Audience: apiAudience}), ReasonAudience},
		{"foreign issuer's key for the Entra iss", mint(t, w.other, idp.Spec{Scopes: read, Issuer: v2, TenantID: tid, Audience: apiAudience}), ReasonKey},
		{"Entra's key for the foreign iss", mint(t, w.idp, idp.Spec{Scopes: read, Issuer: w.otherIssuer(), Audience: "https://orders.example"}), ReasonKey},
	}
}

func timeAttacks(t *testing.T, w *world) []attack {
	m := func(s idp.Spec) string { s.Scopes = []string{"orders.read"}; return mint(t, w.idp, s) }
	return []attack{
		{"expired an hour ago", m(idp.Spec{Expired: true}), ReasonExpired},
		{"expired exactly the skew ago", m(idp.Spec{IssuedAt: -time.Hour - time.Minute}), ReasonExpired},
		{"exp zero", m(idp.Spec{Extra: map[string]any{"exp": 0}}), ReasonExpired},
		{"exp in the year 9999", m(idp.Spec{Extra: map[string]any{"exp": int64(maxDate)}}), ReasonLifetime},
		{"life of a second over 29 hours", m(idp.Spec{Life: MaxLife + time.Second}), ReasonLifetime},
		{"iat zero", m(idp.Spec{Extra: map[string]any{"iat": 0}}), ReasonLifetime},
		{"exp before iat", m(idp.Spec{IssuedAt: 30 * time.Second, Life: -10 * time.Second}), ReasonLifetime},
		{"nbf beyond the skew", m(idp.Spec{NotBefore: time.Minute + time.Second}), ReasonNotYet},
		{"nbf in the year 9999", m(idp.Spec{Extra: map[string]any{"nbf": int64(maxDate)}}), ReasonNotYet},
		{"iat beyond the skew", m(idp.Spec{IssuedAt: time.Minute + time.Second, NotBefore: -time.Hour}), ReasonFuture},
	}
}

func purposeAttacks(t *testing.T, w *world) []attack {
	read, role := []string{"orders.read"}, []string{"Reader"}
	m := func(s idp.Spec) string { return mint(t, w.idp, s) }
	x := func(m map[string]any) map[string]any { return m }
	foreign := func(extra map[string]any) string { return mint(t, w.other, idp.Spec{Extra: extra}) }
	return []attack{
		{"v2 ID token with roles", m(idp.Spec{Roles: role, Extra: x(map[string]any{"azp": nil})}), ReasonIDToken},
		{"v1 ID token with roles", m(idp.Spec{Version: "1.0", Roles: role, Extra: x(map[string]any{"appid": nil})}), ReasonIDToken},
		{"ID token without anything", m(idp.Spec{Extra: x(map[string]any{"azp": nil})}), ReasonIDToken},
		{"v1 client claim in a v2 token", m(idp.Spec{Scopes: read, Extra: x(map[string]any{"azp": nil, "appid": idp.DefaultAppID})}), ReasonIDToken},
		{"ID token by its nonce", m(idp.Spec{Scopes: read, Extra: x(map[string]any{"nonce": "n"})}), ReasonIDToken},
		{"ID token by its at_hash", m(idp.Spec{Scopes: read, Extra: x(map[string]any{"at_hash": "h"})}), ReasonIDToken},
		{"ID token by its c_hash", m(idp.Spec{Scopes: read, Extra: x(map[string]any{"c_hash": "h"})}), ReasonIDToken},
		{"logout token by its events", m(idp.Spec{Scopes: read, Extra: x(map[string]any{"events": x(nil)})}), ReasonIDToken},
		{"foreign ID token by its nonce", foreign(x(map[string]any{"nonce": "n"})), ReasonIDToken},
		{"foreign ID token by token_use", foreign(x(map[string]any{"token_use": "id"})), ReasonIDToken},
		{"foreign ID token by typ", foreign(x(map[string]any{"typ": "ID"})), ReasonIDToken},
		{"foreign refresh token by typ", foreign(x(map[string]any{"typ": "Refresh"})), ReasonIDToken},
		{"foreign ID token, for the client that got it", foreign(x(map[string]any{"azp": "https://orders.example", "scp": nil, "roles": nil})), ReasonIDToken},
		{"the same with its client among the audiences", foreign(x(map[string]any{"azp": "web", "aud": []string{"https://orders.example", "web"}})), ReasonIDToken},
		{"foreign sub a space", foreign(x(map[string]any{"sub": " "})), ReasonClaimMissing},
		{"foreign scope of 513 words", foreign(x(map[string]any{"scope": strings.Repeat("a ", maxList) + "b"})), ReasonClaimType},
		{"foreign token without sub", foreign(x(map[string]any{"sub": nil})), ReasonClaimMissing},
		{"foreign roles an object", foreign(x(map[string]any{"roles": map[string]any{"a": 1}})), ReasonClaimType},
		{"no scp, no roles", m(idp.Spec{}), ReasonPurpose},
		{"scp of spaces", m(idp.Spec{Extra: x(map[string]any{"scp": "   "})}), ReasonPurpose},
		{"role without a name", m(idp.Spec{App: true, Extra: x(map[string]any{"roles": []string{""}})}), ReasonPurpose},
		{"roles empty", m(idp.Spec{App: true, Extra: x(map[string]any{"roles": []string{}})}), ReasonPurpose},
		{"groups alone", m(idp.Spec{Groups: []string{"g"}}), ReasonPurpose},
		{"application with scp", m(idp.Spec{App: true, Scopes: read, Roles: role}), ReasonKind},
		{"scp empty beside roles", m(idp.Spec{App: true, Roles: role, Extra: x(map[string]any{"scp": ""})}), ReasonKind},
		{"scp of spaces beside roles", m(idp.Spec{App: true, Roles: role, Extra: x(map[string]any{"scp": "  ", "idtyp": nil})}), ReasonKind},
		{"a user's name without scp", m(idp.Spec{App: true, Roles: role, Extra: x(map[string]any{"preferred_username": "ada@local.example", "idtyp": nil})}), ReasonKind},
		{"a v1 user's name without scp", m(idp.Spec{Version: "1.0", App: true, Roles: role, Extra: x(map[string]any{"upn": "ada@local.example", "idtyp": nil})}), ReasonKind},
		{"a v1 user's name without scp, unique", m(idp.Spec{Version: "1.0", App: true, Roles: role, Extra: x(map[string]any{"unique_name": "ada@local.example", "idtyp": nil})}), ReasonKind},
		{"user without scp", m(idp.Spec{Roles: role, Extra: x(map[string]any{"idtyp": "user"})}), ReasonKind},
		{"device", m(idp.Spec{Roles: role, Extra: x(map[string]any{"idtyp": "device"})}), ReasonKind},
	}
}
