package mapping

import (
	"slices"
	"strings"
)

// Implies reports whether every caller who meets q meets other as well, whoever
// his issuer. That he is authenticated goes without saying.
func (q Requirement) Implies(other Requirement) bool {
	for _, s := range other.Scopes {
		if !slices.Contains(q.Scopes, s) {
			return false
		}
	}
	return (other.Role == "" || other.Role == q.Role) &&
		(other.Group == "" || other.Group == q.Group) &&
		(other.PrincipalType == "" || other.PrincipalType == q.PrincipalType) &&
		(other.Tenant == "" || other.Tenant == q.Tenant)
}

// some stands for whatever a parameter or a * stands for. No resource holds it,
// so that only a * of the other pattern can match it, and then that * matches
// any other text in its place just as well.
const some = "\x00"

// Covers reports whether a permission of r grants every path that other names. A
// route never grants what a pattern or another route does: the most specific
// route decides, and a pattern grants beside the routes.
func (r Resource) Covers(other Resource) bool {
	if !r.IsPattern() {
		return r.Shape() == other.Shape() // no route's holds a pattern's *
	}
	text := strings.ReplaceAll(strings.ReplaceAll(other.Glob(), "?*", some), "*", some)
	return Match(r.String(), text)
}
