package token

import "strings"

const bearerScheme = "bearer"

// Bearer takes the token out of the value of one Authorization header: the
// scheme Bearer in any case (RFC 7235, 2.1), one or more spaces, then one
// b64token (RFC 6750, 2.1). Spaces and tabs around the value are no part of it
// (RFC 9110, 5.5). Two values joined by a comma are refused, not chosen from.
// The token is not judged beyond its alphabet; the errors are refusals.
func Bearer(header string) (string, error) {
	header = strings.Trim(header, " \t")
	if header == "" {
		return "", refuse(ReasonNoToken)
	}
	scheme, rest, spaced := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, bearerScheme) {
		return "", refuse(ReasonScheme)
	}
	raw := strings.TrimLeft(rest, " ")
	if !spaced || !isB64Token(raw) {
		return "", refuse(ReasonBearer)
	}
	return raw, nil
}

// isB64Token is RFC 6750's 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=".
func isB64Token(s string) bool {
	body := strings.TrimRight(s, "=")
	for i := range len(body) {
		if !isBase64URL(body[i]) && !strings.ContainsRune(".~+/", rune(body[i])) {
			return false
		}
	}
	return body != ""
}
