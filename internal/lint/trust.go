package lint

import (
	"slices"
	"strings"

	"scopegate/mapping"
)

// assumed is whom a table believes where nothing says so, and the audience that
// made-up callers come for: what they hold depends on neither.
const (
	assumedTenant   = "00000000-0000-4000-8000-000000000000"
	assumedAudience = "assumed"
	assumedIssuer   = "https://assumed.invalid"
)

// principalsOf lists the tenants and issuers that made-up callers come from, each
// once: those the table trusts, or the first that is configured, or, where that
// is not known, every tenant that a permission names.
func principalsOf(t Table, entries []Entry, o Options) []mapping.Trust {
	trust := t.Trust
	if len(trust) == 0 && len(o.Configured) > 0 {
		trust = o.Configured[:1]
	}
	if len(trust) == 0 {
		trust = tenantsOf(entries)
	}
	if len(trust) == 0 {
		trust = []mapping.Trust{{Tenant: assumedTenant}}
	}
	var all []mapping.Trust
	for _, e := range trust {
		e.Tenant = strings.ToLower(e.Tenant)
		if !slices.ContainsFunc(all, func(a mapping.Trust) bool { return a.Tenant == e.Tenant && a.Issuer == e.Issuer }) {
			all = append(all, mapping.Trust{Tenant: e.Tenant, Issuer: e.Issuer, Audiences: []string{assumedAudience}})
		}
	}
	return all
}

// tenantsOf lists the tenants that permissions name.
func tenantsOf(entries []Entry) []mapping.Trust {
	var list []mapping.Trust
	for _, e := range entries {
		tenant := e.Permission.Requires.Tenant
		if tenant != "" && !slices.ContainsFunc(list, func(t mapping.Trust) bool { return t.Tenant == tenant }) {
			list = append(list, mapping.Trust{Tenant: tenant})
		}
	}
	return list
}

// missingTrust warns of a table that leaves open which of several tenants,
// issuers or audiences it believes: it would be the first of those the
// authorizer knows, with all its audiences, the tokens of other teams' apps among
// them. Where nothing is known of the authorizer, permissions that name several
// tenants say that there are several.
func missingTrust(t Table, o Options) []Finding {
	if len(t.Trust) > 0 {
		return nil
	}
	could := o.Configured
	if len(could) == 0 {
		could = tenantsOf(t.Entries)
	}
	if len(could) > 1 || len(could) == 1 && len(could[0].Audiences) > 1 {
		return []Finding{{Severity: Warning, Kind: NoTrust, Trust: could}}
	}
	return nil
}

// unheld finds the permissions that open nothing, as nobody whom the table
// trusts can meet them: of another tenant, or of a kind of principal that has no
// scopes or is not known.
func (c *Checker) unheld() []Finding {
	var findings []Finding
	for _, e := range active(c.entries, c.Now) {
		met := slices.ContainsFunc(c.meeting(e.Permission.Requires), func(k Caller) bool {
			return e.Permission.HeldBy(k.caller(), c.Now)
		})
		if !met {
			findings = append(findings, Finding{Severity: Warning, Kind: Unheld, Permissions: []Ref{e.ref()}})
		}
	}
	return findings
}
