package token

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
)

// What is JSON to a lenient parser alone (RFC 8725, 2.6 and 3.7; RFC 8259; "Parsing
// JSON is a minefield"): comments, commas, quotes, words and white space of
// JavaScript, text before and after. The issuer signed it each time.
func syntaxAttacks(k *workshop) []attack {
	body := strings.TrimSuffix(strings.TrimPrefix(k.claims, "{"), "}")
	rows := k.rowsOf("payload", ReasonPayload, k.payload,
		" ", "\n", "0", "true", `"{}"`, "[{}]", "{", "}", "{}}", "{}{}", "{},{}", "{}\n{}", "{}\x00", "{}//", "nul", "NaN", "[", `{"a"}`, `{"a":}`, `{:1}`, `{1:1}`, `{null:1}`, `{"a":1 "b":2}`, `{,}`, `{"a":1,,"b":2}`)
	whole := []struct{ name, text string }{
		{"trailing comma", "{" + body + ",}"}, {"leading comma", "{," + body + "}"}, {"comment in a line", "{" + body + "} // c"},
		{"comment with #", "#c\n{" + body + "}"}, {"comment inside", "{/*c*/" + body + "}"}, {"single quotes", "{'x':'y'," + body + "}"},
		{"name without quotes", "{x:1," + body + "}"}, {"semicolon at the end", "{" + body + "};"}, {"a guard before it", ")]}',\n{" + body + "}"},
		{"a callback around it", "f({" + body + "})"}, {"brackets around it", "[{" + body + "}]"}, {"form feed as white space", "{\f" + body + "}"},
		{"vertical tab as white space", "{\v" + body + "}"}, {"no-break space as white space", "{\u00a0" + body + "}"}, {"line separator as white space", "{\u2028" + body + "}"},
		{"NUL behind it", "{" + body + "}\x00"}, {"NUL before it", "\x00{" + body + "}"}, {"a second document", "{" + body + "}\n{\"scp\":\"admin\"}"},
		{"record separator", "\x1e{" + body + "}\n"}, {"an equals sign", strings.Replace("{"+body+"}", ":", "=", 1)}, {"tail of brackets", "{" + body + "}]"},
	}
	for _, c := range whole {
		rows = append(rows, attack{c.name, k.payload(c.text), ReasonPayload})
	}
	rows = append(rows, k.rowsOf("value", ReasonPayload, func(v string) string { return k.and(`"x":` + v) },
		"True", "FALSE", "Null", "nil", "undefined", "NaN", "Infinity", "-Infinity", "'y'", "`y`", `"`+"\t"+`"`, `"`+"\n"+`"`, `"`+"\x00"+`"`, `"\x41"`, `"\'"`, `"\0"`, `"\u{61}"`, `"\u12"`, `"\u12G4"`, `"\U0061"`, `"\`, `"`,
		"[1,]", "[,1]", "[1 2]", "[1", "{", `{"a":1,}`, `{"a"}`, "0x10", "010", "+1", ".5", "5.", "1e", "1e+", "-", "--1", "1_000", "177n", "0b1", "0o7", "1.e5", "1..2", "1,000", "１", "- 1", "1 2", "tru", "nulll", "<x/>", "")...)
	return append(rows, k.rowsOf("header", ReasonHeader, k.header,
		" ", "true", "1", `"{}"`, "[{}]", "{", "{}{}", "{}\x00", "{'alg':'RS256'}", "{alg:\"RS256\"}", header(k.kid)+",", header(k.kid)+"//", "/**/"+header(k.kid), "["+header(k.kid)+"]",
		strings.Replace(header(k.kid), "}", ",}", 1), strings.Replace(header(k.kid), "{", "{,", 1), "\f"+header(k.kid), "\u00a0"+header(k.kid), header(k.kid, `"alg":"RS256"`), header(k.kid, `"\u0061\u006c\u0067":"none"`),
		header(k.kid, `"typ":"JWT"`), header(k.kid, `"x5t":"a","x5t":"b"`), header(k.kid, `"x5t":1`), header(k.kid, `"x5t":null`), header(k.kid, `"x5t":["a"]`), header(k.kid, `"x5t":{"a":1}`),
		header(k.kid, `"x5t":`+strings.Repeat("[", 400)+strings.Repeat("]", 400)), header(k.kid, `"x5t":`+strings.Repeat(`{"a":`, 120)+"1"+strings.Repeat("}", 120)), header(k.kid, `"x5t":"`+"\t"+`"`))...)
}

