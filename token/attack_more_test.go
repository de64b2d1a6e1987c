package token

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"scopegate/internal/idp"
)

// The rows here and in the other attack_*_test.go files come from what others
// found, not from reading our code: RFC 8725 and its successor draft, the
// security considerations of RFC 7515 to 7519, the lists of PortSwigger, jwt_tool,
// PayloadsAllTheThings and OWASP (WSTG-SESS-10), and the advisories that each
// group names. One row has one fault; what is left of it without that passes.
func TestEveryPublishedAttackIsRefusedForItsOwnReason(t *testing.T) {
	w := newWorld(t, 2)
	seen := map[string]bool{}
	for _, a := range publishedAttacks(t, w) {
		if seen[a.name] {
			t.Errorf("two rows are called %q", a.name)
		}
		seen[a.name] = true
		t.Run(a.name, func(t *testing.T) { refusedQuietly(t, w, a) })
	}
	if foreign := w.net.foreignHosts(); len(foreign) != 0 {
		t.Errorf("tokens made us ask %v", foreign)
	}
}

func publishedAttacks(t *testing.T, w *world) []attack {
	t.Helper()
	k := newWorkshop(t, w)
	var rows []attack
	for _, group := range []func(*workshop) []attack{
		serializationAttacks, otherTokenFormats, alphabetAttacks, spellingAttacks,
		algorithmAttacks, hmacAttacks, curveAttacks, ownKeyAttacks, criticalAttacks, keyIDAttacks, headerTypeAttacks,
		syntaxAttacks, encodingAttacks, numberAttacks, nameAttacks, surrogateAttacks, depthAttacks,
		audienceAttacks, issuerAttacks, tenantAttacks, listAttacks, lifeAttacks, otherPurposeAttacks, foreignPurposeAttacks,
	} {
		rows = append(rows, group(k)...)
	}
	return rows
}

// workshop makes tokens out of a genuine one (delegated, v2). Everything it makes
// is signed by the issuer itself unless it says otherwise.
type workshop struct {
	t      *testing.T
	w      *world
	spec   idp.Spec
	kid    string
	claims string // JSON, as it was signed
	good   string
	h, p   string // the parts of good
	s      string
}

func newWorkshop(t *testing.T, w *world) *workshop {
	t.Helper()
	k := &workshop{t: t, w: w, spec: idp.Spec{Scopes: []string{"orders.read"}, Roles: []string{"Reader"}}, kid: w.idp.KeyID()}
	k.claims = w.claimsJSON(t, k.spec, nil)
	k.good = k.header(header(k.kid))
	part := strings.Split(k.good, ".")
	k.h, k.p, k.s = part[0], part[1], part[2]
	for _, control := range []string{k.good, k.payload(k.claims), k.and(`"x":1`), k.with("x", "1"), k.h + "." + k.p + "." + k.s} {
		w.wantGood(t, control)
	}
	return k
}

func (k *workshop) header(h string) string  { return signed(k.t, k.w.idp, h, k.claims) }
func (k *workshop) payload(p string) string { return signed(k.t, k.w.idp, header(k.kid), p) }

// and puts members after the claims, as JSON text.
func (k *workshop) and(members string) string {
	return k.payload(strings.TrimSuffix(k.claims, "}") + "," + members + "}")
}

// with sets one claim to a JSON text; an empty text takes the claim out.
func (k *workshop) with(name, text string) string {
	return k.payload(k.w.claimsJSON(k.t, k.spec, map[string]string{name: text}))
}

func (k *workshop) withText(name, s string) string { return k.with(name, k.quote(s)) }

// quote writes a JSON string.
func (k *workshop) quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		k.t.Fatal(err)
	}
	return string(b)
}

// attacker signs with a key that was never published.
func (k *workshop) attacker(h, p string) string {
	raw, err := k.w.idp.Forge([]byte(h), []byte(p))
	if err != nil {
		k.t.Fatal(err)
	}
	return raw
}

