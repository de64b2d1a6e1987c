package wiring_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"scopegate/internal/config"
	"scopegate/internal/idp"
	"scopegate/internal/wiring"
)

// marker stands in everything that must not be repeated: in tokens and in what
// a provider says.
const marker = "MARKER"

// quiet is an authorizer with its whole log, and a provider that can lie.
type quiet struct {
	parts    *wiring.Parts
	provider *idp.Provider
	lie      string // answered in place of everything, if not empty
	ahead    time.Duration
	log      bytes.Buffer
}

func newQuiet(t *testing.T) *quiet {
	t.Helper()
	q := &quiet{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if q.lie != "" {
			_, _ = fmt.Fprint(w, q.lie)
			return
		}
		q.provider.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	var err error
	began := time.Now() // and there the clock stays, however slow the machine
	if q.provider, err = idp.New(idp.Options{BaseURL: server.URL, Now: func() time.Time { return began }}); err != nil {
		t.Fatal(err)
	}
	s := inBolt(t)
	load(t, s, `[`+document("dev", "GET", "a", "read")+`]`)
	settings, err := config.Load([]string{
		"ENTRA_TENANT_IDS=" + q.provider.TenantID(), "ENTRA_AUTHORITY=" + q.provider.Authority(), "ENTRA_STS=" + q.provider.STS(),
		"OIDC_AUDIENCES=" + q.provider.Audience(),
	}, config.Authorizer)
	if err != nil {
		t.Fatal(err)
	}
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(zapcore.AddSync(&q.log)), zapcore.DebugLevel)
	if q.parts, err = wiring.New(settings, s, zap.New(core), func() time.Time { return began.Add(q.ahead) }); err != nil {
		t.Fatal(err)
	}
	return q
}

// ask gives the answer and its error in one text.
func (q *quiet) ask(t *testing.T, raw string) string {
	t.Helper()
	event, err := json.Marshal(map[string]string{"type": "TOKEN", "methodArn": api + "/dev/GET/a", "authorizationToken": "Bearer " + raw})
	if err != nil {
		t.Fatal(err)
	}
	out, err := q.parts.Authorizer.Invoke(t.Context(), event)
	return fmt.Sprint(string(out), err)
}

// lines are the log's, as they were written.
func (q *quiet) lines(t *testing.T) []map[string]any {
	t.Helper()
	var list []map[string]any
	for line := range strings.Lines(q.log.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatal(err)
		}
		list = append(list, fields)
	}
	return list
}

// TestNothingOfTokensAndProvidersIsRepeated: neither in the log nor in the error
// that leaves the function, whatever is wrong with them.
func TestNothingOfTokensAndProvidersIsRepeated(t *testing.T) {
	q := newQuiet(t)
	mint := func(s idp.Spec) string {
		raw, err := q.provider.Mint(s)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	read := []string{"read", marker}
	var said []string
	for _, lie := range []string{
		"<html>" + marker, `{"issuer":"https://` + marker + `"}`, `{"` + marker + `"`,
		`{"issuer":"` + q.provider.Authority() + "/" + q.provider.TenantID() + `/v2.0","jwks_uri":"https://` + marker + `/"}`,
	} {
		fresh := newQuiet(t) // each lie meets a cold start
		fresh.lie = lie
		raw, err := fresh.provider.Mint(idp.Spec{Scopes: read})
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, fresh.ask(t, raw), fresh.log.String())
	}
	for _, raw := range []string{
		marker, marker + "." + marker + "." + marker,
		mint(idp.Spec{Scopes: read, Header: map[string]any{"kid": marker}}),
		mint(idp.Spec{Scopes: read, Header: map[string]any{"x5t": marker}, Forged: true}),
		mint(idp.Spec{Scopes: read, Issuer: "https://" + marker}),
		mint(idp.Spec{Scopes: read, Audience: marker}),
		mint(idp.Spec{Scopes: read, TenantID: marker}),
		mint(idp.Spec{Scopes: read, Extra: map[string]any{"oid": marker}}),
		mint(idp.Spec{Scopes: read, Extra: map[string]any{"nonce": marker}}),
		mint(idp.Spec{Scopes: []string{marker}, Roles: []string{marker}, Groups: []string{marker}, Extra: map[string]any{"email": marker, "name": marker}}),
	} {
		answer := q.ask(t, raw)
		if raw != "" && strings.Contains(answer, raw) {
			t.Errorf("the answer repeats a token: %s", answer)
		}
		if strings.Contains(q.log.String(), raw) && raw != marker {
			t.Error("the log repeats a token")
		}
	}
	said = append(said, q.log.String())
	for _, text := range said {
		if strings.Contains(strings.ToUpper(text), marker) {
			t.Errorf("repeated: %s", text)
		}
	}
	if len(q.lines(t)) < 10 {
		t.Errorf("the log has %d lines only", len(q.lines(t)))
	}
}

