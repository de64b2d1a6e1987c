package token

import (
	"encoding/base64"
	"strings"
)

const (
	// MaxBytes bounds a token. API Gateway takes 10,240 bytes of headers in all.
	MaxBytes = 8 << 10

	maxHeaderBytes = 1 << 10 // encoded
	maxKeyIDBytes  = 256
)

// gated is a token in its only accepted spelling, decoded; nothing of it is
// verified but the form.
type gated struct {
	raw    string // all of it
	header string // as it was signed
	signed string // header and payload as they were signed
	head
	payload   []byte
	signature []byte
}

// head is what a JOSE header may say.
type head struct {
	kid string
	alg algorithm
}

// gate lets only compact JWS in the canonical spelling pass whose header has
// nothing that a verifier could be led astray by. It runs before any
// cryptography and any fetch and costs microseconds, since anybody may send
// anything. Strictness is also what makes one token one cache key (but for
// ECDSA's two signatures): go-jose alone takes unlimited spellings of it.
func gate(raw string, allowed algorithms) (gated, error) {
	if len(raw) > MaxBytes {
		return gated{}, refuse(ReasonTooLarge)
	}
	header, rest, first := strings.Cut(raw, ".")
	payload, signature, second := strings.Cut(rest, ".")
	if !first || !second || strings.IndexByte(signature, '.') >= 0 || header == "" || payload == "" {
		return gated{}, refuse(ReasonNotCompact)
	}
	if len(header) > maxHeaderBytes {
		return gated{}, refuse(ReasonHeader)
	}
	var room [maxHeaderBytes]byte
	members, err := decodePart(room[:0], header)
	if err != nil {
		return gated{}, err
	}
	t := gated{raw: raw, header: header, signed: raw[:len(header)+1+len(payload)]}
	if t.head, err = readHeader(members, allowed); err != nil {
		return gated{}, err
	}
	if t.signature, err = decodePart(nil, signature); err != nil {
		return gated{}, err
	}
	if !t.alg.signatureFits(len(t.signature)) {
		return gated{}, refuse(ReasonSignatureForm)
	}
	if t.payload, err = decodePart(nil, payload); err != nil {
		return gated{}, err
	}
	return t, nil
}

var strictBase64 = base64.RawURLEncoding.Strict()

// decodePart appends what a part says. Go's decoder skips line breaks, which is
// the only thing that it takes beside the canonical spelling.
func decodePart(to []byte, s string) ([]byte, error) {
	if strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0 {
		return nil, refuse(ReasonBase64)
	}
	b, err := strictBase64.AppendDecode(to, []byte(s))
	if err != nil {
		return nil, refuse(ReasonBase64)
	}
	return b, nil
}

func isBase64URL(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// readHeader takes an allow-list, not a list of evils: jwk, jku, x5u and x5c
// bring their own key, crit, b64 and zip change what is signed.
func readHeader(raw []byte, allowed algorithms) (head, error) {
	var alg, kid, typ, x5t []byte
	graph, foreign := false, false
	ok := object(raw, func(name, value []byte) bool {
		switch string(name) {
		case "alg":
			alg = value
		case "kid":
			kid = value
		case "typ":
			typ = value
		case "x5t":
			x5t = value
		case "nonce":
			graph = true
		default:
			foreign = true
		}
		return true
	})
	switch {
	case !ok:
		return head{}, refuse(ReasonHeader)
	case graph:
		return head{}, refuse(ReasonGraphToken)
	case foreign:
		return head{}, refuse(ReasonHeaderMember)
	}
	return checkHeader(alg, kid, typ, x5t, allowed)
}

func checkHeader(alg, kid, typ, x5t []byte, allowed algorithms) (head, error) {
	algorithmText, algOK := orAbsent(alg)
	kidText, kidOK := orAbsent(kid)
	typText, typOK := orAbsent(typ)
	_, x5tOK := orAbsent(x5t)
	if !algOK || !kidOK || !typOK || !x5tOK {
		return head{}, refuse(ReasonHeader)
	}
	h := head{kid: kidText}
	if h.alg, algOK = parseAlgorithm(algorithmText); !algOK || !allowed.has(h.alg) {
		return head{}, refuse(ReasonAlgorithm)
	}
	if typ != nil && !accessTokenType(typText) {
		return head{}, refuse(ReasonType)
	}
	return h, checkKeyID(kidText)
}

// orAbsent reads a string; one that is not there is empty.
func orAbsent(raw []byte) (string, bool) {
	if raw == nil {
		return "", true
	}
	return text(raw)
}

// accessTokenType knows RFC 9068's at+jwt and the JWT of Entra and most others;
// media types may be written without application/ and in any case (RFC 7515, 4.1.9).
func accessTokenType(typ string) bool {
	if typ == "JWT" {
		return true
	}
	typ = strings.TrimPrefix(strings.ToLower(typ), "application/")
	return typ == "jwt" || typ == "at+jwt"
}

func checkKeyID(kid string) error {
	if kid == "" {
		return refuse(ReasonKeyIDMissing)
	}
	if len(kid) > maxKeyIDBytes {
		return refuse(ReasonKeyID)
	}
	for i := range len(kid) {
		if kid[i] < ' ' || kid[i] > '~' {
			return refuse(ReasonKeyID)
		}
	}
	return nil
}
