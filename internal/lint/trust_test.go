package lint_test

import (
	"slices"
	"testing"

	"scopegate/internal/lint"
	"scopegate/internal/tabletest"
	"scopegate/mapping"
)

func TestATableWithoutTrustListWhereSeveralCouldBeMeant(t *testing.T) {
	plain := []mapping.Permission{tabletest.Permission("GET", "a", "s1")}
	tenants := []mapping.Permission{
		requirement(t, "GET", "a", map[string]any{"scope": "s1", "tenant": tenantA}),
		requirement(t, "GET", "a", map[string]any{"scope": "s1", "tenant": tenantB}),
	}
	entra := func(tenant string, audiences ...string) mapping.Trust {
		return mapping.Trust{Tenant: tenant, Audiences: audiences}
	}
	cases := map[string]struct {
		permissions       []mapping.Permission
		trust, configured []mapping.Trust
		want              []mapping.Trust
	}{
		"nothing is known": {plain, nil, nil, nil},
		"one tenant, one audience": {
			plain, nil, []mapping.Trust{entra(tenantA, "a")}, nil,
		},
		"several audiences": {
			plain, nil, []mapping.Trust{entra(tenantA, "a", "b")}, []mapping.Trust{entra(tenantA, "a", "b")},
		},
		"several tenants": {
			plain, nil, []mapping.Trust{entra(tenantA, "a"), entra(tenantB, "a")}, []mapping.Trust{entra(tenantA, "a"), entra(tenantB, "a")},
		},
		"a trust list of its own": {
			plain, []mapping.Trust{entra(tenantA, "a", "b")}, []mapping.Trust{entra(tenantA, "a"), entra(tenantB, "a")}, nil,
		},
		"permissions that name several tenants": {
			tenants, nil, nil, []mapping.Trust{{Tenant: tenantA}, {Tenant: tenantB}},
		},
		"permissions that name one tenant": {tenants[:1], nil, nil, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o := options
			o.Configured = c.configured
			r := check(t, lint.Table{API: tabletest.API, Entries: entries(c.permissions...), Trust: c.trust}, o)
			var got []mapping.Trust
			for _, f := range r.Findings {
				if f.Kind == lint.NoTrust {
					got = f.Trust
				}
			}
			same := func(a, b mapping.Trust) bool { return a.Tenant == b.Tenant && slices.Equal(a.Audiences, b.Audiences) }
			if !slices.EqualFunc(got, c.want, same) || r.Errors() > 0 {
				t.Errorf("could be meant: %v, want %v", got, c.want)
			}
		})
	}
}

// TestPermissionsThatNobodyCanHold: of a tenant that the table does not trust, or
// of a kind of principal that has no scopes or is not known.
func TestPermissionsThatNobodyCanHold(t *testing.T) {
	type members = map[string]any
	entra := []mapping.Trust{{Tenant: tenantA, Audiences: []string{"a"}}}
	both, other := append(slices.Clone(entra), mapping.Trust{Tenant: tenantB, Audiences: []string{"a"}}), []mapping.Trust{{Issuer: issuer, Audiences: []string{"a"}}}
	cases := map[string]struct {
		trust, configured []mapping.Trust
		requires          members
		unheld            bool
	}{
		"of the trusted tenant":                    {entra, nil, members{"scope": "s1", "tenant": tenantA}, false},
		"of another tenant":                        {entra, nil, members{"scope": "s1", "tenant": tenantB}, true},
		"of another than the first tenant":         {nil, entra, members{"role": "R", "tenant": tenantB}, true},
		"of the second of several tenants":         {nil, both, members{"role": "R", "tenant": tenantB}, true},
		"of the second tenant of a list":           {both, nil, members{"role": "R", "tenant": tenantB}, false},
		"of any tenant, if none is known":          {nil, nil, members{"role": "R", "tenant": tenantB}, false},
		"an app's scope":                           {entra, nil, members{"scope": "s1", "principalType": "app"}, true},
		"a user's scope":                           {entra, nil, members{"scope": "s1", "principalType": "user"}, false},
		"an app's role":                            {entra, nil, members{"role": "R", "principalType": "app"}, false},
		"a user of an issuer that does not say so": {other, nil, members{"scope": "s1", "principalType": "user"}, true},
		"any caller of another issuer":             {other, nil, members{"scope": "s1"}, false},
		"a tenant's caller of another issuer":      {other, nil, members{"group": "g", "tenant": tenantA}, true},
		"one that has ended":                       {entra, nil, members{"scope": "s1", "tenant": tenantB, "expiresAt": "2029-01-01T00:00:00Z"}, false},
		"one that nobody is meant to hold":         {entra, nil, members{"registered": true}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o := options
			o.Configured = c.configured
			r := check(t, lint.Table{API: tabletest.API, Trust: c.trust, Entries: entries(requirement(t, "GET", "a", c.requires))}, o)
			if got := found(r, lint.Unheld); (len(got) > 0) != c.unheld || r.Errors() > 0 {
				t.Errorf("found %q", got)
			}
		})
	}
}