// TestRefusalsAndKeysAreMeasured: in CloudWatch's embedded form, with the reason
// as a dimension, which has few values.
func TestRefusalsAndKeysAreMeasured(t *testing.T) {
	q := newQuiet(t)
	good, err := q.provider.Mint(idp.Spec{Scopes: []string{"read"}})
	if err != nil {
		t.Fatal(err)
	}
	if answer := q.ask(t, good); !strings.Contains(answer, "Allow") {
		t.Fatalf("the control: %s", answer)
	}
	q.ask(t, "no-token")
	type embedded struct {
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct{ Name, Unit string }
		}
	}
	measured := map[string]string{}
	for _, line := range q.lines(t) {
		text, err := json.Marshal(line["_aws"])
		if err != nil {
			t.Fatal(err)
		}
		var aws embedded
		if err := json.Unmarshal(text, &aws); err != nil {
			t.Fatal(err)
		}
		for _, directive := range aws.CloudWatchMetrics {
			for _, m := range directive.Metrics {
				if line[m.Name] == nil || directive.Namespace != "Scopegate" || len(directive.Dimensions[0]) != 0 {
					t.Errorf("%s is named and not there: %v", m.Name, line)
				}
				measured[m.Name] = fmt.Sprintf("%v %s %v %v", line[m.Name], m.Unit, line["reason"], directive.Dimensions)
			}
		}
	}
	if got := measured["TokenRefused"]; got != "1 Count not_compact [[] [reason]]" {
		t.Errorf("the refusal is measured as %q", got)
	}
	if got := measured["KeyAge"]; got != "0 Seconds <nil> [[]]" {
		t.Errorf("the keys are measured as %q", got)
	}
}

// TestAFailedRefreshIsSeenBeforeItHurts: keys that age are a warning with their
// age, keys that are gone an error, and then each request that fails counts.
func TestAFailedRefreshIsSeenBeforeItHurts(t *testing.T) {
	q := newQuiet(t)
	raw, err := q.provider.Mint(idp.Spec{Scopes: []string{"read"}, Life: 28 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	q.ask(t, raw)
	q.provider.Fail(idp.Down)
	for _, step := range []struct {
		ahead  time.Duration
		level  string
		age    any
		keys   float64
		failed any
	}{{2 * time.Hour, "warn", 7200.0, 1, nil}, {23 * time.Hour, "error", nil, 0, 1.0}} {
		q.ahead += step.ahead
		q.log.Reset()
		q.ask(t, raw)
		lines := q.lines(t)
		refresh, decision := lines[0], lines[len(lines)-1]
		if refresh["KeyRefreshFailed"] != 1.0 || refresh["level"] != step.level || refresh["KeyAge"] != step.age || refresh["keys"] != step.keys || refresh["issuer"] == "" {
			t.Errorf("%v on: %v", q.ahead, refresh)
		}
		if decision["msg"] != "decision" || decision["Failed"] != step.failed {
			t.Errorf("%v on: %v", q.ahead, decision)
		}
	}
}

// TestAColdStartWithoutKeysIsAnErrorForEachIssuer.
func TestAColdStartWithoutKeysIsAnErrorForEachIssuer(t *testing.T) {
	q := newQuiet(t)
	q.provider.Fail(idp.Down)
	q.parts.Prefetch(t.Context())
	failed := 0
	for _, line := range q.lines(t) {
		if line["KeyRefreshFailed"] == 1.0 && line["level"] == "error" && line["KeyAge"] == nil {
			failed++
		}
	}
	if failed != 2 { // v1 and v2
		t.Errorf("%d failed refreshes in %s", failed, q.log.String())
	}
}