// Other encodings than UTF-8 without a byte order mark (RFC 8259, 8.1; RFC 7515,
// 10.12; RFC 3629, 10): overlong forms, surrogates in bytes, UTF-16 and UTF-32,
// cut characters; in values, names, the header and as the whole.
func encodingAttacks(k *workshop) []attack {
	broken := []string{
		"\xc0\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xe0\x9f\xbf", "\xf0\x80\x80\xaf", "\xf0\x8f\xbf\xbf", "\xf8\x80\x80\x80\xaf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xed\xa0\xbd\xed\xb8\x80",
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\x80", "\xbf", "\xe2\x82", "\xf0\x9f\x98", "\xfe", "\xff", "caf\xe9", "\xc3\"", "\xc0\xa2",
	}
	rows := k.rowsOf("bytes in a value", ReasonPayload, func(b string) string { return k.and(`"x":"` + b + `"`) }, broken...)
	rows = append(rows, k.rowsOf("bytes in a name", ReasonPayload, func(b string) string { return k.and(`"x` + b + `":1`) }, broken...)...)
	rows = append(rows, k.rowsOf("bytes in scp", ReasonPayload, func(b string) string {
		return k.payload(strings.Replace(k.claims, "orders.read", "orders.read"+b, 1))
	}, broken...)...)
	rows = append(rows, k.rowsOf("bytes in the header", ReasonHeader, func(b string) string { return k.header(header(k.kid, `"x5t":"`+b+`"`)) }, broken...)...)
	rows = append(rows, k.rowsOf("bytes outside of strings", ReasonPayload, func(b string) string { return k.payload(b + k.claims) }, "\xef\xbb\xbf", "\xfe\xff", "\xff\xfe", "\xc2\x85", "\xe2\x80\x8b", "+/v8-")...)
	for _, c := range []struct {
		name   string
		encode func(string) string
	}{
		{"UTF-16 LE", func(s string) string { return units(s, binary.LittleEndian) }},
		{"UTF-16 BE", func(s string) string { return units(s, binary.BigEndian) }},
		{"UTF-16 LE with a mark", func(s string) string { return "\xff\xfe" + units(s, binary.LittleEndian) }},
		{"UTF-32 LE", func(s string) string { return strings.Join(strings.Split(s, ""), "\x00\x00\x00") + "\x00\x00\x00" }},
		{"UTF-8 with a mark", func(s string) string { return "\ufeff" + s }},
		{"compressed", func(string) string { return "\x1f\x8b\x08\x00\x00\x00\x00\x00" }},
		{"CBOR", func(string) string { return "\xa1\x63scp\x65admin" }},
		{"XML", func(string) string { return "<claims><scp>admin</scp></claims>" }},
		{"YAML", func(string) string { return "scp: admin\n" }},
		{"a form", func(string) string { return "scp=admin&iss=x" }},
		{"base64 once more", b64},
	} {
		rows = append(rows,
			attack{"payload in " + c.name, k.payload(c.encode(`{"scp":"admin"}`)), ReasonPayload},
			attack{"header in " + c.name, k.header(c.encode(`{"alg":"RS256"}`)), ReasonHeader})
	}
	return rows
}

func units(s string, order binary.AppendByteOrder) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