// rowsOf makes a row of each value.
func (k *workshop) rowsOf(what string, want Reason, token func(string) string, values ...string) []attack {
	rows := make([]attack, 0, len(values))
	plain := strings.NewReplacer(k.kid, "KID", k.w.idp.TenantID(), "TID")
	for i, v := range values {
		rows = append(rows, attack{fmt.Sprintf("%s (%d) %+.60q", what, i, plain.Replace(v)), token(v), want})
	}
	return rows
}

// JWS and JWE in JSON (RFC 7515, 7.2; RFC 7516, 7.2), with the unprotected header
// that an attacker may write freely (GHSA-jc38-x7x8-2xc8); a text that is JSON to
// one parser and compact to another (CVE-2022-39227); payloads that are detached
// or not encoded (RFC 7515, appendix F; RFC 7797); a token in a token (RFC 7519,
// 5.2); a token of thousands of dots (CVE-2025-30204, CVE-2025-27144).
func serializationAttacks(k *workshop) []attack {
	h, p, s := k.h, k.p, k.s
	unencoded := header(k.kid, `"b64":false`, `"crit":["b64"]`)
	return []attack{
		{"flattened, alg in the unprotected header", fmt.Sprintf(`{"header":{"alg":"none"},"payload":%q,"signature":""}`, p), ReasonNotCompact},
		{"flattened, kid in the unprotected header", fmt.Sprintf(`{"protected":%q,"header":{"kid":"x"},"payload":%q,"signature":%q}`, h, p, s), ReasonNotCompact},
		{"flattened, jku in the unprotected header", fmt.Sprintf(`{"protected":%q,"header":{"jku":"https://a.evil.invalid/"},"payload":%q,"signature":%q}`, h, p, s), ReasonBase64},
		{"general without signatures", fmt.Sprintf(`{"payload":%q,"signatures":[]}`, p), ReasonNotCompact},
		{"general, the good signature last of many", fmt.Sprintf(`{"payload":%q,"signatures":[%s{"protected":%q,"signature":%q}]}`, p, strings.Repeat(`{},`, 200), h, s), ReasonNotCompact},
		{"JWE in JSON", fmt.Sprintf(`{"protected":%q,"encrypted_key":"","iv":"","ciphertext":%q,"tag":""}`, h, p), ReasonNotCompact},
		{"polyglot, the compact form as a name", fmt.Sprintf(`{"%s.%s.":"x","protected":%q,"payload":%q,"signature":%q}`, h, p, h, p, s), ReasonBase64},
		{"polyglot, JSON behind the compact form", k.good + fmt.Sprintf(`{"payload":%q}`, p), ReasonBase64},
		{"JSON list of tokens", `["` + k.good + `"]`, ReasonBase64},
		{"in quotes", `"` + k.good + `"`, ReasonBase64},
		{"detached, b64 false", b64(unencoded) + ".." + s, ReasonNotCompact},
		{"not encoded, b64 false", b64(unencoded) + `.{"scp":"admin"}.` + s, ReasonHeaderMember},
		{"not encoded, with an ordinary header", h + `.{"scp":"admin"}.` + s, ReasonBase64},
		{"nested, cty JWT", signed(k.t, k.w.idp, header(k.kid, `"cty":"JWT"`), k.good), ReasonHeaderMember},
		{"nested without cty", k.payload(k.good), ReasonPayload},
		{"nested, as a JSON string", k.payload(`"` + k.good + `"`), ReasonPayload},
		{"nested, encoded twice", k.payload(k.p), ReasonPayload},
		{"token in the header", k.good[:200] + "." + k.good, ReasonNotCompact},
		{"two tokens with a comma", k.good + "," + k.good, ReasonNotCompact},
		{"two tokens with a space", k.good + " " + k.good, ReasonNotCompact},
		{"the signature twice", k.good + "." + s, ReasonNotCompact},
		{"dots alone, as many as fit", strings.Repeat(".", MaxBytes), ReasonNotCompact},
		{"dots behind a good token", k.good + strings.Repeat(".", 1000), ReasonNotCompact},
		{"dots before a good token", ".." + k.good, ReasonNotCompact},
		{"two dots", "..", ReasonNotCompact},
		{"full-width dots", h + "\uff0e" + p + "\uff0e" + s, ReasonNotCompact},
		{"dots of another script", h + "\u06d4" + p + "\u06d4" + s, ReasonNotCompact},
		{"the scheme still before it", "Bearer " + k.good, ReasonBase64},
		{"a form parameter", "access_token=" + k.good, ReasonBase64},
		{"percent-encoded", "%65" + k.good[1:], ReasonBase64},
		{"reversed parts", s + "." + p + "." + h, ReasonHeader},
		{"payload as the header", p + "." + p + "." + s, ReasonHeaderMember},
		{"SD-JWT with a disclosure", k.good + "~" + b64(`["salt","scp","admin"]`) + "~", ReasonBase64},
	}
}

