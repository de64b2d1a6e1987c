package seeds_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"scopegate/gateway"
)

// TestSeed001HTTPAPIWithoutAddressesInTheCode: document 001 is 000 whose code has
// lost its addresses (issuer, jwksUri). Here they are in no code and no setting:
// tenant and audience are all, and discovery finds the keys. The token comes as the
// document gets it, from the token endpoint; and what API Gateway keeps is emptied
// when the data behind changes, which the document calls critical.
func TestSeed001HTTPAPIWithoutAddressesInTheCode(t *testing.T) {
	for _, flavour := range []gateway.Flavour{gateway.HTTPv2, gateway.HTTPv1} {
		t.Run(flavour.String(), func(t *testing.T) {
			w := newWorld(t)
			p := newPlane()
			a := w.admin(p)
			f := w.serve(w.authorizer("INVALID_TOKEN=deny"), gateway.Config{Flavour: flavour, ARN: httpARN, Stages: []string{httpStage}, AuthorizerTTL: time.Hour})
			p.serves("a1b2c3d4e5", f)
			w.through(a, routes000, "import", "-")

			token := w.postman("oauth2/v2.0/token", "1.0", "Auth.Read Auth.Write")
			f.want("a v1 token of the v2 endpoint, as the document's", "GET", "/auth", token, 200)
			f.want("the same", "GET", "/reports", token, 403)
			f.want("a v2 token", "POST", "/auth", w.postman("oauth2/v2.0/token", "2.0", "Auth.Write"), 200)
			f.want("a v1 token of the v1 endpoint", "GET", "/auth", w.postman("oauth2/token", "1.0", "Auth.Read"), 200)
			f.want("a v1 token of another scope", "GET", "/auth", w.postman("oauth2/token", "1.0", "Other"), 403)
			found := w.provider.Fetches()
			if found.Discovery == 0 || found.Keys == 0 {
				t.Errorf("keys were not found by discovery: %+v", found)
			}
			emptiedByChanges(f, p, a, token)
		})
	}
}

// postman gets a token as the document does, from an endpoint of the tenant.
func (w *world) postman(endpoint, version, scopes string) string {
	w.t.Helper()
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"bbbbbbbb-0000-4000-8000-000000000001"}, "client_secret": {"any"},
		"audience": {w.provider.Audience()}, "scopes": {scopes}, "version": {version},
	}
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost,
		w.provider.Authority()+"/"+w.provider.TenantID()+"/"+endpoint, strings.NewReader(form.Encode()))
	w.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(r)
	w.must(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	w.must(err)
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Token == "" {
		w.t.Fatalf("%s: %d, %d bytes, %v", endpoint, res.StatusCode, len(body), err)
	}
	return "Bearer " + answer.Token
}

// emptiedByChanges: API Gateway keeps a policy for an hour, and a change counts at
// the next request all the same; but for the flush it would not.
func emptiedByChanges(f *front, p *plane, a *httpAPI, token string) {
	f.w.t.Helper()
	const without = `[{"arn":"` + httpARN + `","stage":"$default","httpVerb":"GET","resource":"auth","scope":"Auth.Admin"}]`
	document := `{"arn":"` + httpARN + `","stage":"$default","permissions":` + without + `}`
	before := f.w.through(a, "", "export", "--api", httpARN, "--stage", httpStage)
	f.want("before the change", "GET", "/auth", token, 200)

	p.setDeaf(true)
	f.w.through(a, document, "apply", "--yes", "-")
	f.want("without the flush, from the kept policy", "GET", "/auth", token, 200)
	p.setDeaf(false)
	f.w.through(a, before, "apply", "--yes", "--force", "-")
	f.want("changed back", "GET", "/auth", token, 200)

	f.w.through(a, document, "apply", "--yes", "-")
	f.want("flushed", "GET", "/auth", token, 403)
	f.want("flushed, another route", "POST", "/auth", token, 403)
	if n := p.secondFlushes(); n < 3 {
		f.w.t.Errorf("%d second flushes are scheduled for three changes", n)
	}
}
