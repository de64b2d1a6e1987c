package idp

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const maxForm = 64 << 10

// template is what Entra's tenant-independent endpoints give instead of a tenant.
const template = "{tenantid}"

func (p *Provider) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{tid}/v2.0/.well-known/openid-configuration", p.discovery(p.documentV2))
	mux.HandleFunc("GET /{tid}/.well-known/openid-configuration", p.discovery(p.documentV1))
	mux.HandleFunc("GET /{tid}/discovery/v2.0/keys", p.keySet(true))
	mux.HandleFunc("GET /{tid}/discovery/keys", p.keySet(false))
	mux.HandleFunc("POST /{tid}/oauth2/v2.0/token", p.token("2.0"))
	mux.HandleFunc("POST /{tid}/oauth2/token", p.token("1.0"))
	return mux
}

// ServeHTTP answers Entra's discovery, key and token endpoints of the tenant;
// the first two misbehave as Fail says.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// issuerTenant is the tenant that documents under the path's {tid} speak of:
// itself, or the template under "common" and "organizations".
func (p *Provider) issuerTenant(r *http.Request) (string, bool) {
	switch tid := r.PathValue("tid"); tid {
	case p.tenant:
		return tid, true
	case "common", "organizations":
		return template, true
	default:
		return "", false
	}
}

func (p *Provider) discovery(document func(path, tid string) map[string]any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p.discoveries.Add(1)
		tid, ok := p.issuerTenant(r)
		if !ok {
			writeError(w, "invalid_tenant", "AADSTS90002: this tenant is not here")
			return
		}
		fault := p.current()
		if fault.serve(w, r) {
			return
		}
		doc := document(p.Authority()+"/"+r.PathValue("tid"), tid)
		if fault == WrongIssuer {
			doc["issuer"] = "https://issuer.invalid/"
		}
		writeJSON(w, http.StatusOK, doc)
	}
}

func (p *Provider) documentV2(at, tid string) map[string]any {
	return document(map[string]any{
		"issuer":                 p.Authority() + "/" + tid + "/v2.0",
		"jwks_uri":               at + "/discovery/v2.0/keys",
		"token_endpoint":         at + "/oauth2/v2.0/token",
		"authorization_endpoint": at + "/oauth2/v2.0/authorize",
		"scopes_supported":       []string{"openid", "profile", "email", "offline_access"},
	})
}

func (p *Provider) documentV1(at, tid string) map[string]any {
	return document(map[string]any{
		"issuer":                 p.STS() + "/" + tid + "/",
		"jwks_uri":               at + "/discovery/keys",
		"token_endpoint":         at + "/oauth2/token",
		"authorization_endpoint": at + "/oauth2/authorize",
		"scopes_supported":       []string{"openid"},
	})
}

func document(d map[string]any) map[string]any {
	d["subject_types_supported"] = []string{"pairwise"}
	d["id_token_signing_alg_values_supported"] = []string{"RS256"}
	d["response_types_supported"] = []string{"code", "id_token", "code id_token", "id_token token"}
	d["token_endpoint_auth_methods_supported"] = []string{"client_secret_post", "private_key_jwt", "client_secret_basic"}
	d["claims_supported"] = []string{"sub", "iss", "aud", "exp", "iat", "tid", "ver", "oid"}
	return d
}

// keySet publishes the keys. As with Entra only the v2 endpoint attaches the
// issuer that a key may sign for.
func (p *Provider) keySet(v2 bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p.keyFetches.Add(1)
		tid, ok := p.issuerTenant(r)
		if !ok {
			writeError(w, "invalid_tenant", "AADSTS90002: this tenant is not here")
			return
		}
		fault := p.current()
		if fault.serve(w, r) || fault.serveKeys(w) {
			return
		}
		keys := []any{}
		if fault == MalformedKey {
			keys = append(keys, malformedKey)
		}
		for _, k := range p.published() {
			jwk := k.jwk()
			if v2 {
				jwk["issuer"] = p.Authority() + "/" + tid + "/v2.0"
			}
			keys = append(keys, jwk)
		}
		writeJSON(w, http.StatusOK, map[string]any{"keys": keys})
	}
}

