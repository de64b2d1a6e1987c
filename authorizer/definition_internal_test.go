package authorizer

import (
	"context"
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
	"scopegate/store"
	"scopegate/token"
)

// defined is what Invoke answers to a REST TOKEN event, worked out anew from what
// the parts say: nothing is remembered, nothing spliced. err is the reason of a
// failure.
func (a *Authorizer) defined(table *mapping.Table, revision store.Revision, c token.Claims, arn policy.ARN, now time.Time) (out []byte, reason Reason) {
	held := table.Held(CallerOf(c), now)
	verdict := table.Decide(held, arn.Method, arn.Path)
	if a.RouteScope {
		held = table.Deciding(held, verdict, arn.Method, arn.Path)
	}
	write := func(doc policy.Document, grants bool) []byte {
		b, err := marshal(answer{PrincipalID: c.PrincipalID(), PolicyDocument: doc, Context: contextOf(c, revision.String(), grants)})
		if err != nil {
			panic(err)
		}
		return b
	}
	within := func(doc policy.Document) []byte {
		if b := write(doc, true); len(b) <= a.MaxBytes {
			return b
		}
		return write(doc, false)
	}
	request := policy.Request{ARN: arn.String(), Denied: !verdict.Allowed, End: c.End, ExplicitDeny: a.ExplicitDeny}
	if a.NoExpiry {
		request.End = time.Time{}
	}
	prepared := policy.Prepare(table)
	const document = `{"Version":"","Statement":null}`
	budget := max(1, (a.MaxBytes-len(write(policy.Document{}, false))+len(document))/budgetStep*budgetStep)
	compiled := prepared.Compile(held, now, budget)
	if compiled.TooLarge() {
		return nil, TooLarge
	}
	doc := compiled.Document(request)
	out = within(doc)
	for range mostTries {
		if len(out) <= a.MaxBytes {
			break
		}
		budget = max(1, (budget-len(out)+a.MaxBytes)/budgetStep*budgetStep)
		doc = prepared.Compile(held, now, budget).Document(request)
		out = within(doc)
	}
	if len(out) > a.MaxBytes && !verdict.Allowed {
		doc = policy.DenyAll()
		out = within(doc)
	}
	if len(out) > a.MaxBytes {
		return nil, TooLarge
	}
	if policy.Evaluate(doc, arn.String(), now, netip.Addr{}) == policy.Allowed && !verdict.Allowed {
		return nil, Unsound
	}
	return out, ""
}

// site is a table that moves on, a caller, and a clock.
type site struct {
	table    *mapping.Table
	revision store.Revision
	claims   token.Claims
	now      time.Time
}

func (s *site) Table(context.Context, mapping.API) (store.Served, error) {
	return store.Served{Table: s.table, Revision: s.revision, How: store.Hit}, nil
}

func (s *site) Verify(context.Context, string) (token.Claims, error) { return s.claims, nil }

func (s *site) Refresh(context.Context) {}

func (s *site) Revoked(context.Context, string, time.Time) (bool, error) { return false, nil }

func (s *site) clock() time.Time { return s.now }

// move changes the table, or the time, to and fro.
func (s *site) move(t *rapid.T, w *tabletest.World) {
	switch rapid.IntRange(0, 5).Draw(t, "moves") {
	case 0:
		*w = tabletest.DrawWorld(t)
		s.table = w.Table
		s.revision.Number++
	case 1, 2:
		s.now = tabletest.Now.Add(time.Duration(rapid.IntRange(-150, 200).Draw(t, "seconds")) * time.Second)
	}
}