// What is no JWS at all: encrypted tokens (RFC 8725, 2.3, 3.2), also cut to three
// parts to be taken for signed ones (CVE-2023-51774, GHSA-c8v6-786g-vjx6), with
// the costs that their headers can ask for (CVE-2023-51775, CVE-2022-36083:
// iterations; CVE-2024-21319, CVE-2024-28180: inflating); opaque tokens; other formats.
func otherTokenFormats(k *workshop) []attack {
	jwe := func(alg, more string) string {
		return `{"alg":"` + alg + `","enc":"A256GCM","kid":"` + k.kid + `"` + more + `}`
	}
	five := func(h string) string {
		return b64(h) + "." + b64("key") + "." + b64("123456789012") + "." + k.p + "." + b64("tag")
	}
	three := func(h string) string { return k.header(h) }
	return []attack{
		{"JWE RSA-OAEP", five(jwe("RSA-OAEP", "")), ReasonNotCompact},
		{"JWE dir without a key", b64(jwe("dir", "")) + ".." + b64("123456789012") + "." + k.p + "." + b64("tag"), ReasonNotCompact},
		{"JWE of PBES2 with two billion rounds", five(jwe("PBES2-HS256+A128KW", `,"p2s":"AAAA","p2c":2147483647`)), ReasonNotCompact},
		{"JWE that inflates", five(jwe("RSA-OAEP", `,"zip":"DEF"`)), ReasonNotCompact},
		{"JWE header, signed", three(jwe("RSA-OAEP", "")), ReasonHeaderMember},
		{"PBES2 header, signed", three(jwe("PBES2-HS512+A256KW", `,"p2s":"AAAA","p2c":2147483647`)), ReasonHeaderMember},
		{"RS256 and enc", three(header(k.kid, `"enc":"A256GCM"`)), ReasonHeaderMember},
		{"RS256 and zip DEF", three(header(k.kid, `"zip":"DEF"`)), ReasonHeaderMember},
		{"RS256 and p2c", three(header(k.kid, `"p2c":2147483647`)), ReasonHeaderMember},
		{"Entra refresh token, older", "0.AXoAtvQ_" + strings.Repeat("B", 40) + ".AgABAAEAAAD" + strings.Repeat("x", 600), ReasonBase64},
		{"Entra refresh token, newer", "1.AXoAtvQ_" + strings.Repeat("B", 40) + ".AgABAwEAAAD" + strings.Repeat("x", 600), ReasonBase64},
		{"MSA refresh token", "M.C507_BAY.0.U.-Ct" + strings.Repeat("Z", 300), ReasonNotCompact},
		{"Google access token", "ya29.a0AfB_by" + strings.Repeat("C", 150), ReasonNotCompact},
		{"a GUID", guidAudience, ReasonNotCompact},
		{"PASETO v4", "v4.public." + k.p, ReasonBase64},
		{"PASETO v2, with a footer", "v2.local." + k.p + "." + k.s, ReasonNotCompact},
		{"SAML assertion", b64(`<saml:Assertion ID="a"/>`), ReasonNotCompact},
		{"CWT", b64("\xd2\x84\x43\xa1\x01\x26\xa0") + "." + k.p + "." + k.s, ReasonHeader},
		{"basic credentials", b64("user:password"), ReasonNotCompact},
		{"the word null", "null", ReasonNotCompact},
		{"the words undefined.undefined.undefined", "undefined.undefined.undefined", ReasonBase64},
	}
}

