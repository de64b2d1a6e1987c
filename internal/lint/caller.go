package lint

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"scopegate/mapping"
)

// CallerKind says how a caller was made up. The names are stable.
type CallerKind string

// Kinds of callers. All but the last two hold a single permission set.
const (
	OneAuthenticated CallerKind = "authenticated" // a token and nothing else
	OneScope         CallerKind = "scope"
	OneRole          CallerKind = "role"
	OneGroup         CallerKind = "group"
	OneRequirement   CallerKind = "requirement" // just what one permission requires
	AllScopes        CallerKind = "all_scopes"  // of one tenant or issuer
	Everything       CallerKind = "everything"  // scopes, roles and groups
)

// Caller is a caller made up from what the table requires, and the policy that
// he would get.
type Caller struct {
	Name          string                `json:"name"` // for people, unique in a Result
	Kind          CallerKind            `json:"kind"`
	Scopes        []string              `json:"scopes,omitempty"`
	Roles         []string              `json:"roles,omitempty"`
	Groups        []string              `json:"groups,omitempty"`
	PrincipalType mapping.PrincipalType `json:"principalType,omitempty"`
	Tenant        string                `json:"tenant,omitempty"`
	Issuer        string                `json:"issuer,omitempty"` // if it is not Entra's

	Permissions int      `json:"permissions"` // held
	Bytes       int      `json:"bytes"`       // of the policy document
	Fits        bool     `json:"fits"`
	Resources   int      `json:"resources"`
	Steps       []string `json:"steps"` // what was given up to fit
	// Advice is for callers of several scopes whose policy does not fit.
	Advice *Advice `json:"advice,omitempty"`
}

// Single reports whether the caller holds a single permission set.
func (c Caller) Single() bool { return c.Kind != AllScopes && c.Kind != Everything }

// Same reports whether another caller brings the same.
func (c Caller) Same(o Caller) bool {
	return c.PrincipalType == o.PrincipalType && c.Tenant == o.Tenant && c.Issuer == o.Issuer &&
		slices.Equal(c.Scopes, o.Scopes) && slices.Equal(c.Roles, o.Roles) && slices.Equal(c.Groups, o.Groups)
}

// caller is the principal that a token would make of it.
func (c Caller) caller() mapping.Caller {
	return mapping.Caller{
		Issuer: cmp.Or(c.Issuer, assumedIssuer), Tenant: c.Tenant, Audience: assumedAudience, PrincipalType: c.PrincipalType,
		Scopes: c.Scopes, Roles: c.Roles, Groups: c.Groups,
	}
}

// granted are the scopes, roles and groups that permissions name, sorted.
type granted struct{ scopes, roles, groups []string }

func grantsOf(entries []Entry) granted {
	scopes, roles, groups := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, e := range entries {
		q := e.Permission.Requires
		for _, s := range q.Scopes {
			scopes[s] = true
		}
		roles[q.Role], groups[q.Group] = true, true
	}
	delete(roles, "")
	delete(groups, "")
	return granted{slices.Sorted(maps.Keys(scopes)), slices.Sorted(maps.Keys(roles)), slices.Sorted(maps.Keys(groups))}
}

// meeting lists callers who bring just what a requirement needs, one for each
// tenant or issuer and kind of principal that can.
func (c *Checker) meeting(q mapping.Requirement) []Caller {
	k := Caller{Kind: OneRequirement, Scopes: q.Scopes}
	if q.Role != "" {
		k.Roles = []string{q.Role}
	}
	if q.Group != "" {
		k.Groups = []string{q.Group}
	}
	return c.among(k)
}

// among makes a caller one of each tenant and issuer, and of each kind of
// principal: a scope makes a token a user's (Microsoft: "Access token claims
// reference", scp), and of another issuer's tokens the kind is not known.
func (c *Checker) among(k Caller) []Caller {
	var list []Caller
	for _, t := range c.principals {
		k.Tenant, k.Issuer = t.Tenant, t.Issuer
		kinds := []mapping.PrincipalType{mapping.User, mapping.App}
		switch {
		case t.Tenant == "":
			kinds = []mapping.PrincipalType{""}
		case len(k.Scopes) > 0:
			kinds = kinds[:1]
		}
		for _, kind := range kinds {
			k.PrincipalType = kind
			list = append(list, k)
		}
	}
	return list
}

