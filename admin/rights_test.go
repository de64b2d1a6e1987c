package admin

import (
	"strings"
	"testing"

	"scopegate/store"
	"scopegate/token"
)

const (
	tenantA = "8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11"
	tenantB = "8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a22"
)

var demanded = needs{scope: "S", role: "R"}

func user(tenant string, scopes ...string) token.Claims {
	return token.Claims{Issuer: "i", TenantID: tenant, ObjectID: "o", Kind: token.KindUser, Scopes: scopes}
}

func app(tenant string, roles ...string) token.Claims {
	return token.Claims{Issuer: "i", TenantID: tenant, ObjectID: "o", Kind: token.KindApp, Roles: roles}
}

func with(c token.Claims, set func(*token.Claims)) token.Claims {
	set(&c)
	return c
}

func roles(list ...string) func(*token.Claims)  { return func(c *token.Claims) { c.Roles = list } }
func groups(list ...string) func(*token.Claims) { return func(c *token.Claims) { c.Groups = list } }

// overage is a token that lists no groups, or some of them: both are unknown.
func overage(list ...string) func(*token.Claims) {
	return func(c *token.Claims) { c.Groups, c.GroupsUnknown = list, true }
}

func TestRightsAreThoseOfScopeRoleAndOwnership(t *testing.T) {
	byRole := []store.Owner{{Tenant: tenantA, Role: "Team"}}
	byGroup := []store.Owner{{Tenant: tenantA, Group: "g"}}
	byBoth := []store.Owner{{Tenant: tenantA, Role: "Team", Group: "g"}}
	several := []store.Owner{{Tenant: tenantB, Role: "Team"}, {Tenant: tenantA, Group: "h"}, {Tenant: tenantA, Role: "Team"}}
	foreign := token.Claims{Issuer: "https://i.example", Subject: "s", Kind: token.KindUnknown, Scopes: []string{"S"}, Roles: []string{"R", "Team"}, Groups: []string{"g"}}
	for _, c := range []struct {
		name   string
		claims token.Claims
		owners []store.Owner
		want   rights
	}{
		{"nobody", token.Claims{}, byRole, noRights},
		{"nobody, where an owner is nobody", token.Claims{}, []store.Owner{{}}, noRights},

		{"user with scope and role", with(user(tenantA, "x", "S"), roles("R")), nil, adminRights},
		{"user with scope and role, who is an owner too", with(user(tenantA, "S"), roles("Team", "R")), byRole, adminRights},
		{"admin of another tenant than the owners'", with(user(tenantB, "S"), roles("R")), byRole, adminRights},
		{"user with the role alone", with(user(tenantA, "x"), roles("R")), nil, noRights},
		{"user with the scope alone", user(tenantA, "S"), byRole, noRights},
		{"role as a scope", user(tenantA, "S", "R", "Team"), byRole, noRights},
		{"scope as a role", with(user(tenantA, "x"), roles("S", "R")), nil, noRights},
		{"role in another case", with(user(tenantA, "S"), roles("r", "team")), byRole, noRights},
		{"scope in another case", with(user(tenantA, "s"), roles("R")), nil, noRights},
		{"app with the role", app(tenantA, "R"), nil, adminRights},
		{"app with another role", app(tenantA, "S"), byRole, noRights},

		{"owner by role", with(user(tenantA, "S"), roles("Team")), byRole, ownerRights},
		{"owner by role without the scope", with(user(tenantA, "x"), roles("Team")), byRole, noRights},
		{"owner by role of another tenant", with(user(tenantB, "S"), roles("Team")), byRole, noRights},
		{"owner by role without a tenant", with(user("", "S"), roles("Team")), []store.Owner{{Role: "Team"}}, noRights},
		{"owner of another API", with(user(tenantA, "S"), roles("Team")), []store.Owner{{Tenant: tenantA, Role: "Other"}}, noRights},
		{"owner of an API without owners", with(user(tenantA, "S"), roles("Team")), nil, noRights},
		{"app as owner by role", app(tenantA, "Team"), byRole, ownerRights},
		{"app as owner by role of another tenant", app(tenantB, "Team"), byRole, noRights},
		{"app as owner by group", with(app(tenantA, "x"), groups("g")), byGroup, ownerRights},
		{"one of several owners", with(user(tenantA, "S"), roles("Team")), several, ownerRights},
		{"tenant of one owner, role of another", with(user(tenantB, "S"), groups("h")), several, noRights},

		{"owner by group", with(user(tenantA, "S"), groups("f", "g")), byGroup, ownerRights},
		{"owner by group without the scope", with(user(tenantA, "x"), groups("g")), byGroup, noRights},
		{"owner by group of another tenant", with(user(tenantB, "S"), groups("g")), byGroup, noRights},
		{"group as a role", with(user(tenantA, "S"), roles("g")), byGroup, noRights},
		{"role as a group", with(user(tenantA, "S"), groups("Team")), byRole, noRights},
		{"groups unknown", with(user(tenantA, "S"), overage()), byGroup, noRights},
		{"groups unknown although some are listed", with(user(tenantA, "S"), overage("g")), byGroup, noRights},
		{"groups unknown, role held", with(with(user(tenantA, "S"), overage()), roles("Team")), byRole, ownerRights},
		{"role and group", with(with(user(tenantA, "S"), groups("g")), roles("Team")), byBoth, ownerRights},
		{"role and group, role alone", with(user(tenantA, "S"), roles("Team")), byBoth, noRights},
		{"role and group, group alone", with(user(tenantA, "S"), groups("g")), byBoth, noRights},

		{"an owner that names a tenant only", with(user(tenantA, "S"), groups("", "g")), []store.Owner{{Tenant: tenantA}}, noRights},
		{"an issuer that is not Entra", foreign, byRole, noRights},
		{"an issuer that is not Entra, with a tenant", with(foreign, func(c *token.Claims) { c.TenantID = tenantA }), byRole, noRights},
	} {
		if got := demanded.rights(c.claims, c.owners); got != c.want {
			t.Errorf("%s: rights %d, want %d", c.name, got, c.want)
		}
	}
}