// TestTheAnswerIsWhatItsDefinitionSays: whatever is remembered of earlier calls,
// through changes of the table, ends of permissions and a clock that goes to and
// fro, an answer is byte for byte what it would be without any memory.
func TestTheAnswerIsWhatItsDefinitionSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := tabletest.DrawWorld(t)
		s := &site{table: w.Table, revision: store.Revision{Number: 1, Incarnation: "a"}, now: tabletest.Now}
		s.claims = token.Claims{
			Issuer: w.Caller.Issuer, TenantID: w.Caller.Tenant, ObjectID: `o"<` + rapid.StringN(0, 4, 8).Draw(t, "oid"), AppID: "app", Audience: w.Caller.Audience,
			Kind: token.KindUser, Scopes: w.Caller.Scopes, Expires: w.End, End: w.End.Add(time.Minute),
		}
		verifier, err := Remember(s, 2, time.Hour, s.clock)
		if err != nil {
			t.Fatal(err)
		}
		a, err := New(Config{
			Verifier: verifier, Tables: s, Revocations: s, Log: zap.NewNop(), Now: s.clock,
			MaxBytes: rapid.SampledFrom([]int{8192, 2000, 1400, 1100, 900, 700}).Draw(t, "most"),
			NoExpiry: rapid.Bool().Draw(t, "no expiry"), RouteScope: rapid.IntRange(0, 3).Draw(t, "route scope") == 0,
			ExplicitDeny: rapid.IntRange(0, 3).Draw(t, "explicit deny") == 0,
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 6 {
			arn := policy.ARN{API: tabletest.API, Method: tabletest.DrawMethod(t), Path: tabletest.DrawPath(t)}
			s.compare(t, a, arn)
			s.move(t, &w)
		}
	})
}

