package admin

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"go.uber.org/zap"

	"scopegate/internal/explain"
	"scopegate/internal/flush"
	"scopegate/internal/plan"
	"scopegate/store"
	"scopegate/token"
)

// MaxBody bounds a request's body, in bytes: Lambda takes 6 MB of a whole event
// (AWS: "Lambda quotas").
const MaxBody = 5 << 20

// Verifier judges tokens: [token.Verifier] made for ADMIN_AUDIENCES and
// ADMIN_TENANT_IDS, which are not those of the APIs' callers.
type Verifier interface {
	Verify(ctx context.Context, raw string) (token.Claims, error)
}

// Revocations tell whose tokens are refused, as store.RevocationCache does. Any
// error is an outage.
type Revocations interface {
	Revoked(ctx context.Context, principalID string, issuedAt time.Time) (bool, error)
}

// Config puts the API together. Now, Policy, Callers, Principal and
// RequestID may be left out.
type Config struct {
	Store    store.Store
	Verifier Verifier
	// Revocations hold for the API's own callers too: a stolen token must not take
	// its own revocation back. nil where nobody's token is verified.
	Revocations Revocations
	Scope       string // ADMIN_SCOPE: users need it, and Role or to be owners
	Role        string // ADMIN_ROLE: makes users and apps admins
	Log         *zap.Logger
	Flusher     flush.Flusher    // empties API Gateway's caches after a change; [flush.Off] does not
	Now         func() time.Time // nil means time.Now
	// Policy is how the authorizer makes policies, for plans and for what a write
	// waits for: its settings, without which their defaults are taken. Now and
	// Patience are the API's own.
	Policy plan.Options
	// PlanWithin bounds a plan; 0 means 20 s, which leaves API Gateway's 29 s (AWS:
	// "Amazon API Gateway quotas") to the answer.
	PlanWithin time.Duration
	// Callers verifies the tokens of the APIs' callers, for explain; nil where the
	// authorizer's settings are not known, and then no token is judged. Explain are
	// those of its settings that decide; Now is the API's own.
	Callers Verifier
	Explain explain.Settings
	// Principal names a caller for the audit trail; nil means Claims.PrincipalID,
	// and behind a slash the client app, where that is another. The command
	// line puts "direct:…" there when it works on a store itself.
	Principal func(token.Claims) string
	// RequestID is the id that what carries requests gave one, from its context;
	// nil, and "", mean that the API gives one. A header is never asked: anybody can
	// write into the audit trail with one.
	RequestID func(context.Context) string
}

// Names are exact everywhere. huma compares them without case unless told so,
// and only for the whole process.
func init() { huma.ValidateStrictCasing = true }

type service struct{ Config }

// New makes the API, safe for concurrent use. An empty scope or role is refused:
// it would let everybody in.
func New(c Config) (http.Handler, error) {
	if c.Store == nil || c.Verifier == nil || c.Log == nil {
		return nil, errors.New("make the admin API: needs a store, a verifier and a log")
	}
	if c.Scope == "" || c.Role == "" {
		return nil, errors.New("make the admin API: needs the scope and the role of admins")
	}
	if c.Flusher == nil {
		return nil, errors.New("make the admin API: needs a flusher, or the one that is off")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.PlanWithin = cmp.Or(c.PlanWithin, 20*time.Second)
	if c.Principal == nil {
		c.Principal = writerOf
	}
	if c.RequestID == nil {
		c.RequestID = func(context.Context) string { return "" }
	}
	s := &service{c}
	mux := http.NewServeMux()
	s.register(humago.New(mux, description()))
	return s.withRequestID(routed(mux)), nil
}

func description() huma.Config {
	d := huma.DefaultConfig("Scopegate admin API", "1")
	d.OpenAPIPath = "/v1/openapi"
	d.DocsPath, d.SchemasPath, d.CreateHooks = "", "", nil // no pages that load scripts from elsewhere
	d.RejectUnknownQueryParameters = true
	d.Formats = map[string]huma.Format{"application/json": exactJSON, "json": exactJSON}
	d.Components.Schemas = schemas()
	d.Info.Description = "Permission tables of Amazon API Gateway APIs: who may call which route."
	d.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "An Entra ID access token. Users need the admin scope and the admin role, apps the role. Where an operation is for owners, being one of those of the API stands in for the role."},
	}
	return d
}

func (s *service) register(api huma.API) {
	api.UseMiddleware(s.authenticate(api), s.readBody(api))
	huma.Register(api, huma.Operation{
		OperationID: "healthz", Method: http.MethodGet, Path: "/healthz", Summary: "Whether the process answers",
		Description:        "For everybody, without a token. Query parameters are passed over: probes of load balancers add their own.",
		SkipValidateParams: true,
	}, health)
	s.registerAPIs(api)
	s.registerPermissions(api)
	s.registerRoutes(api)
	s.registerAudit(api)
	s.registerRestore(api)
	s.registerDocument(api)
	s.registerRevocations(api)
	s.registerExplain(api)
}

type healthOutput struct {
	Body struct {
		Status string `json:"status" enum:"ok"`
	}
}

func health(context.Context, *struct{}) (*healthOutput, error) {
	out := &healthOutput{}
	out.Body.Status = "ok"
	return out, nil
}
