package seeds_test

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"

	"scopegate/internal/idp"
	"scopegate/internal/lambdaruntime"
)

const adminAudience = "api://scopegate-admin"

// plane is API Gateway's control plane and the queue of second flushes: a flush
// empties the cache of the stand-in that serves the API.
type plane struct {
	mu        sync.Mutex
	fronts    map[string]*front // by API id
	deaf      bool              // says that it flushes, and does not
	scheduled int
}

func newPlane() *plane { return &plane{fronts: map[string]*front{}} }

func (p *plane) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("DELETE /restapis/{id}/stages/{stage}/cache/authorizers", func(w http.ResponseWriter, _ *http.Request) {
		notFound(w) // the APIs here are HTTP APIs
	})
	mux.HandleFunc("DELETE /v2/apis/{id}/stages/{stage}/cache/authorizers", p.reset)
	mux.HandleFunc("POST /", p.schedule)
	return mux
}

func notFound(w http.ResponseWriter) {
	w.Header().Set("X-Amzn-Errortype", "NotFoundException")
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, `{"message":"Invalid API identifier specified"}`)
}

// reset is ResetAuthorizersCache.
func (p *plane) reset(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	f, deaf := p.fronts[r.PathValue("id")], p.deaf
	p.mu.Unlock()
	if f == nil || !deaf && f.gateway.Flush(r.PathValue("stage")) != nil {
		notFound(w)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// schedule is SQS's SendMessage. What was scheduled is due after the test.
func (p *plane) schedule(w http.ResponseWriter, r *http.Request) {
	var m struct{ MessageBody string }
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil || r.Header.Get("X-Amz-Target") != "AmazonSQS.SendMessage" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	p.scheduled++
	p.mu.Unlock()
	sum := md5.Sum([]byte(m.MessageBody))
	_, _ = fmt.Fprintf(w, `{"MessageId":"m","MD5OfMessageBody":%q}`, hex.EncodeToString(sum[:]))
}

func (p *plane) serves(id string, f *front) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fronts[id] = f
}

func (p *plane) setDeaf(deaf bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = deaf
}

func (p *plane) secondFlushes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.scheduled
}

// admin runs the admin function behind an HTTP API with a JWT authorizer for the
// tenant's v2 issuer and the admin audience, as it is deployed.
func (w *world) admin(p *plane) *httpAPI {
	w.t.Helper()
	aws := httptest.NewServer(p.handler())
	w.t.Cleanup(aws.Close)
	function := w.start(admin, lambdaruntime.Options{FunctionARN: "arn:aws:lambda:us-east-1:219852565112:function:scopegate-admin"},
		"AWS_ENDPOINT_URL_API_GATEWAY="+aws.URL, "AWS_ENDPOINT_URL_APIGATEWAYV2="+aws.URL, "FLUSH_QUEUE_URL="+aws.URL+"/219852565112/scopegate-flush",
		"ADMIN_TENANT_IDS="+w.provider.TenantID(), "ADMIN_AUDIENCES="+adminAudience,
		"ENTRA_TENANT_IDS="+w.provider.TenantID(), "OIDC_AUDIENCES="+w.provider.Audience(), "CACHE_TTL=0s")
	return w.serveHTTPAPI(&httpAPI{
		authorizer: jwtAuthorizer{issuer: w.provider.Authority() + "/" + w.provider.TenantID() + "/v2.0", audiences: []string{adminAudience}},
		public:     []string{"GET /healthz", "GET /v1/openapi.json"},
		function:   function,
	})
}

// adminToken is that of a user who may change tables.
func adminToken() idp.Spec {
	return idp.Spec{Audience: adminAudience, Scopes: []string{"Mappings.ReadWrite"}, Roles: []string{"Mappings.Admin"}, ObjectID: "aaaaaaaa-0000-4000-8000-0000000000ad"}
}

// through runs the command on the admin API.
func (w *world) through(a *httpAPI, stdin string, args ...string) string {
	w.t.Helper()
	raw, err := w.provider.Mint(adminToken())
	w.must(err)
	return w.scopegate([]string{"SCOPEGATE_ADMIN=" + a.url, "SCOPEGATE_TOKEN=" + raw}, stdin, args...)
}
