package gateway_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"scopegate/gateway"
)

// eventOf is the event that one realistic request makes.
func eventOf(t *testing.T, c gateway.Config, target string, headers ...string) map[string]any {
	t.Helper()
	a := &fake{answers: map[string]string{"*": iam(statement("Allow", "*"))}}
	c.Authorizer = a
	c.StageVariables = map[string]map[string]string{"dev": {"colour": "blue"}}
	raw(t, start(t, c), line("GET "+target+" HTTP/1.1", append(headers, "User-Agent: test/1", "Cookie: a=1; b=2", "X-Two: 1", "x-two: 2")...))
	return a.event(t)
}

// drop takes out the members that differ from run to run, after checking that
// they are there.
func drop(t *testing.T, m map[string]any, names ...string) {
	t.Helper()
	for _, name := range names {
		if v, ok := m[name].(string); !ok || v == "" {
			t.Errorf("%s: missing or empty: %v", name, m[name])
		}
		delete(m, name)
	}
}

func object(t *testing.T, s string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(s), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRESTTokenEvent(t *testing.T) {
	got := eventOf(t, config(gateway.RESTToken, nil), "/dev/orders/1?x=2")
	want := object(t, `{"type":"TOKEN","authorizationToken":"Bearer T",
		"methodArn":"arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2/dev/GET/orders/1"}`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

const headersOf1 = `
	"headers":{"Authorization":"Bearer T","Connection":"close","Cookie":"a=1; b=2","Host":"api.test","User-Agent":"test/1",
		"X-Two":"2","X-Forwarded-For":"127.0.0.1","X-Forwarded-Port":"80","X-Forwarded-Proto":"http"},
	"multiValueHeaders":{"Authorization":["Bearer T"],"Connection":["close"],"Cookie":["a=1; b=2"],"Host":["api.test"],"User-Agent":["test/1"],
		"X-Two":["1","2"],"X-Forwarded-For":["127.0.0.1"],"X-Forwarded-Port":["80"],"X-Forwarded-Proto":["http"]},
	"queryStringParameters":{"x":"3","y":"a b"},"multiValueQueryStringParameters":{"x":["2","3"],"y":["a b"]}`

func TestRESTRequestEvent(t *testing.T) {
	got := eventOf(t, config(gateway.RESTRequest, nil), "/dev/orders//1?x=2&x=3&y=a%20b")
	want := object(t, `{"type":"REQUEST",
		"methodArn":"arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2/dev/GET/orders//1",
		"resource":"/{proxy+}","path":"/orders//1","httpMethod":"GET",`+headersOf1+`,
		"pathParameters":{"proxy":"orders//1"},"stageVariables":{"colour":"blue"},
		"requestContext":{"resourceId":"8hq2rk","resourcePath":"/{proxy+}","httpMethod":"GET","path":"/dev/orders//1",
			"requestTime":"21/Nov/2026:13:00:00 +0000","requestTimeEpoch":1795266000000,"accountId":"219852565112","protocol":"HTTP/1.1",
			"stage":"dev","domainPrefix":"rz8w6b1ik2","domainName":"rz8w6b1ik2.execute-api.us-east-1.amazonaws.com","apiId":"rz8w6b1ik2",
			"identity":{"sourceIp":"127.0.0.1","userAgent":"test/1","accountId":null,"apiKey":null,"caller":null,"user":null,"userArn":null}}}`)
	checkRequest(t, want, got)
}

func TestHTTPAPIPayload1Event(t *testing.T) {
	c := config(gateway.HTTPv1, nil)
	c.IdentitySources = []string{"$request.header.Authorization", "$request.querystring.x", "$stageVariables.colour", "$context.routeKey"}
	got := eventOf(t, c, "/dev/orders/%61?x=2&x=3&y=a%20b")
	want := object(t, `{"version":"1.0","type":"REQUEST",
		"methodArn":"arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2/dev/GET/orders/a",
		"identitySource":"Bearer T,2,3,blue,ANY /{proxy+}","authorizationToken":"Bearer T,2,3,blue,ANY /{proxy+}",
		"resource":"/{proxy+}","path":"/dev/orders/a","httpMethod":"GET",`+headersOf1+`,
		"pathParameters":{"proxy":"orders/a"},"stageVariables":{"colour":"blue"},
		"requestContext":{"resourceId":"8hq2rk","resourcePath":"/{proxy+}","httpMethod":"GET","path":"/dev/orders/a",
			"requestTime":"21/Nov/2026:13:00:00 +0000","requestTimeEpoch":1795266000000,"accountId":"219852565112","protocol":"HTTP/1.1",
			"stage":"dev","domainPrefix":"rz8w6b1ik2","domainName":"rz8w6b1ik2.execute-api.us-east-1.amazonaws.com","apiId":"rz8w6b1ik2",
			"identity":{"sourceIp":"127.0.0.1","userAgent":"test/1","accountId":null,"apiKey":null,"caller":null,"user":null,"userArn":null}}}`)
	checkRequest(t, want, got)
}

func checkRequest(t *testing.T, want, got map[string]any) {
	t.Helper()
	drop(t, got["requestContext"].(map[string]any), "requestId", "extendedRequestId")
	drop(t, got["headers"].(map[string]any), "X-Amzn-Trace-Id")
	delete(got["multiValueHeaders"].(map[string]any), "X-Amzn-Trace-Id")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHTTPAPIPayload2Event(t *testing.T) {
	for _, f := range []gateway.Flavour{gateway.HTTPv2, gateway.HTTPv2Simple} {
		c := config(f, nil)
		c.IdentitySources = []string{"$request.header.authorization", "$context.routeKey"}
		got := eventOf(t, c, "/dev/orders/%61?x=2&x=3&y=a%20b")
		want := object(t, `{"version":"2.0","type":"REQUEST",
			"routeArn":"arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2/dev/GET/orders/a",
			"identitySource":["Bearer T","ANY /{proxy+}"],"routeKey":"ANY /{proxy+}",
			"rawPath":"/dev/orders/a","rawQueryString":"x=2&x=3&y=a%20b","cookies":["a=1","b=2"],
			"headers":{"authorization":"Bearer T","connection":"close","host":"api.test","user-agent":"test/1",
				"x-two":"1,2","x-forwarded-for":"127.0.0.1","x-forwarded-port":"80","x-forwarded-proto":"http"},
			"queryStringParameters":{"x":"2,3","y":"a b"},
			"pathParameters":{"proxy":"orders/a"},"stageVariables":{"colour":"blue"},
			"requestContext":{"accountId":"219852565112","apiId":"rz8w6b1ik2","domainPrefix":"rz8w6b1ik2",
				"domainName":"rz8w6b1ik2.execute-api.us-east-1.amazonaws.com","routeKey":"ANY /{proxy+}","stage":"dev",
				"time":"21/Nov/2026:13:00:00 +0000","timeEpoch":1795266000000,
				"http":{"method":"GET","path":"/dev/orders/a","protocol":"HTTP/1.1","sourceIp":"127.0.0.1","userAgent":"test/1"}}}`)
		drop(t, got["requestContext"].(map[string]any), "requestId")
		drop(t, got["headers"].(map[string]any), "x-amzn-trace-id")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v: %s", f, diff)
		}
	}
}

func TestDefaultStageStandsInTheARNAndNotInThePath(t *testing.T) {
	got := eventOf(t, config(gateway.HTTPv2, nil), "/orders")
	if got["routeArn"] != apiARN+"/$default/GET/orders" || got["rawPath"] != "/orders" {
		t.Errorf("routeArn %v, rawPath %v", got["routeArn"], got["rawPath"])
	}
	if stage := got["requestContext"].(map[string]any)["stage"]; stage != "$default" {
		t.Errorf("stage %v", stage)
	}
}

func TestRootHasItsOwnRoute(t *testing.T) {
	rest := eventOf(t, config(gateway.RESTRequest, nil), "/dev/")
	if rest["resource"] != "/" || rest["pathParameters"] != nil || rest["path"] != "/" {
		t.Errorf("REST: resource %v, pathParameters %v, path %v", rest["resource"], rest["pathParameters"], rest["path"])
	}
	v2 := eventOf(t, config(gateway.HTTPv2, nil), "/")
	if v2["routeKey"] != "ANY /" || v2["pathParameters"] != nil {
		t.Errorf("2.0: routeKey %v, pathParameters %v", v2["routeKey"], v2["pathParameters"])
	}
}

func TestWebSocketConnectEvent(t *testing.T) {
	a := &fake{answers: map[string]string{"*": iam(statement("Allow", "dev/$connect"))}}
	status, _, body := raw(t, start(t, config(gateway.WebSocket, a)), line("GET /dev?room=1 HTTP/1.1", "Upgrade: WebSocket"))
	if status != http.StatusOK {
		t.Fatalf("status %d %s", status, body)
	}
	got := a.event(t)
	if got["methodArn"] != apiARN+"/dev/$connect" || got["type"] != "REQUEST" {
		t.Errorf("methodArn %v, type %v", got["methodArn"], got["type"])
	}
	for _, name := range []string{"resource", "path", "httpMethod", "pathParameters"} {
		if v, ok := got[name]; ok {
			t.Errorf("%s is %v, want none", name, v)
		}
	}
	rc := got["requestContext"].(map[string]any)
	drop(t, rc, "requestId", "extendedRequestId", "connectionId")
	want := object(t, `{"routeKey":"$connect","eventType":"CONNECT","messageDirection":"IN","connectedAt":1795266000000,
		"requestTime":"21/Nov/2026:13:00:00 +0000","requestTimeEpoch":1795266000000,"accountId":"219852565112","protocol":"HTTP/1.1","stage":"dev",
		"domainPrefix":"rz8w6b1ik2","domainName":"rz8w6b1ik2.execute-api.us-east-1.amazonaws.com","apiId":"rz8w6b1ik2",
		"identity":{"sourceIp":"127.0.0.1","userAgent":"","accountId":null,"apiKey":null,"caller":null,"user":null,"userArn":null}}`)
	if diff := cmp.Diff(want, rc); diff != "" {
		t.Error(diff)
	}
}

// The types of aws-lambda-go are what most authorizers read events with.
func TestEventsFitAWSLambdaGo(t *testing.T) {
	var token events.APIGatewayCustomAuthorizerRequest
	refit(t, eventOf(t, config(gateway.RESTToken, nil), "/dev/a"), &token)
	if token.Type != "TOKEN" || token.AuthorizationToken != "Bearer T" || token.MethodArn != apiARN+"/dev/GET/a" {
		t.Errorf("TOKEN: %+v", token)
	}
	var rest events.APIGatewayCustomAuthorizerRequestTypeRequest
	refit(t, eventOf(t, config(gateway.RESTRequest, nil), "/dev/a"), &rest)
	if rest.RequestContext.Identity.SourceIP != "127.0.0.1" || rest.MultiValueHeaders["Authorization"][0] != "Bearer T" {
		t.Errorf("REQUEST: %+v", rest)
	}
	var v1 events.APIGatewayV2CustomAuthorizerV1Request
	refit(t, eventOf(t, config(gateway.HTTPv1, nil), "/dev/a"), &v1)
	if v1.Version != "1.0" || v1.IdentitySource != "Bearer T" || v1.RequestContext.Stage != "dev" {
		t.Errorf("1.0: %+v", v1)
	}
	var v2 events.APIGatewayV2CustomAuthorizerV2Request
	refit(t, eventOf(t, config(gateway.HTTPv2, nil), "/dev/a"), &v2)
	if v2.RequestContext.HTTP.Method != http.MethodGet || v2.IdentitySource[0] != "Bearer T" || v2.RequestContext.TimeEpoch == 0 {
		t.Errorf("2.0: %+v", v2)
	}
}

func refit(t *testing.T, event map[string]any, into any) {
	t.Helper()
	b, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

func TestEveryRequestHasItsOwnID(t *testing.T) {
	a := &fake{answers: map[string]string{"*": iam(statement("Allow", "*"))}}
	g := start(t, config(gateway.HTTPv2, a))
	seen := map[any]bool{}
	for range 3 {
		as(g, "T", "/dev/a")
		seen[a.event(t)["requestContext"].(map[string]any)["requestId"]] = true
	}
	if len(seen) != 3 {
		t.Errorf("ids %v", seen)
	}
}

func TestChinaHasItsOwnDomain(t *testing.T) {
	a := &fake{answers: map[string]string{"*": iam(statement("Allow", "*"))}}
	c := config(gateway.HTTPv2, a)
	c.ARN = "arn:aws-cn:execute-api:cn-north-1:219852565112:rz8w6b1ik2"
	as(start(t, c), "T", "/dev/a")
	got := a.event(t)
	if got["routeArn"] != c.ARN+"/dev/GET/a" {
		t.Errorf("routeArn %v", got["routeArn"])
	}
	if d := got["requestContext"].(map[string]any)["domainName"]; d != "rz8w6b1ik2.execute-api.cn-north-1.amazonaws.com.cn" {
		t.Errorf("domainName %v", d)
	}
}