// A character too many in each part: padding, the other alphabet, white space,
// what decoders skip. One token must have one spelling, or a cache and a list of
// revoked tokens know another one than the verifier (RFC 7515, 2 and 3; RFC 4648,
// 3.3 and 12; the malleability that jsrsasign, joserfc, libjwt and tink found).
func alphabetAttacks(k *workshop) []attack {
	parts := []string{k.h, k.p, k.s}
	names := []string{"header", "payload", "signature"}
	var rows []attack
	for i, name := range names {
		spoil := func(at int, c string) string {
			spoilt := append([]string{}, parts...)
			spoilt[i] = spoilt[i][:at] + c + spoilt[i][at:]
			return strings.Join(spoilt, ".")
		}
		middle := len(parts[i]) / 2
		k.w.wantGood(k.t, spoil(middle, ""))
		insert := func(c string) string { return spoil(middle, c) }
		rows = append(rows, k.rowsOf("in the "+name, ReasonBase64, insert,
			"=", "+", "/", "\n", "\r\n", "\t", " ", "\x00", "\\", "%3D", "~", ":", "\ufeff", "\u200b", "\u00ad", "\uff21", "\xff", "====")...)
		rows = append(rows,
			attack{"leading space in the " + name, spoil(0, " "), ReasonBase64},
			attack{"byte order mark before the " + name, spoil(0, "\ufeff"), ReasonBase64},
			attack{"= behind the " + name, spoil(len(parts[i]), "="), ReasonBase64},
			attack{"line break behind the " + name, spoil(len(parts[i]), "\n"), ReasonBase64},
			attack{"NUL and more behind the " + name, spoil(len(parts[i]), "\x00evil"), ReasonBase64})
	}
	return rows
}

// The last character of a part has bits that decode to nothing; every setting of
// them but zero is another spelling of the same bytes (RFC 4648, 3.5).
func spellingAttacks(k *workshop) []attack {
	var rows []attack
	stray := func(s string, bit int) string {
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		return s[:len(s)-1] + string(alphabet[strings.IndexByte(alphabet, s[len(s)-1])^bit])
	}
	for _, bit := range []int{2, 4, 8, 15} { // 256 bytes leave four bits over
		rows = append(rows, attack{fmt.Sprintf("stray bits %d in the signature", bit), k.h + "." + k.p + "." + stray(k.s, bit), ReasonBase64})
	}
	for over, bits := range map[int][]int{2: {1, 15}, 3: {1, 3}} { // characters in the last group -> bits
		h, p := header(k.kid, `"x5t":""`), k.claims
		for len(b64(h))%4 != over {
			h = strings.Replace(h, `"x5t":"`, `"x5t":"x`, 1)
		}
		for len(b64(p))%4 != over {
			p += " "
		}
		part := strings.Split(signed(k.t, k.w.idp, h, p), ".")
		k.w.wantGood(k.t, strings.Join(part, "."))
		for _, bit := range bits {
			rows = append(rows,
				attack{fmt.Sprintf("stray bits %d of %d in the header", bit, over), stray(part[0], bit) + "." + part[1] + "." + part[2], ReasonBase64},
				attack{fmt.Sprintf("stray bits %d of %d in the payload", bit, over), part[0] + "." + stray(part[1], bit) + "." + part[2], ReasonBase64})
		}
	}
	return rows
}