// Dates that one parser rounds, another saturates and a third skips: exponents
// and fractions, values beyond each integer type (libjwt issue 283), texts
// (CVE-2026-25537 skipped those), milliseconds, other types.
func numberAttacks(k *workshop) []attack {
	var rows []attack
	for _, name := range []string{"exp", "iat", "nbf"} {
		set := func(v string) string { return k.with(name, v) }
		rows = append(rows, k.rowsOf(name, ReasonClaimType, set,
			"1E9", "1.7726e+9", "17726000000e-1", "1772600000.000000000000000000001", "0.0", "-0.0", "0e0", "-1772600000", "1e-400", "9007199254740993", "18446744073709551615", "18446744073709551616",
			"-9223372036854775808", "1772600000000", "1772600000000000000", "99999999999999999999999999999999999999999999", `"never"`, `"2026-03-04T05:06:07Z"`, `"0x69A7C000"`, `" 1772600000"`, `"NaN"`, `"Infinity"`, `"null"`,
			`false`, `[]`, `[1772600000,1]`, `{"$numberLong":"1772600000"}`)...)
		rows = append(rows, k.rowsOf(name+" (no JSON)", ReasonPayload, func(v string) string {
			return k.payload(strings.TrimSuffix(k.w.claimsJSON(k.t, k.spec, map[string]string{name: ""}), "}") + `,"` + name + `":` + v + "}")
		}, "01772600000", "0x69A7C000", "+1772600000", "1772600000.", ".1772600000e10", "Infinity", "-Infinity", "NaN", "1_772_600_000", "1772600000n", "0o15152033000", "--1", "", "1772600000,1")...)
	}
	return rows
}

// Two claims where one is read: repeated, repeated by escapes, in another case,
// with letters that fold to ASCII (U+017F, U+212A; golang/go 14750, go-jose 73),
// and look-alikes in the place of the claim, which are another name to everybody.
func nameAttacks(k *workshop) []attack {
	rows := k.rowsOf("twice", ReasonPayload, k.and,
		`"tid":"`+otherTenant+`"`, `"aud":"api://orders"`, `"exp":9999999999`, `"roles":["Admin"]`, `"\u0069ss":"x"`, `"\u0072\u006f\u006c\u0065\u0073":[]`, `"ti\u0064":"x"`, `"x":1,"y":2,"x":3`, `"x":1,"\u0078":2`, `"":1,"":2`, `"é":1,"\u00e9":2`,
		`"\ud83d\ude00":1,"😀":2`, `"a/b":1,"a\/b":2`, `"x":{},"x":{}`, `"x":[1],"x":null`, `"_claim_names":{},"_claim_names":{}`, `"scp":"orders.read"`)
	rows = append(rows, k.rowsOf("twin of a claim", ReasonTwin, func(name string) string { return k.and(`"` + name + `":"x"`) },
		"i\u017fs", "is\u017f", "I\u017f\u017f", `i\u017fs`, `\u0049SS`, `\u0053cp`, "\u017fCP", `\u017fcope`, "Scope", "haSgroups", "ha\u017fgroups", "_claim_name\u017f", "_claim_\u017fource\u017f", "_CLAIM_SOURCES", "group\u017f",
		"Events", "event\u017f", "Nonce", "AT_HASH", "at_ha\u017fh", "c_Hash", "S_hash", "to\u212aen_use", "Token_Use", "TYP", "Typ", "JTI", "Jti", "UTI", "AZP", "APPID", "appID", "IAT", "Iat", "NBF", "exP", "SUB", "\u017fub", "IdTyp", "OID", "tID", "VER", "AUD")...)
	for _, c := range []struct {
		claim string
		names []string
		want  Reason
	}{
		{"iss", []string{"ıss", "іss", "iss ", " iss", "i\u200bss", `iss\u0000`, "i\u0307ss", "ｉｓｓ", "issuer", "\u0130ss"}, ReasonClaimMissing},
		{"tid", []string{"tıd", "tіd", `tid\t`, "tenant_id", "http://schemas.microsoft.com/identity/claims/tenantid"}, ReasonClaimMissing},
		{"oid", []string{"оid", "oıd", "oid\u00a0", "objectid"}, ReasonClaimMissing},
		{"exp", []string{"ехр", "ex\u0440", "exp\u200d", "expires_at"}, ReasonClaimMissing},
		{"aud", []string{"аud", "audience", "aud\u00ad", "resource"}, ReasonAudience},
		{"azp", []string{"аzp", "client_id", "azp.", "appid"}, ReasonIDToken},
	} {
		for _, name := range c.names {
			was := fmt.Sprintf(`"%s":`, c.claim)
			rows = append(rows, attack{fmt.Sprintf("%+q in the place of %s", name, c.claim), k.payload(strings.Replace(k.claims, was, `"`+name+`":`, 1)), c.want})
		}
	}
	return rows
}

