package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"scopegate/mapping"
)

// Of whom nothing is said: a tenant that no permission names, the issuer of a
// tenant's tokens. What callers hold depends on neither.
const (
	assumedTenant = "00000000-0000-4000-8000-000000000000"
	assumedIssuer = "https://assumed.invalid"
	assumedFor    = "assumed" // audience
)

// assumedTrust is whom tables believe where nothing says so: every tenant that a
// permission names.
func assumedTrust(lists ...[]mapping.Permission) []mapping.Trust {
	var tenants []string
	for _, p := range slices.Concat(lists...) {
		if p.Requires.Tenant != "" {
			tenants = append(tenants, p.Requires.Tenant)
		}
	}
	slices.Sort(tenants)
	tenants = slices.Compact(tenants)
	if len(tenants) == 0 {
		tenants = []string{assumedTenant}
	}
	var trust []mapping.Trust
	for _, t := range tenants {
		trust = append(trust, mapping.Trust{Tenant: t, Audiences: []string{assumedFor}})
	}
	return trust
}

// principal is what a token says of whoever brings it, his grants aside.
type principal struct {
	tenant, issuer, audience string
	kind                     mapping.PrincipalType
}

// origins are the tenants and issuers that a table believes, with all audiences
// that one of the two tables takes from them, in order.
type origins []origin

type origin struct {
	tenant, issuer string
	audiences      []string
}

// originsOf lists whom either table believes. Whoever comes from elsewhere holds
// nothing before and nothing after.
func originsOf(tables ...*mapping.Table) origins {
	var all origins
	for _, t := range tables {
		for _, e := range t.Trust() {
			e.Tenant = strings.ToLower(e.Tenant)
			i := slices.IndexFunc(all, func(o origin) bool { return o.tenant == e.Tenant && o.issuer == e.Issuer })
			if i < 0 {
				i = len(all)
				all = append(all, origin{tenant: e.Tenant, issuer: e.Issuer})
			}
			all[i].audiences = append(all[i].audiences, e.Audiences...)
		}
	}
	for i := range all {
		slices.Sort(all[i].audiences)
		all[i].audiences = slices.Compact(all[i].audiences)
	}
	slices.SortFunc(all, func(a, b origin) int {
		return cmp.Or(cmp.Compare(a.issuer, b.issuer), cmp.Compare(a.tenant, b.tenant))
	})
	return all
}

// needs are what a caller must bring for a call: of one requirement, or of several
// at once.
type needs struct {
	scopes, roles, groups []string
	kind                  mapping.PrincipalType
	tenant                string
}

func needsOf(q mapping.Requirement) needs {
	n := needs{scopes: q.Scopes, kind: q.PrincipalType, tenant: q.Tenant}
	if q.Role != "" {
		n.roles = []string{q.Role}
	}
	if q.Group != "" {
		n.groups = []string{q.Group}
	}
	return n
}

// from lists whoever can meet the needs, of one origin and audience: a scope makes
// a token a user's (Microsoft: "Access token claims reference", scp), and of
// another issuer's tokens the kind is not known.
func (n needs) from(o origin, audience string) []principal {
	kinds := []mapping.PrincipalType{mapping.User, mapping.App}
	switch {
	case o.tenant == "":
		kinds = []mapping.PrincipalType{""}
	case len(n.scopes) > 0:
		kinds = kinds[:1]
	}
	var list []principal
	for _, kind := range kinds {
		if (n.kind == "" || n.kind == kind) && (n.tenant == "" || n.tenant == o.tenant) {
			list = append(list, principal{o.tenant, o.issuer, audience, kind})
		}
	}
	return list
}

// caller is a principal who brings just what is needed.
func (n needs) caller(p principal) mapping.Caller {
	return mapping.Caller{
		Issuer: cmp.Or(p.issuer, assumedIssuer), Tenant: p.tenant, Audience: p.audience, PrincipalType: p.kind,
		Scopes: n.scopes, Roles: n.roles, Groups: n.groups,
	}
}

// requirements lists what permissions of either table ask for, each once, sorted
// by how people write it, which may be the same for two of them: names may hold
// commas.
func requirements(sides ...*side) []mapping.Requirement {
	all := map[string]mapping.Requirement{}
	for _, s := range sides {
		for _, p := range s.permissions {
			q := p.Requires
			if grants := len(q.Scopes) > 0 || q.Role != "" || q.Group != "" || q.Authenticated; !p.Registered && grants {
				all[fmt.Sprintf("%s\n%q", q, []any{q.Scopes, q.Role, q.Group, q.PrincipalType, q.Tenant, q.Authenticated})] = q
			}
		}
	}
	var list []mapping.Requirement
	for _, key := range slices.Sorted(maps.Keys(all)) {
		list = append(list, all[key])
	}
	return list
}

// row is a set of principals to whom the same happens: what is empty makes no
// difference.
type row struct {
	principal
	class int
}

// rows sorts the principals that can meet a requirement by what happens to them,
// and leaves out what makes no difference: the kind, then the audience, then the
// tenant or issuer.
func (all origins) rows(n needs, class func(mapping.Caller) int) []row {
	var list [][]row
	for _, o := range all {
		var of [][]row
		for _, audience := range o.audiences {
			var kinds [][]row
			for _, p := range n.from(o, audience) {
				kinds = append(kinds, []row{{p, class(n.caller(p))}})
			}
			if r := merged(kinds, func(p *principal) { p.kind = "" }); len(r) > 0 {
				of = append(of, r)
			}
		}
		if r := merged(of, func(p *principal) { p.audience = "" }); len(r) > 0 {
			list = append(list, r)
		}
	}
	return merged(list, func(p *principal) { p.tenant, p.issuer = "", "" })
}

// merged puts lists of rows into one: they are one and the same if they do not
// differ but in what blank takes away.
func merged(lists [][]row, blank func(*principal)) []row {
	var all, first []row
	same := true
	for i, list := range lists {
		all = append(all, list...)
		blanked := slices.Clone(list)
		for j := range blanked {
			blank(&blanked[j].principal)
		}
		if i == 0 {
			first = blanked
		}
		same = same && slices.Equal(first, blanked)
	}
	if same {
		return first
	}
	return all
}

// shown is a row as plans show it.
func (n needs) shown(p principal) Caller {
	return Caller{
		Scopes: n.scopes, Roles: n.roles, Groups: n.groups, PrincipalType: p.kind, Tenant: p.tenant, Issuer: p.issuer, Audience: p.audience,
	}
}
