package world

import (
	"encoding/json"
	"fmt"
	"strings"

	"scopegate/internal/idp"
	"scopegate/mapping"
)

// API is the one that events are about and that Seed fills.
var API = mapping.API{ARN: "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2", Stage: "dev"}

// Caller is one of two, each with tables of its own.
type Caller struct {
	Scope          string
	Path, Template string // of a GET that is permitted
	More           int    // routes in the table beside ten
}

// The callers: One holds one route of ten, Hundred a hundred of 110.
var (
	One     = Caller{Scope: "orders.read", Path: "orders/7", Template: "orders/{id}"}
	Hundred = Caller{Scope: "reports.read", Path: "r42", Template: "r42", More: 100}
)

// ARN is the methodArn of the caller's event.
func (c Caller) ARN() string { return API.ARN + "/" + API.Stage + "/GET/" + c.Path }

// Spec is a token of the caller, of 1.4 KB as Entra's are; n makes it another
// user's.
func (c Caller) Spec(n int) idp.Spec {
	return idp.Spec{
		Scopes: []string{c.Scope}, ObjectID: fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", n),
		Extra: map[string]any{
			"aio": strings.Repeat("AXQAi/8TAAAA", 10), "rh": "1.AXkA" + strings.Repeat("y0Rs", 12) + ".", "sid": "0055d1a2-9a7b-4a5e-b0a6-3b8c4f1d2e01",
			"given_name": "Ada", "family_name": "Local", "xms_ftd": strings.Repeat("bW9ja2Vk", 12), "acct": 0,
		},
	}
}

// Event is a REST REQUEST event of the caller as API Gateway sends it for a call of
// a browser: with the token some 3 KB of headers, each header twice.
func (c Caller) Event(raw string) ([]byte, error) {
	const host = "rz8w6b1ik2.execute-api.us-east-1.amazonaws.com"
	const agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
	headers := map[string]string{
		"Accept": "application/json, text/plain, */*", "Accept-Encoding": "gzip, deflate, br, zstd", "Accept-Language": "en-GB,en;q=0.9,de;q=0.8",
		"Authorization": "Bearer " + raw, "Cache-Control": "no-cache", "CloudFront-Forwarded-Proto": "https", "CloudFront-Is-Desktop-Viewer": "true",
		"CloudFront-Is-Mobile-Viewer": "false", "CloudFront-Is-SmartTV-Viewer": "false", "CloudFront-Is-Tablet-Viewer": "false",
		"CloudFront-Viewer-ASN": "64496", "CloudFront-Viewer-Country": "IE", "Host": host, "Origin": "https://orders.example.com", "Pragma": "no-cache",
		"Referer": "https://orders.example.com/customers/4711/orders?page=2&sort=-created", "sec-ch-ua": `"Chromium";v="131", "Not_A Brand";v="24"`,
		"sec-ch-ua-mobile": "?0", "sec-ch-ua-platform": `"Linux"`, "sec-fetch-dest": "empty", "sec-fetch-mode": "cors", "sec-fetch-site": "cross-site",
		"User-Agent": agent, "Via": "2.0 0f1e2d3c4b5a69788796a5b4c3d2e1f0.cloudfront.net (CloudFront)", "X-Amz-Cf-Id": strings.Repeat("kT9x", 14),
		"X-Amzn-Trace-Id": "Root=1-6734b0e0-5f84fc1a2b3c4d5e6f708192", "X-Forwarded-For": "203.0.113.7, 130.176.1.2",
		"X-Forwarded-Port": "443", "X-Forwarded-Proto": "https", "X-Request-Id": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
	}
	multi := map[string][]string{}
	for name, value := range headers {
		multi[name] = []string{value}
	}
	b, err := encode(map[string]any{
		"type": "REQUEST", "methodArn": c.ARN(), "resource": "/" + c.Template, "path": "/" + c.Path, "httpMethod": "GET",
		"headers": headers, "multiValueHeaders": multi, "queryStringParameters": map[string]string{"page": "2"},
		"multiValueQueryStringParameters": map[string][]string{"page": {"2"}}, "pathParameters": map[string]string{"id": "7"}, "stageVariables": map[string]string{},
		"requestContext": map[string]any{
			"resourceId": "8pp9x2", "resourcePath": "/" + c.Template, "operationName": nil, "httpMethod": "GET", "extendedRequestId": "Zx1abEXAMPLE=",
			"requestTime": "21/Nov/2026:12:00:00 +0000", "path": "/dev/" + c.Path, "accountId": "219852565112", "protocol": "HTTP/1.1", "stage": API.Stage,
			"domainPrefix": "rz8w6b1ik2", "requestTimeEpoch": 1795262400000, "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
			"identity": map[string]any{
				"cognitoIdentityPoolId": nil, "accountId": nil, "cognitoIdentityId": nil, "caller": nil, "sourceIp": "203.0.113.7", "principalOrgId": nil,
				"accessKey": nil, "cognitoAuthenticationType": nil, "cognitoAuthenticationProvider": nil, "userArn": nil, "userAgent": agent, "user": nil,
			},
			"domainName": host, "deploymentId": "ab12cd", "apiId": "rz8w6b1ik2",
		},
	})
	if err != nil {
		return nil, fmt.Errorf("write an event: %w", err)
	}
	return b, nil
}

// encode leaves < > & as they are, as API Gateway does.
func encode(v any) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}
