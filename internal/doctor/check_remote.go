package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"scopegate/internal/config"
	"scopegate/internal/flush"
)

// adminTimeout bounds one request of the admin API.
const adminTimeout = 35 * time.Second

// Admin asks the admin API whether it is there, and whether it is closed to whoever
// has no token.
func Admin(ctx context.Context, client *http.Client, address string) []Row {
	return []Row{
		expectStatus(ctx, client, PartAdmin, "healthz", strings.TrimSuffix(address, "/")+"/healthz", http.StatusOK,
			"tables cannot be edited", "the admin function's log says why it does not start; the route GET /healthz"),
		expectStatus(ctx, client, PartAdmin, "closed", strings.TrimSuffix(address, "/")+"/v1/apis", http.StatusUnauthorized,
			"the answer to a request without a token is not the admin API's or API Gateway's 401: see who answers there", "the URL, and the authorizer of ANY /{proxy+}"),
	}
}

// Gateway asks an API that Scopegate guards, without a token.
func Gateway(ctx context.Context, client *http.Client, name, address string) Row {
	return expectStatus(ctx, client, PartGateways, name+" is closed", address, http.StatusUnauthorized,
		"a request without a token is not refused", "the API's authorizer, on every route")
}

func expectStatus(ctx context.Context, client *http.Client, part, check, address string, want int, consequence, change string) Row {
	expected := fmt.Sprintf("GET %s without a token is answered with %d", address, want)
	status, err := statusOf(ctx, client, address)
	switch {
	case err != nil:
		return failed(err).row(part, check, expected)
	case status == want:
		return fine(fmt.Sprint(status)).row(part, check, expected)
	}
	return found(fmt.Sprint(status), consequence, change).row(part, check, expected)
}

func statusOf(ctx context.Context, client *http.Client, address string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	own := *orDefault(client)
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := own.Do(request)
	if err != nil {
		return 0, fmt.Errorf("no answer: %w", withoutURL(err))
	}
	response.Body.Close()
	return response.StatusCode, nil
}

// FlushPermission says what came of a flush of an API that does not exist: who may
// flush is told that there is none, everybody else that he may not (AWS checks
// permissions first; inferred, so that nothing rests on this row alone). asAdmin
// says that the credentials are those of the admin function's role; others' say
// nothing of it.
func FlushPermission(err error, asAdmin bool) Row {
	const actions = "apigateway:DELETE on …::/restapis/*/stages/*/cache/authorizers and …::/apis/*/stages/*/cache/authorizers, apigateway:GET on …::/apis/*"
	v := failed(err)
	switch {
	case errors.Is(err, flush.ErrElsewhere) && asAdmin:
		v = fine("there is no such API, so it may")
	case errors.Is(err, flush.ErrElsewhere):
		v = noted("there is no such API, so these credentials may", "nothing is known of the admin function's role",
			"none: run doctor with the credentials of that role to ask for it; a flush that fails shows as FlushFailed")
	case errors.Is(err, flush.ErrForbidden) && asAdmin:
		v = found("API Gateway refuses", "changes count only after "+ttlSetting+", and FlushFailed rings", actions+" for the admin function's role")
	case errors.Is(err, flush.ErrForbidden):
		v = noted("API Gateway refuses these credentials", "nothing is known of the admin function's role",
			"run doctor with the credentials of the admin function's role; it needs "+actions)
	}
	return v.row(PartFlush, "permission", "API Gateway takes a flush (of an API that does not exist) with these credentials")
}

// FunctionFacts is how a Lambda function is set up.
type FunctionFacts struct {
	Name          string
	State, Update string // State and LastUpdateStatus of Lambda
	Runtime, Arch string
	Timeout       time.Duration
	Role          string // ARN
	Environment   map[string]string
}

// environ is the environment as os.Environ gives it, without the names of files
// that are in the function's package.
func (f FunctionFacts) environ() []string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(f.Environment)) {
		if name != "OIDC_JWKS_FILE" {
			lines = append(lines, name+"="+f.Environment[name])
		}
	}
	return lines
}

// Limits of the functions' time, see serverless.yml.
const (
	maxAuthorizer = 10 * time.Second // of an HTTP API's authorizer (AWS: "Amazon API Gateway quotas")
	minAdmin      = 20 * time.Second // flushes settle within it, see package flush
)

