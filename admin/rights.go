package admin

import (
	"slices"

	"scopegate/store"
	"scopegate/token"
)

// rights are what a caller may do to one API stage. The zero rights are none;
// a larger value holds all that a smaller one does.
type rights uint8

const (
	noRights    rights = iota
	ownerRights        // read and replace the document, but for name, owners and trust
	adminRights        // everything, of every API
)

// needs is what the settings ask of callers: ADMIN_SCOPE and ADMIN_ROLE.
type needs struct{ scope, role string }

// rights decides what the claims of a verified token allow on a table that has
// these owners (design: "Admin API"). A user needs the scope, which says that
// the client may edit mappings for him, and the role or ownership, which say
// that he may; an app has no scopes and needs one of the latter.
func (n needs) rights(c token.Claims, owners []store.Owner) rights {
	switch {
	case !n.client(c):
		return noRights
	case slices.Contains(c.Roles, n.role):
		return adminRights
	case slices.ContainsFunc(owners, func(o store.Owner) bool { return owns(c, o) }):
		return ownerRights
	}
	return noRights
}

// change decides about a change by which the owners become others: what the
// caller may do both before and after it.
func (n needs) change(c token.Claims, before, after []store.Owner) rights {
	return min(n.rights(c, before), n.rights(c, after))
}

// client reports whether the token may be used here at all, whoever it is of.
// Only Entra says of its tokens whether they are a user's or an app's.
func (n needs) client(c token.Claims) bool {
	switch c.Kind {
	case token.KindApp:
		return true
	case token.KindUser:
		return slices.Contains(c.Scopes, n.scope)
	}
	return false
}

// owns reports whether the caller is one of those that an owner stands for. Role
// and group must both hold where both are given. Groups that the token does not
// list are unknown, and do not count.
func owns(c token.Claims, o store.Owner) bool {
	return c.TenantID != "" && c.TenantID == o.Tenant &&
		(o.Role != "" || o.Group != "") &&
		(o.Role == "" || slices.Contains(c.Roles, o.Role)) &&
		(o.Group == "" || !c.GroupsUnknown && slices.Contains(c.Groups, o.Group))
}

// refusal says what a caller lacks. It looks at the claims alone: were a word of
// it to depend on the table, it would tell who asks whether there is one.
func (n needs) refusal(c token.Claims, ownersToo bool) string {
	kind := "user"
	switch c.Kind {
	case token.KindApp:
		kind = "app"
	case token.KindUser:
		if !n.client(c) {
			return "the token needs the scope " + n.scope
		}
	default:
		return "only users and apps of Entra ID may edit mappings"
	}
	text := "the " + kind + " needs the role " + n.role
	if !ownersToo {
		return text
	}
	text += ", or must be an owner of the API"
	if c.GroupsUnknown {
		text += "; the token does not list its groups (there are too many), so that nobody is an owner by a group with it"
	}
	return text
}