// Objects and lists without end (RFC 8259, 9: a parser may set limits; the stack
// and time that other libraries lost to them): in the whole, in a claim that
// nobody knows and in one that is read; and more members than any real token has.
func depthAttacks(k *workshop) []attack {
	lists := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	objects := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	members := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"m%d":0,`, i)
		}
		return b.String() + `"last":0`
	}
	k.w.wantGood(k.t, k.and(`"x":`+lists(20)+`,"y":`+objects(20)))
	k.w.wantGood(k.t, k.and(members(100)))
	rows := []attack{
		{"lists as the payload", k.payload(lists(2000)), ReasonPayload},
		{"objects as the payload", k.payload(objects(600)), ReasonPayload},
		{"members by the hundred", k.and(members(450)), ReasonPayload},
		{"members by the hundred, all alike", k.and(strings.Repeat(`"m":0,`, 450) + `"last":0`), ReasonPayload},
		{"lists as the header", k.header(lists(300)), ReasonHeader},
		{"objects as the header", k.header(objects(100)), ReasonHeader},
		{"unknown claim, lists never closed", k.and(`"x":` + strings.Repeat("[", 3000)), ReasonPayload},
		{"unknown claim, objects never closed", k.and(`"x":` + strings.Repeat(`{"a":`, 700)), ReasonPayload},
	}
	for _, name := range []string{"x", "aud", "scp", "roles", "exp", "iss", "tid", "_claim_names", "sub", "nonce", "events"} {
		rows = append(rows,
			attack{"lists in " + name, k.with(name, lists(1000)), ReasonPayload},
			attack{"objects in " + name, k.with(name, objects(500)), ReasonPayload},
			attack{"objects in lists in " + name, k.with(name, strings.Repeat(`[{"a":`, 300)+"1"+strings.Repeat("}]", 300)), ReasonPayload})
	}
	return rows
}

// Half a character: parsers make U+FFFD of it, cut it or keep it, so that two
// different strings become one (RFC 8259, 8.2).
func surrogateAttacks(k *workshop) []attack {
	halves := []string{`\ud800`, `\udfff`, `a\ud83d`, `\ude00b`, `\udc00\ud800`, `\ud800\ud800`, `\ud83d\u0041`, `\uD83Dx\uDE00`}
	replaced := append(halves, "\ufffd", `\ufffd`, "a\ufffdb") // what a parser before us has made of it
	rows := k.rowsOf("half a character in a name", ReasonPayload, func(v string) string { return k.and(`"x` + v + `":1`) }, halves...)
	for _, name := range []string{"iss", "aud", "tid", "oid", "ver", "sub", "azp", "uti", "scp", "idtyp"} {
		rows = append(rows, k.rowsOf("half a character in "+name, ReasonClaimType, func(v string) string { return k.with(name, `"`+v+`"`) }, replaced...)...)
	}
	for _, name := range []string{"roles", "groups", "aud"} {
		rows = append(rows, k.rowsOf("half a character in a list, "+name, ReasonClaimType, func(v string) string { return k.with(name, `["api://orders","`+v+`"]`) }, replaced...)...)
	}
	return rows
}
