package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"scopegate/internal/config"
	"scopegate/internal/explain"
	"scopegate/mapping"
	"scopegate/token"
)

// claimsOf finds the caller that explain is about; how says where the claims
// come from. All ways end in the verifier, so that claims mean here what they
// mean in a token.
func (p *program) claimsOf(ctx context.Context, a asked, s source, t explain.Table) (claims token.Claims, how string, err error) {
	if a.claims != "" {
		members, err := p.readClaims(a.claims)
		if err != nil {
			return token.Claims{}, "", err
		}
		claims, err = believed(ctx, s.settings, t.Trust[0], members)
		return claims, "claims given, believed", err
	}
	if a.describes() {
		members, err := described(a, t.Trust[0])
		if err != nil {
			return token.Claims{}, "", err
		}
		claims, err = believed(ctx, s.settings, t.Trust[0], members)
		return claims, "a caller described on the command line, trusted", err
	}
	raw, err := p.tokenOf(a)
	if err != nil {
		return token.Claims{}, "", err
	}
	verifier, err := token.New(s.settings.Verifier())
	if err != nil {
		return token.Claims{}, "", usage(err)
	}
	claims, err = verifier.Verify(ctx, raw)
	return claims, "token verified", err
}

// tokenOf reads the token that is asked about.
func (p *program) tokenOf(a asked) (string, error) {
	raw := cmp.Or(a.token, p.env("TOKEN"))
	if a.token == "-" {
		b, err := p.readFile("-")
		if err != nil {
			return "", err
		}
		raw = string(b)
	}
	if raw = strings.TrimSpace(raw); raw == "" {
		return "", usage(errors.New("no caller: must be given as --token, TOKEN, --claims or --scope, --role, --group, --app"))
	}
	return raw, nil
}

// readClaims reads a JSON object of claims from a flag's value or a file. Its
// members come back as the text they are: the verifier alone judges them.
func (p *program) readClaims(text string) (members string, err error) {
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		b, err := p.readFile(text)
		if err != nil {
			return "", err
		}
		text = string(b)
	}
	members, err = explain.Members([]byte(text))
	if err != nil {
		return "", negative(fmt.Errorf("--claims: %w", err))
	}
	return members, nil
}

// described are the claims that "scopegate token" would be given with the same
// flags: without a scope it is an app's own token.
func described(a asked, t mapping.Trust) (string, error) {
	claims := map[string]any{}
	if scopes := fields(a.scopes); len(scopes) > 0 {
		claims[map[bool]string{true: "scp", false: "scope"}[t.Tenant != ""]] = strings.Join(scopes, " ")
	}
	if roles := fields(a.roles); len(roles) > 0 {
		claims["roles"] = roles
	}
	if groups := fields(a.group); len(groups) > 0 {
		claims["groups"] = groups
	}
	if t.Tenant != "" && (a.app || len(fields(a.scopes)) == 0) {
		claims["idtyp"] = "app"
	}
	b, err := json.Marshal(claims)
	return strings.TrimSuffix(strings.TrimPrefix(string(b), "{"), "}"), err
}

func fields(values []string) []string { return strings.Fields(words(values)) }

// believed reads claims that nobody has signed as those of a token are read.
func believed(ctx context.Context, s config.Settings, t mapping.Trust, members string) (token.Claims, error) {
	claims, err := explain.Of(s).Believe(ctx, t, members)
	switch {
	case errors.Is(err, explain.ErrNoAudience):
		return claims, usage(errors.New("OIDC_AUDIENCES: must be given: the table names nobody whom it trusts, so it trusts the first tenant's tokens for these"))
	case errors.Is(err, explain.ErrIssuer):
		return claims, negative(fmt.Errorf("--claims: %w", err))
	}
	return claims, err
}
