package openapi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// need is one way to be let through: the scopes that a token must hold, or that
// it is verified at all.
type need struct {
	scope         string // as in a permission: sorted, joined by spaces
	authenticated bool
}

// maxProduct bounds the alternatives that one requirement object makes where
// several schemes each want any one of several scopes.
const maxProduct = 64

// finding is a part of a requirement that no permission says.
type finding struct {
	kind      ProblemKind
	what, why string
	note      bool // the permission says it otherwise than the document
}

// needs reads a list of requirement objects, each an alternative.
func (r *reader) needs(security openapi3.SecurityRequirements) (needs []need, found []finding) {
	if len(security) == 0 {
		return r.open(), nil
	}
	for _, requirement := range security {
		if len(requirement) == 0 {
			if len(security) > 1 && !r.Authenticated {
				found = append(found, finding{Security, "{}", "is open to everybody; here it takes one of the other requirements", true})
			}
			needs = append(needs, r.open()...)
			continue
		}
		some, more := r.alternative(requirement)
		needs = append(needs, some...)
		found = append(found, more...)
	}
	return distinct(needs), found
}

// distinct sorts alternatives, each once; that a token is verified comes first.
func distinct(needs []need) []need {
	slices.SortFunc(needs, func(a, b need) int { return strings.Compare(a.scope, b.scope) })
	return slices.Compact(needs)
}

// open is what becomes of an operation without security.
func (r *reader) open() []need {
	if r.Authenticated {
		return []need{{authenticated: true}}
	}
	return nil
}

// alternative reads one requirement object: all its schemes are needed. A scheme
// of API keys is left to API Gateway and listed; with any other that cannot be
// checked here, nothing of the object is granted.
func (r *reader) alternative(requirement openapi3.SecurityRequirement) (needs []need, found []finding) {
	names := make([]string, 0, len(requirement))
	for name := range requirement {
		names = append(names, name)
	}
	slices.Sort(names)
	sets := [][]string{nil} // of scopes that are needed together
	token, blocked := false, false
	for _, name := range names {
		p := r.part(name, requirement[name])
		found = append(found, p.found...)
		blocked = blocked || p.blocked
		token = token || p.token
		if len(p.choices) > 0 {
			sets = product(sets, p.choices)
		}
		if len(sets) > maxProduct {
			return nil, append(found, finding{kind: Security, what: strings.Join(names, ", "), why: fmt.Sprintf("makes more than %d alternatives", maxProduct)})
		}
	}
	if blocked || !token {
		return nil, found
	}
	for _, scopes := range sets {
		if len(scopes) == 0 {
			if !r.Authenticated {
				return nil, append(found, finding{kind: Security, what: strings.Join(names, ", "), why: "asks for a token and names no scope (with the option authenticated every verified caller may call it)"})
			}
			needs = append(needs, need{authenticated: true})
			continue
		}
		slices.Sort(scopes)
		needs = append(needs, need{scope: strings.Join(slices.Compact(scopes), " ")})
	}
	return needs, found
}

// product joins each of some sets of scopes with each of others.
func product(sets, with [][]string) [][]string {
	out := make([][]string, 0, len(sets)*len(with))
	for _, a := range sets {
		for _, b := range with {
			out = append(out, slices.Concat(a, b))
		}
		if len(out) > maxProduct {
			return out
		}
	}
	return out
}

// part is what one scheme of a requirement asks for.
type part struct {
	token   bool       // a token that Scopegate verifies
	choices [][]string // alternatives of scopes, each needed whole; none asks for no scope
	blocked bool       // something besides that cannot be checked
	found   []finding
}

func blocked(what, why string) part {
	return part{blocked: true, found: []finding{{kind: Security, what: what, why: why}}}
}

func (r *reader) part(name string, scopes []string) part {
	what := name
	if len(scopes) > 0 {
		what += " [" + strings.Join(scopes, ", ") + "]"
	}
	what = short(what)
	scheme := r.scheme(name)
	if scheme == nil {
		return blocked(what, "the document defines no such security scheme")
	}
	switch kind := authorizerOf(scheme); strings.ToLower(kind) {
	case "":
	case "awssigv4":
		return blocked(what, "API Gateway checks an AWS signature, no token is asked for")
	case "custom", "token", "request":
		return r.tokenPart(what, scopes, r.AnyOf)
	case "jwt", "cognito_user_pools":
		return r.tokenPart(what, scopes, true)
	default:
		return blocked(what, fmt.Sprintf("is of API Gateway's type %s, which Scopegate does not know", kind))
	}
	switch {
	case scheme.Type == "oauth2" || scheme.Type == "openIdConnect":
		return r.tokenPart(what, scopes, r.AnyOf)
	case scheme.Type == "apiKey":
		return part{found: []finding{{kind: Security, what: what, why: "is an API key, which Scopegate does not check (API Gateway does, with a usage plan)"}}}
	case scheme.Type == "http" && strings.EqualFold(scheme.Scheme, "bearer") && (len(scopes) == 0 || r.BearerScopes):
		return r.tokenPart(what, scopes, r.AnyOf)
	case scheme.Type == "http" && strings.EqualFold(scheme.Scheme, "bearer"):
		return blocked(what, "names something of a scheme that has no scopes (with the option bearer scopes they are taken for scopes)")
	}
	return blocked(what, fmt.Sprintf("is of type %s, which Scopegate does not check", strings.TrimSpace(scheme.Type+" "+scheme.Scheme)))
}

func (r *reader) scheme(name string) *openapi3.SecurityScheme {
	if c := r.document.doc.Components; c != nil {
		if ref := c.SecuritySchemes[name]; ref != nil {
			return ref.Value
		}
	}
	return nil
}

// authorizerOf is the kind of API Gateway authorizer that an exported scheme
// stands for, "" if for none. In a REST API's export it is a scheme of type
// apiKey with an authtype (AWS: "x-amazon-apigateway-authtype property",
// "x-amazon-apigateway-authorizer object"). Of the scopes that a route names, API
// Gateway's own (jwt, cognito_user_pools) want one, not all (AWS: "Control access
// to HTTP APIs with JWT authorizers", "Control access to REST APIs using Amazon
// Cognito user pools as an authorizer").
func authorizerOf(s *openapi3.SecurityScheme) string {
	for _, extension := range []string{"x-amazon-apigateway-authtype", "x-amazon-apigateway-authorizer"} {
		if t, ok := s.Extensions[extension].(string); ok {
			return t
		}
	}
	return ""
}

// tokenPart reads the scopes of a scheme whose tokens Scopegate verifies.
func (r *reader) tokenPart(what string, scopes []string, anyOf bool) part {
	p := part{token: true}
	if anyOf && !r.AnyOf && len(scopes) > 1 {
		p.found = append(p.found, finding{Scope, what, "any one of the scopes suffices, as for API Gateway's own authorizers", true})
	}
	var all []string
	for _, s := range scopes {
		name := strings.TrimPrefix(s, r.ScopePrefix)
		if name == "" || strings.Contains(name, " ") {
			return blocked(what, fmt.Sprintf("%q is not the name of one scope", s))
		}
		if strings.Contains(name, "://") {
			p.found = append(p.found, finding{Scope, what, "Entra's tokens hold a scope's last part only, not its URI (take the rest off with the option scope prefix)", true})
		}
		all = append(all, name)
	}
	switch {
	case len(all) == 0:
	case anyOf:
		for _, s := range all {
			p.choices = append(p.choices, []string{s})
		}
	default:
		p.choices = [][]string{all}
	}
	return p
}