// TestAChangeOfOwnersNeedsRightsBeforeAndAfter so that nobody gives an API away
// that is not his, nor takes one.
func TestAChangeOfOwnersNeedsRightsBeforeAndAfter(t *testing.T) {
	mine, others := []store.Owner{{Tenant: tenantA, Role: "Team"}}, []store.Owner{{Tenant: tenantA, Role: "Other"}}
	owner, admin := with(user(tenantA, "S"), roles("Team")), app(tenantA, "R")
	for _, c := range []struct {
		name          string
		claims        token.Claims
		before, after []store.Owner
		want          rights
	}{
		{"stays mine", owner, mine, mine, ownerRights},
		{"becomes mine", owner, others, mine, noRights},
		{"becomes another's", owner, mine, others, noRights},
		{"becomes nobody's", owner, mine, nil, noRights},
		{"by an admin", admin, mine, others, adminRights},
	} {
		if got := demanded.change(c.claims, c.before, c.after); got != c.want {
			t.Errorf("%s: rights %d, want %d", c.name, got, c.want)
		}
	}
}

// TestARefusalSaysWhatIsMissing and says the same of every API: its words come
// from claims and settings alone.
func TestARefusalSaysWhatIsMissing(t *testing.T) {
	for _, c := range []struct {
		name   string
		claims token.Claims
		owners bool
		want   string
	}{
		{"a user without the scope", with(user(tenantA, "x"), roles("R")), true, "the token needs the scope S"},
		{"a user without both", with(user(tenantA, "x"), overage()), true, "the token needs the scope S"},
		{"a user", user(tenantA, "S"), true, "the user needs the role R, or must be an owner of the API"},
		{"a user where only admins may", user(tenantA, "S"), false, "the user needs the role R"},
		{"an app", app(tenantA, "x"), true, "the app needs the role R, or must be an owner of the API"},
		{"an app where only admins may", app(tenantA, "x"), false, "the app needs the role R"},
		{"another issuer", token.Claims{Issuer: "i", Subject: "s"}, true, "only users and apps of Entra ID may edit mappings"},
	} {
		if got := demanded.refusal(c.claims, c.owners); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if got := demanded.refusal(with(user(tenantA, "S"), overage()), true); !strings.Contains(got, "does not list its groups") {
		t.Errorf("groups unknown: %q", got)
	}
	if got := demanded.refusal(with(user(tenantA, "S"), overage()), false); strings.Contains(got, "groups") {
		t.Errorf("groups do not matter to what only admins may: %q", got)
	}
}
