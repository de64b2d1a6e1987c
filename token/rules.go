package token

import (
	"slices"
	"strings"
	"time"
)

// MaxLife is the longest life of a token that is accepted: Entra's longest
// (continuous access evaluation) live 28 hours. Revocations need to be kept for
// no longer.
const MaxLife = 29 * time.Hour

// claims judges what was signed at a time, with one skew for all clocks. Each
// rule's source is Microsoft's "Access token claims reference" and "Secure
// applications and APIs by validating claims", or the RFC it names.
func (is *issuer) claims(p *payload, now time.Time, skew time.Duration) (Claims, error) {
	r := &reader{payload: p}
	c := Claims{
		Issuer:    is.iss,
		Subject:   r.text(claimSub),
		IssuedAt:  r.needDate(claimIat),
		NotBefore: r.date(claimNbf),
		Expires:   r.needDate(claimExp),
	}
	c.End = c.Expires.Add(skew)
	audiences := r.textOrTexts(claimAud)
	if len(audiences) > maxAudiences {
		return Claims{}, refuse(ReasonClaimType)
	}
	r.listed = 0 // they have a bound of their own
	if is.entra() {
		is.readEntra(r, &c)
	} else {
		readOther(r, &c)
	}
	if r.err != nil {
		return Claims{}, r.err
	}
	if c.Audience = is.audience(audiences); c.Audience == "" {
		return Claims{}, refuse(ReasonAudience)
	}
	if reason := c.checkTimes(now, skew); reason != "" {
		return Claims{}, refuse(reason)
	}
	reason := is.checkPurpose(r, &c)
	if r.err != nil {
		return Claims{}, r.err
	}
	if reason != "" {
		return Claims{}, refuse(reason)
	}
	return c, nil
}

// readEntra reads the claims that only Entra's word counts for. iss, ver and tid
// are one tuple: tid says whose oid it is.
func (is *issuer) readEntra(r *reader, c *Claims) {
	c.Version = r.needText(claimVer)
	c.TenantID = r.needText(claimTid)
	switch {
	case r.err != nil:
	case c.Version != is.version:
		r.fail(ReasonVersion)
	case c.TenantID != is.tenant:
		r.fail(ReasonTenant)
	}
	c.Version, c.TenantID = is.version, is.tenant // the same words, but not once more for each token that is remembered
	c.ObjectID = r.needText(claimOid)
	if !isGUID(c.ObjectID) {
		r.fail(ReasonClaimType)
	}
	c.AppID = r.text(is.client)
	c.ID = r.text(claimUti)
	c.Scopes = r.words(claimScp)
	c.Roles = r.texts(claimRoles)
	c.Groups = r.texts(claimGroups)
	c.GroupsUnknown = r.has(claimNames, "groups") || r.unlessFalse(claimHasgroups)
}

// readOther takes scope as a string (RFC 9068, 2.2.3) or as an array, which some
// issuers write; sub stands for the principal and is needed.
func readOther(r *reader, c *Claims) {
	if strings.TrimSpace(c.Subject) == "" {
		r.fail(ReasonClaimMissing)
	}
	c.AppID = orElse(r.text(claimAzp), r.text(claimClientID)) // OpenID Connect Core 1.0, 2; RFC 9068, 2.2
	c.ID = r.text(claimJti)
	scopes := r.textOrTexts(claimScope)
	r.listed = 0 // they count as words
	c.Scopes = r.split(strings.Join(scopes, " "))
	c.Roles = r.textOrTexts(claimRoles)
	c.Groups = r.textOrTexts(claimGroups)
}

// audience is the first of the token's that is configured. Of several that
// match, the others are not looked at: no more is granted for more audiences.
func (is *issuer) audience(claimed []string) string {
	for _, a := range claimed {
		if configured, ok := is.audiences[canonicalAudience(a)]; ok {
			return configured
		}
	}
	return ""
}

// checkTimes is RFC 7519, 4.1.4 to 4.1.6, with a bound on the whole life.
func (c *Claims) checkTimes(now time.Time, skew time.Duration) Reason {
	life := c.Expires.Sub(c.IssuedAt)
	switch {
	case !now.Before(c.End):
		return ReasonExpired
	case c.NotBefore.After(now.Add(skew)):
		return ReasonNotYet
	case c.IssuedAt.After(now.Add(skew)):
		return ReasonFuture
	case life <= 0 || life > MaxLife:
		return ReasonLifetime
	}
	return ""
}

// checkPurpose keeps other signed things of the same issuer out (RFC 8725, 3.12):
// they have the same keys and may have the same audience.
func (is *issuer) checkPurpose(r *reader, c *Claims) Reason {
	if r.hasAny(claimAtHash, claimCHash, claimSHash, claimEvents) {
		return ReasonIDToken
	}
	if !is.entra() {
		return c.checkOtherPurpose(r)
	}
	if r.hasAny(claimNonce) {
		return ReasonIDToken
	}
	// An app's token has no scp at all, and names nobody who could sign in.
	usersOwn := r.hasAny(claimScp, claimUPN, claimUniqueName, claimPreferredUsername)
	return c.checkEntraPurpose(r.text(claimIdtyp), usersOwn)
}

// checkOtherPurpose reads Keycloak's typ and Cognito's token_use. Keycloak before
// version 25 put a nonce into access tokens too, with typ Bearer.
//
// Nothing says in general what a token is for. One that names nothing that it
// grants, and is for the very client that got it, has the shape of an ID token
// (OpenID Connect Core 1.0, 2); RFC 9068's access tokens have a client_id.
func (c *Claims) checkOtherPurpose(r *reader) Reason {
	typ, use := r.text(claimTyp), r.text(claimTokenUse)
	switch {
	case use != "" && use != "access":
		return ReasonIDToken
	case typ != "" && !strings.EqualFold(typ, "Bearer") && !accessTokenType(typ):
		return ReasonIDToken
	case r.hasAny(claimNonce) && !strings.EqualFold(typ, "Bearer"):
		return ReasonIDToken
	case typ != "" || use != "" || len(c.Scopes)+len(c.Roles)+len(c.Groups) > 0 || r.hasAny(claimClientID, claimScp):
		return ""
	case c.Subject == c.AppID: // client credentials: nobody signed in
		return ""
	case slices.Contains(r.textOrTexts(claimAud), c.AppID):
		return ReasonIDToken
	}
	return ""
}

// checkEntraPurpose sets the kind. An ID token with roles looks like an app-only
// access token, but names no client (azp, appid).
func (c *Claims) checkEntraPurpose(idtyp string, usersOwn bool) Reason {
	delegated := len(c.Scopes) > 0
	switch {
	case c.AppID == "":
		return ReasonIDToken
	case !delegated && len(c.Roles) == 0:
		return ReasonPurpose
	case idtyp != "" && idtyp != "app" && idtyp != "user":
		return ReasonKind
	case idtyp == "app" && delegated, idtyp == "user" && !delegated, usersOwn && !delegated:
		return ReasonKind
	}
	c.Kind = KindApp
	if delegated {
		c.Kind = KindUser
	}
	return ""
}
