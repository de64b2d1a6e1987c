package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"scopegate/internal/idp"
)

const defaultIssuer = "http://127.0.0.1:8083"

// clientTimeout bounds each request to a running local stack.
const clientTimeout = 10 * time.Second

func (p *program) tokenCommand() *cobra.Command {
	var issuer, tenant, oid, audience, claims string
	var scopes, roles, groups []string
	var app, v1, expired, forged, overage, asJSON bool
	var life time.Duration
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Get an access token from the identity provider of a running scopegate dev",
		Long: `Asks the identity provider of a running "scopegate dev" for an access token in the form
of Entra ID's, and prints it alone, so that it can be used inside a command. Without --scope
it is an app's own token, as Entra gives users none without a scope; with --scope a user's,
unless --app says otherwise.

` + exitCodes,
		Example: `  curl -i -H "Authorization: Bearer $(scopegate token --scope email)" http://127.0.0.1:8080/dev/my-resource
  scopegate token --scope "email orders.read" --role Orders.Admin
  scopegate token --app --role Orders.Read --v1
  scopegate token --scope email --expired
  scopegate token --scope email --claims '{"ver": null}'`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&issuer, "issuer", defaultIssuer, "URL of the identity provider")
	f.StringArrayVar(&scopes, "scope", nil, "scopes, separated by spaces; may be repeated")
	f.StringArrayVar(&roles, "role", nil, "app roles, separated by spaces; may be repeated")
	f.StringArrayVar(&groups, "group", nil, "object ids of groups, separated by spaces; may be repeated")
	f.BoolVar(&overage, "overage", false, "the user has more groups than a token lists")
	f.BoolVar(&app, "app", false, "an app's own token instead of a user's")
	f.BoolVar(&v1, "v1", false, "a v1 token (sts.windows.net) instead of a v2 one")
	f.BoolVar(&expired, "expired", false, "a token that ended an hour ago")
	f.BoolVar(&forged, "forged", false, "a token signed by somebody else's key")
	f.StringVar(&tenant, "tenant", "", "tenant of the token (default the local one; others are refused)")
	f.StringVar(&oid, "oid", "", "object id of the user or of the app's service principal")
	f.StringVar(&audience, "audience", "", "audience (default the local API's)")
	f.DurationVar(&life, "life", time.Hour, "how long the token is valid")
	f.StringVar(&claims, "claims", "", "JSON object of claims to set over the others; null removes one")
	f.BoolVar(&asJSON, "json", false, "print the provider's answer")
	cmd.RunE = running(func(cmd *cobra.Command, _ []string) error {
		form := url.Values{
			"scopes": {words(scopes)}, "roles": {words(roles)}, "groups": {words(groups)},
			"app": {strconv.FormatBool(app || len(fields(scopes)) == 0)}, "expired": {strconv.FormatBool(expired)}, "forged": {strconv.FormatBool(forged)},
			"overage": {strconv.FormatBool(overage)}, "tid": {tenant}, "oid": {oid}, "audience": {audience},
			"life": {life.String()}, "claims": {claims},
		}
		if v1 {
			form.Set("version", "1.0")
		}
		answer, err := mint(cmd.Context(), issuer, form)
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(p.stdout, answer)
		}
		_, err = fmt.Fprintln(p.stdout, answer.AccessToken)
		return err
	})
	return cmd
}

// minted is the provider's answer (RFC 6749, section 5.1).
type minted struct {
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
	AccessToken string `json:"access_token"`
}

// mint asks the local provider for a token.
func mint(ctx context.Context, issuer string, form url.Values) (minted, error) {
	target := strings.TrimSuffix(issuer, "/") + "/" + idp.DefaultTenantID + "/oauth2/v2.0/token"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil || !isWeb(request.URL) {
		return minted{}, usage(fmt.Errorf("--issuer %q: must be a URL such as %s", issuer, defaultIssuer))
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, body, _, err := send(request)
	if err != nil {
		return minted{}, fmt.Errorf("get a token (is scopegate dev running?): %w", err)
	}
	var answer struct {
		minted
		Description string `json:"error_description"`
	}
	if json.Unmarshal(body, &answer) != nil || answer.AccessToken == "" && answer.Description == "" {
		return minted{}, fmt.Errorf("get a token from %s: status %d, which is no answer of an identity provider", issuer, status)
	}
	if status != http.StatusOK || answer.AccessToken == "" {
		return minted{}, negative(errors.New("get a token: " + answer.Description))
	}
	return answer.minted, nil
}

func isWeb(u *url.URL) bool { return (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" }

// send makes one request with a connection of its own, which ends with it.
func send(r *http.Request) (status int, body []byte, header http.Header, err error) {
	client := &http.Client{
		Timeout:       clientTimeout,
		Transport:     &http.Transport{DisableKeepAlives: true, Proxy: nil},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(r)
	if err != nil {
		return 0, nil, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, maxInput))
	return response.StatusCode, body, response.Header, err
}
