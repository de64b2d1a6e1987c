package seeds_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"scopegate/internal/lambdaruntime"
)

// jwtAuthorizer is API Gateway's native authorizer of HTTP APIs as far as AWS
// documents what it checks ("Control access to HTTP APIs with JWT authorizers in API
// Gateway"): signature by the keys that the issuer's discovery names, kid, iss, aud
// (client_id where there is no aud), exp, nbf and iat. It knows no leeway here.
type jwtAuthorizer struct {
	issuer    string
	audiences []string
}

// verify gives the claims of the token in a header of the form "Bearer token".
func (a jwtAuthorizer) verify(ctx context.Context, header string) (map[string]any, error) {
	raw := strings.TrimPrefix(header, "Bearer ")
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512})
	if err != nil {
		return nil, err
	}
	keys, err := a.keys(ctx)
	if err != nil {
		return nil, err
	}
	known := keys.Key(token.Headers[0].KeyID)
	if len(known) == 0 {
		return nil, errors.New("no key has this kid")
	}
	var registered jwt.Claims
	claims := map[string]any{}
	if err := token.Claims(known[0].Key, &registered, &claims); err != nil {
		return nil, err
	}
	if registered.Expiry == nil {
		return nil, errors.New("there is no exp")
	}
	audience, err := audienceOf(registered, claims)
	if err != nil || !slices.ContainsFunc(audience, func(s string) bool { return slices.Contains(a.audiences, s) }) {
		return nil, errors.Join(errors.New("the token does not have a valid audience"), err)
	}
	return claims, registered.ValidateWithLeeway(jwt.Expected{Issuer: a.issuer, Time: time.Now()}, 0)
}

func audienceOf(registered jwt.Claims, claims map[string]any) ([]string, error) {
	if len(registered.Audience) > 0 {
		return registered.Audience, nil
	}
	id, ok := claims["client_id"].(string)
	if !ok {
		return nil, errors.New("neither aud nor client_id")
	}
	return []string{id}, nil
}

// keys finds them as OpenID Connect Discovery 1.0 has it.
func (a jwtAuthorizer) keys(ctx context.Context) (jose.JSONWebKeySet, error) {
	var document struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	var set jose.JSONWebKeySet
	if err := fetch(ctx, strings.TrimSuffix(a.issuer, "/")+"/.well-known/openid-configuration", &document); err != nil {
		return set, err
	}
	if document.Issuer != a.issuer {
		return set, fmt.Errorf("the document is of %s", document.Issuer)
	}
	return set, fetch(ctx, document.Keys, &set)
}

func fetch(ctx context.Context, url string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// httpAPI is an HTTP API with one route, ANY /{proxy+}, behind a JWT authorizer, and
// public ones beside it. What passes goes to a function, or to an echo without one.
type httpAPI struct {
	authorizer jwtAuthorizer
	public     []string // "GET /path"
	function   *lambdaruntime.Runtime
	url        string
	passed     atomic.Int64 // requests that reached what is behind
}

func (w *world) serveHTTPAPI(a *httpAPI) *httpAPI {
	w.t.Helper()
	server := httptest.NewServer(a)
	w.t.Cleanup(server.Close)
	a.url = server.URL
	return a
}

// ServeHTTP answers one request.
func (a *httpAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	routeKey := r.Method + " " + r.URL.Path
	var claims map[string]any
	if !slices.Contains(a.public, routeKey) {
		var err error
		routeKey = "ANY /{proxy+}"
		if claims, err = a.authorizer.verify(r.Context(), r.Header.Get("Authorization")); err != nil {
			// The header's form is of AWS: "Troubleshooting issues with HTTP API
			// JWT authorizers".
			w.Header().Set("WWW-Authenticate", `Bearer scope="" error="invalid_token"`)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"message":"Unauthorized"}`)
			return
		}
	}
	a.passed.Add(1)
	if a.function == nil {
		return
	}
	event, err := proxyEvent(r, routeKey, claims)
	if err != nil {
		http.Error(w, `{"message":"Bad Request"}`, http.StatusBadRequest)
		return
	}
	out, err := a.function.Invoke(r.Context(), event)
	if err != nil || respond(w, out) != nil {
		http.Error(w, `{"message":"Internal Server Error"}`, http.StatusInternalServerError)
	}
}

// proxyEvent is the event of a proxy integration, payload format 2.0 (AWS: "Create
// AWS Lambda proxy integrations for HTTP APIs in API Gateway"). The path is decoded,
// as users report.
func proxyEvent(r *http.Request, routeKey string, claims map[string]any) ([]byte, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	headers := map[string]string{"host": r.Host}
	for name, values := range r.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	now := time.Now()
	about := map[string]any{
		"accountId": "219852565112", "apiId": "adm1n00000", "domainName": "adm1n00000.execute-api.us-east-1.amazonaws.com", "domainPrefix": "adm1n00000",
		"http":      map[string]any{"method": r.Method, "path": r.URL.Path, "protocol": r.Proto, "sourceIp": "192.0.2.7", "userAgent": r.UserAgent()},
		"requestId": fmt.Sprintf("r%d", now.UnixNano()), "routeKey": routeKey, "stage": "$default",
		"time": now.UTC().Format("02/Jan/2006:15:04:05 -0700"), "timeEpoch": now.UnixMilli(),
	}
	if claims != nil {
		texts := map[string]string{}
		for name, v := range claims {
			texts[name] = fmt.Sprint(v)
		}
		about["authorizer"] = map[string]any{"jwt": map[string]any{"claims": texts, "scopes": nil}}
	}
	return json.Marshal(map[string]any{
		"version": "2.0", "routeKey": routeKey, "rawPath": r.URL.Path, "rawQueryString": r.URL.RawQuery, "headers": headers,
		"requestContext": about, "pathParameters": map[string]string{"proxy": strings.TrimPrefix(r.URL.Path, "/")},
		"body": base64.StdEncoding.EncodeToString(body), "isBase64Encoded": true,
	})
}

// respond writes what a function has answered.
func respond(w http.ResponseWriter, out []byte) error {
	var a struct {
		StatusCode        int
		Headers           map[string]string
		MultiValueHeaders map[string][]string
		Body              string
		IsBase64Encoded   bool
	}
	if err := json.Unmarshal(out, &a); err != nil {
		return err
	}
	body := []byte(a.Body)
	if a.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(a.Body); err != nil {
			return err
		}
	}
	for name, v := range a.Headers {
		w.Header().Set(name, v)
	}
	for name, v := range a.MultiValueHeaders {
		w.Header()[http.CanonicalHeaderKey(name)] = v
	}
	w.WriteHeader(a.StatusCode)
	_, err := w.Write(body)
	return err
}