// Callers makes up the callers whose policies are looked at, those of a single
// permission set first.
func (c *Checker) Callers() []Caller { return append(c.Singles(), c.totals()...) }

// Singles makes up callers of single permission sets: those who bring one thing,
// and those who bring just what one permission requires. Of several who hold the
// same permissions the first, who brings the least, stands for all.
func (c *Checker) Singles() []Caller {
	entries := active(c.entries, c.Now)
	g := grantsOf(entries)
	list := c.among(Caller{Kind: OneAuthenticated})
	for _, s := range g.scopes {
		list = append(list, c.among(Caller{Kind: OneScope, Scopes: []string{s}})...)
	}
	for _, r := range g.roles {
		list = append(list, c.among(Caller{Kind: OneRole, Roles: []string{r}})...)
	}
	for _, gr := range g.groups {
		list = append(list, c.among(Caller{Kind: OneGroup, Groups: []string{gr}})...)
	}
	for _, e := range entries {
		list = append(list, c.meeting(e.Permission.Requires)...)
	}
	return c.distinct(list)
}

// totals makes up callers of everything there is: all scopes, and with them all
// roles and groups; an app has no scopes. They stand for themselves even where a
// single one holds as much, but everything is only looked at where it is more.
func (c *Checker) totals() []Caller {
	g := grantsOf(active(c.entries, c.Now))
	var list []Caller
	if len(g.scopes) > 0 {
		list = c.among(Caller{Kind: AllScopes, Scopes: g.scopes})
	}
	every := c.among(Caller{Kind: Everything, Scopes: g.scopes, Roles: g.roles, Groups: g.groups})
	if len(g.scopes) > 0 && len(g.roles)+len(g.groups) > 0 {
		for _, k := range c.among(Caller{Kind: Everything, Roles: g.roles, Groups: g.groups}) {
			if k.PrincipalType == mapping.App {
				every = append(every, k)
			}
		}
	}
	return c.distinct(append(list, every...))
}

// distinct drops callers who hold nothing, and those who hold what one before
// them does.
func (c *Checker) distinct(list []Caller) []Caller {
	seen := map[string]bool{}
	var kept []Caller
	for _, k := range list {
		held := c.held(k)
		if held.Len() == 0 || seen[held.Key()] {
			continue
		}
		seen[held.Key()] = true
		k.Permissions = held.Len()
		k.Name = c.name(k)
		kept = append(kept, k)
	}
	return kept
}

// name is unique: what the caller brings, and where the table tells them apart
// the kind of principal (who has scopes is a user) and the tenant.
func (c *Checker) name(k Caller) string {
	parts := []string{}
	add := func(what string, values []string) {
		if len(values) > 0 {
			parts = append(parts, what+" "+strings.Join(values, " "))
		}
	}
	switch k.Kind {
	case OneAuthenticated:
		parts = append(parts, "any authenticated")
	case AllScopes:
		parts = append(parts, "all scopes")
	case Everything:
		parts = append(parts, "everything")
	default:
		add("scope", k.Scopes)
		add("role", k.Roles)
		add("group", k.Groups)
	}
	if k.PrincipalType != "" && (k.Kind == Everything || len(k.Scopes) == 0 && c.tellsKinds()) {
		parts = append(parts, string(k.PrincipalType))
	}
	if len(c.principals) > 1 {
		parts = append(parts, "of "+cmp.Or(k.Tenant, k.Issuer))
	}
	return strings.Join(parts, ", ")
}

// tellsKinds reports whether users and apps hold different permissions.
func (c *Checker) tellsKinds() bool {
	return slices.ContainsFunc(c.entries, func(e Entry) bool { return e.Permission.Requires.PrincipalType != "" })
}
