package mapping

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// Trust names token issuers whose callers a table believes: a tenant of Entra
// or another issuer, and the audiences its tokens must be for. A scope of
// another team's app or of another tenant must never open this API.
type Trust struct {
	Tenant    string   `json:"tenant,omitempty"` // GUID
	Issuer    string   `json:"issuer,omitempty"` // exact iss of an issuer that is not Entra
	Audiences []string `json:"audiences,omitempty"`
}

// Validate checks one entry of a trust list: one of tenant and issuer, and at
// least one audience.
func (t Trust) Validate() error {
	var errs []error
	switch {
	case t.Tenant == "" && t.Issuer == "":
		errs = append(errs, fault("trust.tenant", "", "must be given, or issuer"))
	case t.Tenant != "" && t.Issuer != "":
		errs = append(errs, fault("trust.issuer", t.Issuer, "must not be given together with tenant"))
	case t.Tenant != "" && !IsGUID(strings.ToLower(t.Tenant)):
		errs = append(errs, fault("trust.tenant", t.Tenant, "must be a tenant id (GUID)"))
	case t.Issuer != "":
		if u, err := url.Parse(t.Issuer); err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			errs = append(errs, fault("trust.issuer", t.Issuer, "must be the issuer's URL"))
		}
	}
	if len(t.Audiences) == 0 {
		errs = append(errs, fault("trust.audiences", "", "must name at least one audience"))
	}
	for _, a := range t.Audiences {
		if a == "" {
			errs = append(errs, fault("trust.audiences", a, "must not hold an empty audience"))
		}
	}
	return errors.Join(errs...)
}

// covers reports whether the entry trusts the caller.
func (t Trust) covers(c Caller) bool {
	if c.Issuer == "" || c.Audience == "" {
		return false
	}
	if t.Tenant != "" {
		if !strings.EqualFold(t.Tenant, c.Tenant) {
			return false
		}
	} else if t.Issuer == "" || c.Tenant != "" || t.Issuer != c.Issuer {
		return false
	}
	return slices.ContainsFunc(t.Audiences, func(a string) bool {
		return trimAudience(a) == trimAudience(c.Audience)
	})
}

// trimAudience drops the trailing slash that an App ID URI comes with or
// without, and the case of a client id (Microsoft: "Access token claims
// reference").
func trimAudience(a string) string {
	if strings.HasPrefix(a, "api://") {
		return strings.TrimSuffix(a, "/")
	}
	if IsGUID(a) {
		return a
	}
	if lower := strings.ToLower(a); IsGUID(lower) {
		return lower
	}
	return a
}