func (k signingKey) jwk() map[string]any {
	enc := base64.RawURLEncoding
	public := k.private.PublicKey
	return map[string]any{
		"kty": "RSA", "use": "sig", "kid": k.kid, "x5t": k.kid,
		"n": enc.EncodeToString(public.N.Bytes()),
		"e": enc.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
	}
}

// token answers the client credentials request of Entra. Beside its fields the
// form may carry those of formSpec; any client and any secret will do.
func (p *Provider) token(version string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			writeError(w, "invalid_request", "the form cannot be read")
			return
		}
		if r.PathValue("tid") != p.tenant {
			writeError(w, "invalid_request", "AADSTS90002: this tenant is not here")
			return
		}
		spec, err := formSpec(r.PostForm, version)
		if err != nil {
			writeError(w, "invalid_request", err.Error())
			return
		}
		raw, err := p.Mint(spec)
		if err != nil {
			writeError(w, "invalid_request", err.Error())
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		writeJSON(w, http.StatusOK, map[string]any{
			"token_type": "Bearer", "expires_in": int(spec.Life.Seconds()), "access_token": raw})
	}
}

// formSpec reads a Spec from: client_id, scope ("{audience}/.default") or
// resource (v1) as with Entra; scopes, roles, groups (separated by spaces or
// commas), app, version, expired, forged, overage, oid, sub, tid, audience, life,
// claims (a JSON object: claims set over the others, null removes one).
// Without scopes the token is app-only, as client credentials are.
func formSpec(form url.Values, version string) (Spec, error) {
	if g := form.Get("grant_type"); g != "" && g != "client_credentials" {
		return Spec{}, errors.New("grant_type: only client_credentials is known here")
	}
	f := formReader{form: form}
	s := Spec{
		Version: versionOf(orElse(f.text("version"), version)),
		Scopes:  f.list("scopes"), Roles: f.list("roles"), Groups: f.list("groups"),
		Expired: f.flag("expired"), Forged: f.flag("forged"), GroupsOverage: f.flag("overage"),
		ObjectID: f.text("oid"), Subject: f.text("sub"), AppID: f.text("client_id"), TenantID: f.text("tid"),
		Life: f.duration("life", defaultLife), Extra: f.object("claims"),
	}
	s.App = len(s.Scopes) == 0
	if form.Has("app") {
		s.App = f.flag("app")
	}
	s.Audience = orElse(f.text("audience"), orElse(f.text("resource"), strings.TrimSuffix(f.text("scope"), "/.default")))
	return s, f.err
}

func versionOf(s string) string {
	switch s {
	case "1", "v1":
		return "1.0"
	case "2", "v2":
		return "2.0"
	}
	return s
}

// formReader keeps the first fault, so that formSpec reads as a list.
type formReader struct {
	form url.Values
	err  error
}

func (f *formReader) text(name string) string { return f.form.Get(name) }

func (f *formReader) list(name string) []string {
	return strings.FieldsFunc(f.form.Get(name), func(r rune) bool { return r == ' ' || r == ',' })
}

func (f *formReader) flag(name string) bool {
	v := f.form.Get(name)
	if v == "" {
		return false
	}
	b, err := strconv.ParseBool(v)
	if err != nil && f.err == nil {
		f.err = fmt.Errorf("%s: %q is neither true nor false", name, v)
	}
	return b
}

func (f *formReader) duration(name string, otherwise time.Duration) time.Duration {
	v := f.form.Get(name)
	if v == "" {
		return otherwise
	}
	d, err := time.ParseDuration(v)
	if (err != nil || d <= 0) && f.err == nil {
		f.err = fmt.Errorf("%s: %q is no positive duration such as 30m", name, v)
	}
	return d
}

func (f *formReader) object(name string) map[string]any {
	v := f.form.Get(name)
	if v == "" {
		return nil
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(v), &m); err != nil && f.err == nil {
		f.err = fmt.Errorf("%s: must be a JSON object", name)
	}
	return m
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone: nobody left to tell
}

func writeError(w http.ResponseWriter, code, description string) {
	writeJSON(w, http.StatusBadRequest, map[string]any{"error": code, "error_description": description})
}
