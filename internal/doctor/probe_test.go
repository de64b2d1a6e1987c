package doctor_test

import (
	"context"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"scopegate/internal/doctor"
)

// TestAnAPIThatBehavesAsExpectedHasNothingToTell.
func TestAnAPIThatBehavesAsExpectedHasNothingToTell(t *testing.T) {
	for name, o := range map[string]*other{"rest": {}, "http": {isHTTP: true, stage: "$default"}} {
		for _, r := range asked(t, o) {
			if r.Status != doctor.OK || r.Consequence != "" || r.Expected == "" || r.Seen == "" || r.About == "" {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
}

// TestAnAPIThatBehavesDifferentlyIsFound: the row says so, what follows, and the
// setting to change; and the rows of other questions are as they were.
func TestAnAPIThatBehavesDifferentlyIsFound(t *testing.T) {
	const uncached = "cache errors-cached 401-cached deny-cached date-allow date-deny" // where nothing is kept, none of these can be told
	decoded := func(raw string) string { p, _ := url.PathUnescape(raw); return p }
	for name, c := range map[string]struct {
		api    *other
		check  string
		status doctor.Status
		change string // part of it
		also   string // checks that cannot but tell of it too
	}{
		"no cache":               {&other{noCache: true}, "cache", doctor.Note, "authorizerResultTtlInSeconds", uncached},
		"no cache, dates":        {&other{noCache: true}, "date-allow", doctor.Failed, "", uncached},
		"no cache, errors":       {&other{noCache: true}, "errors-cached", doctor.Failed, "", uncached},
		"no cache, 401s":         {&other{noCache: true}, "401-cached", doctor.Failed, "", uncached},
		"no cache, denials":      {&other{noCache: true}, "deny-cached", doctor.Failed, "", uncached},
		"errors are kept":        {&other{keepsErrors: true}, "errors-cached", doctor.Finding, "authorizerResultTtlInSeconds", ""},
		"401s are kept":          {&other{keeps401: true}, "401-cached", doctor.Finding, "authorizerResultTtlInSeconds", ""},
		"denials are not kept":   {&other{dropsDenies: true}, "deny-cached", doctor.Note, "none", ""},
		"judged once, Allow":     {&other{frozen: true}, "date-allow", doctor.Finding, "authorizerResultTtlInSeconds", "date-deny"},
		"judged once, Deny":      {&other{frozen: true}, "date-deny", doctor.Finding, "authorizerResultTtlInSeconds", "date-allow"},
		"dates never hold":       {&other{noDates: true}, "date-allow", doctor.Finding, "POLICY_EXPIRY=off", ""},
		"dates hold at once":     {&other{datesAtOnce: true}, "date-deny", doctor.Finding, "POLICY_EXPIRY=off", ""},
		"Allow wins":             {&other{allowFirst: true}, "deny-wins", doctor.Finding, "POLICY_SCOPE=route", "date-deny star not-resource"},
		"open where none names":  {&other{openEnd: true}, "no-match", doctor.Finding, "POLICY_EXPLICIT_DENY=on", "date-allow case question-mark"},
		"* stops at /":           {&other{starStops: true}, "star", doctor.Finding, "do not attach", ""},
		"? stops at /":           {&other{questionStops: true}, "question-mark", doctor.Finding, "do not attach", ""},
		"methods of any case":    {&other{foldsMethods: true}, "case", doctor.Finding, "differ by case", ""},
		"case does not count":    {&other{foldsCase: true}, "case", doctor.Finding, "differ by case", "not-resource"},
		"NotResource is ignored": {&other{noNotResource: true}, "not-resource", doctor.Note, "POLICY_EXPLICIT_DENY=off", ""},
		"slashes are trimmed": {&other{arnOf: func(raw string) string {
			if len(raw) > 1 {
				raw = strings.TrimSuffix(raw, "/")
			}
			return raw
		}}, "trailing-slash", doctor.Note, "none", ""},
		"REST decodes":           {&other{arnOf: decoded}, "encoded-slash", doctor.Finding, "REQUEST", "encoded-letter encoded-twice"},
		"HTTP does not, slash":   {&other{isHTTP: true, stage: "$default", arnOf: func(raw string) string { return raw }}, "encoded-slash", doctor.Note, "none: Scopegate", "encoded-letter encoded-twice"},
		"HTTP does not":          {&other{isHTTP: true, stage: "$default", arnOf: func(raw string) string { return raw }}, "encoded-letter", doctor.Note, "none", "encoded-slash encoded-twice"},
		"routed otherwise, REST": {&other{routeOf: "/route/{id}/notes"}, "encoded-slash-route", doctor.Finding, "authorizerResultTtlInSeconds=0", ""},
		"routed otherwise, HTTP": {&other{isHTTP: true, stage: "$default", routeOf: "/route/{id}"}, "encoded-slash-route", doctor.Finding, "authorizerResultTtlInSeconds=0", ""},
		"an older probe":         {&other{routeOf: "/{proxy+}"}, "encoded-slash-route", doctor.Failed, "", ""},
		"no such request":        {&other{refuses: func(p string) int { return map[bool]int{true: 404}[strings.HasPrefix(p, "/route")] }}, "encoded-slash-route", doctor.Note, "none", ""},
		"decoded twice":          {&other{arnOf: func(raw string) string { return strings.ReplaceAll(raw, "%25", "%") }}, "encoded-twice", doctor.Note, "none", ""},
		"slashes are merged":     {&other{arnOf: func(raw string) string { return strings.ReplaceAll(raw, "//", "/") }}, "double-slash", doctor.Note, "none", ""},
		"dots are resolved":      {&other{arnOf: resolveDots}, "dot-segments", doctor.Note, "none", ""},
		"dots are refused":       {&other{refuses: func(p string) int { return map[bool]int{true: 400}[strings.Contains(p, "..")] }}, "dot-segments", doctor.Note, "none", ""},
		"* is escaped":           {&other{arnOf: func(raw string) string { return strings.ReplaceAll(raw, "*", "%2A") }}, "star-in-path", doctor.Note, "none", ""},
		"the root has no slash":  {&other{arnOf: func(raw string) string { return map[bool]string{true: "", false: raw}[raw == "/"] }}, "root", doctor.Finding, "no route at the root", ""},
		"the root is refused":    {&other{refuses: func(p string) int { return map[bool]int{true: 403}[p == "/"] }}, "root", doctor.Finding, "no route at the root", ""},
		"another default stage":  {&other{isHTTP: true, stage: "default"}, "default-stage", doctor.Finding, "register the API's table for the stage that is seen", ""},
		"401 becomes 500":        {&other{on401: 500}, "401", doctor.Finding, "INVALID_TOKEN=deny", ""},
		"500 becomes 403":        {&other{onError: 403}, "500", doctor.Finding, "AUTHORIZER_FAILURE", ""},
		"500 becomes 502":        {&other{onError: 502}, "500", doctor.Note, "none", "answer-size"},
		"another body":           {&other{body: `{"message":"Forbidden"}`}, "403-body", doctor.Note, "none", ""},
		"less fits":              {&other{limit: 6200}, "answer-size", doctor.Finding, "POLICY_MAX_BYTES=6144", ""},
		"more fits":              {&other{limit: 13000}, "answer-size", doctor.Note, "POLICY_MAX_BYTES=12288", ""},
		"too large is a denial":  {&other{limit: 8191, onError: 403}, "answer-size", doctor.Finding, "POLICY_MAX_BYTES=7168", "500"},
		"hardly anything fits":   {&other{limit: 1500}, "answer-size", doctor.Failed, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			rows := asked(t, c.api)
			r := rows[c.check]
			if r.Status != c.status || !strings.Contains(r.Change, c.change) || (c.status != doctor.Failed) != (r.Consequence != "") || r.Seen == "" {
				t.Errorf("%+v", r)
			}
			for _, r := range rows {
				if r.Status != doctor.OK && r.Check != c.check && !strings.Contains(" "+c.also+" ", " "+r.Check+" ") {
					t.Errorf("%+v", r)
				}
			}
		})
	}
}

func resolveDots(raw string) string {
	if strings.Contains(raw, "..") {
		return path.Clean(raw)
	}
	return raw
}

// TestNothingIsSaidOfAnAPIThatIsAway: whichever request it is that the API does not
// answer, its row says so, and no other is another than it was.
func TestNothingIsSaidOfAnAPIThatIsAway(t *testing.T) {
	all := &other{}
	asked(t, all)
	for n := 2; n <= all.asked; n++ { // the first one finds out whether it is the probe
		o := &other{away: func(i int) bool { return i == n }}
		for check, r := range asked(t, o) {
			if r.Status != doctor.OK && r.Status != doctor.Failed && check != "500" {
				t.Errorf("request %d: %+v", n, r)
			}
		}
	}
	for n := range all.asked { // for good from then on: what is ok was asked before
		o := &other{away: func(i int) bool { return i > n }}
		fine := 0
		for _, r := range asked(t, o) {
			if r.Status == doctor.OK {
				fine++
			}
		}
		if fine > n {
			t.Errorf("%d requests were answered, and %d rows are ok", n, fine)
		}
	}
}

// TestWhatIsNotTheProbeIsNotAsked: one row says so.
func TestWhatIsNotTheProbeIsNotAsked(t *testing.T) {
	for name, o := range map[string]*other{
		"another service": {broken: true}, "a REST API for HTTP": {isHTTP: true, stage: "$default", mistaken: true}, "an HTTP API for REST": {mistaken: true}, "no authorizer": {refuses: func(string) int { return 404 }},
		"throttled": {refuses: func(string) int { return 429 }}, "redirected": {refuses: func(string) int { return 302 }},
	} {
		rows := asked(t, o)
		if r := rows["probe"]; len(rows) != 1 || r.Status != doctor.Failed {
			t.Errorf("%s: %+v", name, rows)
		}
	}
}

func TestAnAPIThatCannotBeReachedIsAFailure(t *testing.T) {
	rows, err := doctor.Probe(t.Context(), doctor.Target{Part: "API", URL: "http://127.0.0.1:1/probe"})
	if err != nil || len(rows) != 1 || rows[0].Status != doctor.Failed || strings.Contains(rows[0].Seen, "http://") {
		t.Errorf("%+v, %v", rows, err)
	}
}

func TestOnlyURLsOfAPIsAreAsked(t *testing.T) {
	for _, u := range []string{"", "abc", "ftp://x/y", "https://", "https://a:b@x/y", "https://x/y?z", "https://x/y#z", ":"} {
		if _, err := doctor.Probe(t.Context(), doctor.Target{Part: "API", URL: u}); err == nil || !strings.Contains(err.Error(), "must be that of an API with its stage") {
			t.Errorf("%q: %v", u, err)
		}
	}
}

// TestACancelledProbeSaysSo: no question that waits is answered as if it had.
func TestACancelledProbeSaysSo(t *testing.T) {
	o := &other{cache: map[string]kept{}, now: time.Now(), stage: "probe"}
	ctx, cancel := context.WithCancel(t.Context())
	client := &http.Client{Transport: roundTripper(o.ServeHTTP)}
	rows, err := doctor.Probe(ctx, doctor.Target{Part: "API", URL: "http://api.example/probe", Client: client, Now: o.Now,
		Wait: func(ctx context.Context, _ time.Duration) error { cancel(); return ctx.Err() }})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		waits := strings.HasPrefix(r.Check, "date-") || strings.HasSuffix(r.Check, "-cached")
		if waits != (r.Status == doctor.Failed) {
			t.Errorf("%+v", r)
		}
	}
}