// Functions judges both functions and whether their settings agree. ok is false
// where the authorizer's settings cannot be read.
func Functions(authorizer, admin FunctionFacts) (s config.Settings, ok bool, rows []Row) {
	s, ok, rows = Settings("settings of "+authorizer.Name, authorizer.environ(), config.Authorizer)
	of, adminOK, more := Settings("settings of "+admin.Name, admin.environ(), config.AdminAPI)
	rows = append(rows, more...)
	rows = append(rows, state(authorizer), state(admin),
		judge(authorizer.Timeout > 0 && authorizer.Timeout <= maxAuthorizer, authorizer.Timeout.String(), authorizer.Timeout.String(),
			"API Gateway gives up before the function does", "timeout of the authorizer: 10").row(PartFunctions, "authorizer's time-out", "at most 10s"),
		judge(admin.Timeout >= minAdmin, admin.Timeout.String(), admin.Timeout.String(),
			"a change or a flush is cut short", "timeout of the admin function: 29").row(PartFunctions, "admin's time-out", "at least 20s"))
	if ok && adminOK {
		rows = append(rows, agree(s, of)...)
	}
	return s, ok, rows
}

func state(f FunctionFacts) Row {
	seen := fmt.Sprintf("%s, last update %s, %s on %s", f.State, f.Update, f.Runtime, f.Arch)
	// Inactive is a function that nobody called for long; it wakes up.
	ready := (f.State == "Active" || f.State == "Inactive") && (f.Update == "Successful" || f.Update == "")
	return judge(ready, seen, seen, "calls fail, or are answered by the version before", "deploy again").row(PartFunctions, f.Name, "active and updated")
}

// agree compares the settings that both functions have.
func agree(authorizer, admin config.Settings) []Row {
	var rows []Row
	same := func(name string, a, b any, consequence string) {
		left, right := fmt.Sprint(a), fmt.Sprint(b)
		v := judge(left == right, cmp.Or(left, "none"), fmt.Sprintf("authorizer %s, admin %s", cmp.Or(left, "none"), cmp.Or(right, "none")), consequence, name+" of both functions")
		rows = append(rows, v.row(PartFunctions, name+" agrees", "the same for both functions"))
	}
	same("TABLE_NAME", authorizer.TableName, admin.TableName, "changes are made in a table that nobody reads")
	same("CACHE_TTL", authorizer.CacheTTL, admin.CacheTTL, "effectiveBy, which a change promises, is wrong")
	const plans = "plans, lint and explain say something else than the authorizer does"
	same("POLICY_MAX_BYTES", authorizer.PolicyMaxBytes, admin.PolicyMaxBytes, plans)
	same("POLICY_EXPIRY", onOff(authorizer.PolicyExpiry), onOff(admin.PolicyExpiry), plans)
	same("POLICY_SCOPE", routeOr(authorizer.RouteScope), routeOr(admin.RouteScope), plans)
	same("POLICY_EXPLICIT_DENY", onOff(authorizer.ExplicitDeny), onOff(admin.ExplicitDeny), plans)
	if admin.JudgesCallers() {
		const judged = "explain judges other tokens than the authorizer takes"
		same("ENTRA_TENANT_IDS", strings.Join(authorizer.TenantIDs, " "), strings.Join(admin.TenantIDs, " "), judged)
		same("ENTRA_AUTHORITY", authorizer.Authority, admin.Authority, judged)
		same("ENTRA_STS", authorizer.STS, admin.STS, judged)
		same("OIDC_ISSUERS", issuersOf(authorizer), issuersOf(admin), judged)
		same("OIDC_AUDIENCES", audiencesOf(authorizer), audiencesOf(admin), judged)
		same("CLOCK_SKEW", authorizer.ClockSkew, admin.ClockSkew, judged)
	}
	return rows
}

// issuersOf and audiencesOf write settings as they were given; the first issuer is
// the one that is trusted where a table does not say, of audiences none comes first.
func issuersOf(s config.Settings) string {
	var all []string
	for _, i := range s.Issuers {
		all = append(all, i.Issuer)
	}
	return strings.Join(all, " ")
}

func audiencesOf(s config.Settings) string {
	all := slices.Clone(s.Audiences)
	for _, i := range s.Issuers {
		for _, a := range i.Audiences {
			all = append(all, i.Issuer+"="+a)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func routeOr(route bool) string {
	if route {
		return "route"
	}
	return "caller"
}
