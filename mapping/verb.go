package mapping

import (
	"slices"
	"strings"
)

// Verb is the httpVerb of a permission: a method, Any or Connect.
type Verb string

// Any stands for the seven Methods. Connect is the one route key of a
// WebSocket API that an authorizer is asked about.
const (
	Any     Verb = "ANY"
	Connect Verb = "$connect"
)

// Methods are the HTTP methods API Gateway routes; any other is denied.
var Methods = []Verb{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}

// ParseVerb reads an httpVerb in any case; * is another spelling of ANY.
func ParseVerb(s string) (Verb, error) {
	v := Verb(strings.ToUpper(s))
	switch {
	case strings.ContainsFunc(s, func(c rune) bool { return c > 0x7f }):
		// Upper case turns some letters beyond ASCII into ASCII ones.
	case v == Any || v == "*":
		return Any, nil
	case strings.EqualFold(s, string(Connect)):
		return Connect, nil
	case slices.Contains(Methods, v):
		return v, nil
	}
	return "", fault("httpVerb", s, "must be GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS, ANY (or *), or $connect")
}

// Methods lists the concrete methods that the verb stands for.
func (v Verb) Methods() []Verb {
	if v == Any {
		return Methods
	}
	return []Verb{v}
}
