package token

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"
)

const (
	// MaxBytes bounds a token. API Gateway takes 10,240 bytes of headers in all.
	MaxBytes = 8 << 10

	maxHeaderBytes = 1 << 10
	maxKeyIDBytes  = 256
	algorithm      = "RS256"

	minSignatureBytes = minKeyBits / 8
	maxSignatureBytes = maxKeyBits / 8
)

// gated is a token in its only accepted spelling, decoded; nothing of it is
// verified but the form.
type gated struct {
	raw       string // all of it
	signed    string // header and payload as they were signed
	kid       string
	payload   []byte
	signature []byte
}

// gate lets only compact JWS in the canonical spelling pass whose header has
// nothing that a verifier could be led astray by. It runs before any
// cryptography and any fetch and costs microseconds, since anybody may send
// anything. Strictness is also what makes one token one cache key: go-jose
// alone takes unlimited spellings of it.
func gate(raw string) (gated, error) {
	if len(raw) > MaxBytes {
		return gated{}, refuse(ReasonTooLarge)
	}
	header, rest, first := strings.Cut(raw, ".")
	payload, signature, second := strings.Cut(rest, ".")
	if !first || !second || strings.Contains(signature, ".") || header == "" || payload == "" {
		return gated{}, refuse(ReasonNotCompact)
	}
	if len(header) > maxHeaderBytes {
		return gated{}, refuse(ReasonHeader)
	}
	h, err := decodePart(header)
	if err != nil {
		return gated{}, err
	}
	kid, err := checkHeader(h)
	if err != nil {
		return gated{}, err
	}
	sig, err := decodePart(signature)
	if err != nil {
		return gated{}, err
	}
	if len(sig) < minSignatureBytes || len(sig) > maxSignatureBytes {
		return gated{}, refuse(ReasonSignatureForm)
	}
	claims, err := decodePart(payload)
	if err != nil {
		return gated{}, err
	}
	signed := raw[:len(header)+1+len(payload)]
	return gated{raw: raw, signed: signed, kid: kid, payload: claims, signature: sig}, nil
}

var strictBase64 = base64.RawURLEncoding.Strict()

// decodePart looks at the alphabet itself: Go's decoder skips line breaks.
func decodePart(s string) ([]byte, error) {
	for i := range len(s) {
		if !isBase64URL(s[i]) {
			return nil, refuse(ReasonBase64)
		}
	}
	b, err := strictBase64.DecodeString(s)
	if err != nil {
		return nil, refuse(ReasonBase64)
	}
	return b, nil
}

func isBase64URL(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// checkHeader takes an allow-list, not a list of evils: jwk, jku, x5u and x5c
// bring their own key, crit, b64 and zip change what is signed.
func checkHeader(raw []byte) (kid string, err error) {
	members, ok := object(raw)
	if !ok {
		return "", refuse(ReasonHeader)
	}
	if _, ok := members["nonce"]; ok {
		return "", refuse(ReasonGraphToken)
	}
	values := make(map[string]string, len(members))
	for name, value := range members {
		switch name {
		case "typ", "alg", "kid", "x5t":
		default:
			return "", refuse(ReasonHeaderMember)
		}
		if values[name], ok = text(value); !ok {
			return "", refuse(ReasonHeader)
		}
	}
	if values["alg"] != algorithm {
		return "", refuse(ReasonAlgorithm)
	}
	if typ, given := values["typ"]; given && !accessTokenType(typ) {
		return "", refuse(ReasonType)
	}
	return checkKeyID(values["kid"])
}

// accessTokenType knows RFC 9068's at+jwt and the JWT of Entra and most others;
// media types may be written without application/ and in any case (RFC 7515, 4.1.9).
func accessTokenType(typ string) bool {
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	return typ == "jwt" || typ == "at+jwt"
}

func checkKeyID(kid string) (string, error) {
	if kid == "" {
		return "", refuse(ReasonKeyIDMissing)
	}
	if len(kid) > maxKeyIDBytes {
		return "", refuse(ReasonKeyID)
	}
	for i := range len(kid) {
		if kid[i] < ' ' || kid[i] > '~' {
			return "", refuse(ReasonKeyID)
		}
	}
	return kid, nil
}

// object reads a JSON object by exact names; go-jose's package refuses names
// given twice, where encoding/json would take the last one and fold case.
func object(raw []byte) (map[string]json.RawMessage, bool) {
	if !utf8.Valid(raw) {
		return nil, false
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return nil, false // nil: the document was null
	}
	return members, true
}

// text reads a JSON string. The decoder makes U+FFFD of lone surrogates, so
// that two strings could become one: such a string is refused.
func text(raw json.RawMessage) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil || strings.ContainsRune(s, utf8.RuneError) {
		return "", false
	}
	return s, true
}