func (s *site) compare(t *rapid.T, a *Authorizer, arn policy.ARN) {
	want, failed := a.defined(s.table, s.revision, s.claims, arn, s.now)
	event, err := json.Marshal(map[string]string{"type": "TOKEN", "methodArn": arn.String(), "authorizationToken": "Bearer a.b.c"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := a.Invoke(context.Background(), event)
	for i := range event { // nobody may read it any more
		event[i] = 'x'
	}
	if failed != "" {
		if err == nil || err.Error() != (&Failure{Reason: failed}).Error() {
			t.Fatalf("%s at %v: %s, %v; want %s", arn, s.now, got, err, failed)
		}
		return
	}
	if err != nil || string(got) != string(want) {
		t.Fatalf("%s at %v: %d, %d bytes:\n%s, %v\nwant\n%s", arn, s.now, len(got), len(want), got, err, want)
	}
	for i := range got { // the caller's own
		got[i] = 'x'
	}
}

// The shapes as API Gateway sends them, with members that nobody asks for.
var shapes = map[string]string{
	"REST TOKEN": `{"type":"TOKEN","authorizationToken":"Bearer a.b.c","methodArn":"arn:aws:execute-api:us-east-1:123456789012:abcdef123/dev/GET/x"}`,
	"REST REQUEST": `{"type":"REQUEST","methodArn":"arn:aws:execute-api:us-east-1:123456789012:abcdef123/dev/GET/x/7","resource":"/x/{id}","path":"/x/7","httpMethod":"GET",
	 "headers":{"X-AMZ-Date":"20170718T062915Z","Accept":"*/*","Authorization":"Bearer a.b.c","Name":"J\u00f6rg \"J\" ü"},"multiValueHeaders":{"Accept":["*/*"],"Authorization":["Bearer a.b.c"],"Name":["J\u00f6rg"]},
	 "queryStringParameters":{"q":"1"},"multiValueQueryStringParameters":null,"pathParameters":{},"stageVariables":{"a":"b"},
	 "requestContext":{"path":"/x/7","accountId":"123456789012","resourceId":"05c7jb","stage":"dev","requestTimeEpoch":1583798639428,"requestId":"r-1","identity":{"apiKey":null,"sourceIp":"192.0.2.1","clientCert":{"validity":{"notBefore":"May 28"}}},"resourcePath":"/x/{id}","httpMethod":"GET","apiId":"abcdef123"}}`,
	"HTTP 1.0": `{"version":"1.0","type":"REQUEST","methodArn":"arn:aws:execute-api:us-east-1:123456789012:abcdef123/$default/GET/ü","identitySource":"Bearer a.b.c,GET /ü","authorizationToken":"Bearer a.b.c","resource":"/ü","path":"/ü","httpMethod":"GET",
	 "headers":{"Authorization":"Bearer a.b.c"},"queryStringParameters":null,"requestContext":{"requestId":"r-2","identity":{"userArn":null},"authorizer":{}}}`,
	"HTTP 2.0": `{"version":"2.0","type":"REQUEST","routeArn":"arn:aws:execute-api:us-east-1:123456789012:abcdef123/test/GET/request","identitySource":["Bearer a.b.c","GET /request"],"routeKey":"GET /request","rawPath":"/request","rawQueryString":"a=1e5",
	 "cookies":["cookie1","cookie2"],"headers":{"authorization":"Bearer a.b.c","header2":"v"},"requestContext":{"accountId":"1","http":{"method":"GET","path":"/request","protocol":"HTTP/1.1"},"requestId":"r-3","routeKey":"GET /request","stage":"test","time":"12/Mar/2020:19:03:58 +0000","timeEpoch":-1.5e+3},"isBase64Encoded":false,"done":true}`,
	"WebSocket": `{"type":"REQUEST","methodArn":"arn:aws:execute-api:us-east-1:123456789012:abcdef123/dev/$connect","headers":{"authorization":"Bearer a.b.c"},"multiValueHeaders":{"authorization":["Bearer a.b.c"]},
	 "requestContext":{"routeKey":"$connect","eventType":"CONNECT","requestId":"r-4","connectionId":"c="}}`,
}

// TestTheEventsOfAPIGatewayAreScanned: they take the fast way, not only the right
// one.
func TestTheEventsOfAPIGatewayAreScanned(t *testing.T) {
	for name, event := range shapes {
		var r eventReader
		if !r.scan([]byte(event), nil, nil) {
			t.Errorf("%s is left to encoding/json, from %q on", name, event[r.at:])
			continue
		}
		agree(t, []byte(event), &r.fields)
		if len(r.authorization)+len(r.token) == 0 || r.requestID == "" && name != "REST TOKEN" {
			t.Errorf("%s: %+v", name, r.fields)
		}
	}
}

// agree compares with the definition.
func agree(t *testing.T, payload []byte, got *fields) {
	t.Helper()
	want, err := parseFields(payload)
	if err != nil {
		t.Fatalf("%q: taken, but %v", payload, err)
	}
	if want.badSources != nil {
		t.Fatalf("%q: taken, but %v", payload, want.badSources)
	}
	if diff := cmp.Diff(want, *got, cmp.AllowUnexported(fields{}), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%q:\n%s", payload, diff)
	}
}

// FuzzScan: what the scan takes, encoding/json reads, and it reads the same.
func FuzzScan(f *testing.F) {
	for _, event := range shapes {
		f.Add([]byte(event))
	}
	for _, odd := range []string{
		"", "null", "{}", " {} ", "{} {}", `{"type":null}`, `{"Type":"TOKEN"}`, `{"type":"a","type":"b"}`, `{"t\u0079pe":"a"}`, `{"ty\u0070e":1}`, `{"reſource":"x"}`, `{"type":1}`, `{"type":"\ud800"}`, "{\"type\":\"\xff\"}",
		`{"headers":{"Authorization":"a","authorization":"b"}}`, `{"headers":{"Authorization":"a","Authorization":"b"}}`, `{"headers":{"a":null}}`, `{"headers":{"a":1}}`, `{"headers":null}`, `{"headers":{},"headers":{}}`, `{"headers":{"autHorization":"x"}}`,
		`{"multiValueHeaders":{"Authorization":["a","b"]},"headers":{"Authorization":"c"}}`, `{"multiValueHeaders":{"Authorization":[],"Authorization":["a"]}}`, `{"multiValueHeaders":{"Authorization":["a"],"Authorization":[]}}`, `{"multiValueHeaders":{"a":[null]}}`, `{"multiValueHeaders":{"a":null}}`,
		`{"identitySource":""}`, `{"identitySource":","}`, `{"identitySource":[]}`, `{"identitySource":["a",1]}`, `{"identitySource":null}`, `{"identitySource":{}}`,
		`{"requestContext":null}`, `{"requestContext":{"REQUESTID":"a"}}`, `{"requestContext":[]}`, `{"a":[1,2,{"b":[[]]}],"c":-0.1e+5}`, `{"a":01}`, `{"a":1.}`, `{"a":+1}`, `{"a":tru}`, `{"a":"\x"}`, `{"a":"\u12G4"}`, "{\"a\":\"\t\"}", `{"a":[1,]}`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `[{}`, `{"a":[}`, `{"a":{]}`,
	} {
		f.Add([]byte(odd))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		var r eventReader
		if r.scan(payload, nil, nil) {
			agree(t, payload, &r.fields)
		}
	})
}
