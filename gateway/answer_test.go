package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"scopegate/gateway"
)

func answerWith(member, value string) string {
	s := fmt.Sprintf(`{"Effect":"Allow","Action":"execute-api:Invoke","Resource":"*",%q:%s}`, member, value)
	return `{"principalId":"a","policyDocument":{"Version":"2012-10-17","Statement":[` + s + `]}}`
}

func TestAnswersThatAPIGatewayRefusesAre500(t *testing.T) {
	const document = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"execute-api:Invoke","Resource":"*"}]}`
	for name, answer := range map[string]string{
		"empty":                          "",
		"null":                           "null",
		"a list":                         "[]",
		"no JSON":                        "{",
		"more than JSON":                 `{"principalId":"a","policyDocument":` + document + `} x`,
		"no principalId":                 `{"policyDocument":` + document + `}`,
		"empty principalId":              `{"principalId":"","policyDocument":` + document + `}`,
		"principalId a number":           `{"principalId":1,"policyDocument":` + document + `}`,
		"principalId in another case":    `{"PrincipalId":"a","policyDocument":` + document + `}`,
		"usageIdentifierKey null":        `{"principalId":"a","usageIdentifierKey":null,"policyDocument":` + document + `}`,
		"no policyDocument":              `{"principalId":"a"}`,
		"policyDocument null":            `{"principalId":"a","policyDocument":null}`,
		"policyDocument a string":        `{"principalId":"a","policyDocument":"x"}`,
		"simple answer":                  `{"isAuthorized":true}`,
		"no Version":                     `{"principalId":"a","policyDocument":{"Statement":[]}}`,
		"unknown Version":                `{"principalId":"a","policyDocument":{"Version":"2020-01-01","Statement":[]}}`,
		"no Statement":                   `{"principalId":"a","policyDocument":{"Version":"2012-10-17"}}`,
		"empty Statement":                `{"principalId":"a","policyDocument":{"Version":"2012-10-17","Statement":[]}}`,
		"Statement null":                 `{"principalId":"a","policyDocument":{"Version":"2012-10-17","Statement":null}}`,
		"a statement null":               `{"principalId":"a","policyDocument":{"Version":"2012-10-17","Statement":[null]}}`,
		"unknown member of the document": `{"principalId":"a","policyDocument":{"version":"x",` + document[1:] + `}`,
		"Condition null":                 answerWith("Condition", "null"),
		"operator null":                  answerWith("Condition", `{"DateLessThan":null}`),
		"condition value null":           answerWith("Condition", `{"DateLessThan":{"aws:CurrentTime":null}}`),
		"condition list of null":         answerWith("Condition", `{"DateLessThan":{"aws:CurrentTime":[null]}}`),
		"condition empty list":           answerWith("Condition", `{"DateLessThan":{"aws:CurrentTime":[]}}`),
		"Resource null":                  answerWith("Resource", "null"),
		"Resource empty list":            answerWith("Resource", "[]"),
		"Resource list of null":          answerWith("Resource", `["*",null]`),
		"Resource no ARN":                answerWith("Resource", `"dev/GET/a"`),
		"Resource too long":              answerWith("Resource", `"arn:`+strings.Repeat("x", 509)+`"`),
		"NotResource beside Resource":    answerWith("NotResource", `"*"`),
		"Action null":                    answerWith("Action", "null"),
		"Effect in lower case":           answerWith("Effect", `"allow"`),
		"Effect missing":                 answerWith("Effect", "null"),
		"NotAction":                      answerWith("NotAction", `"x"`),
		"Principal":                      answerWith("Principal", `"*"`),
		"context null":                   `{"principalId":"a","context":null,"policyDocument":` + document + `}`,
		"nested context":                 `{"principalId":"a","context":{"a":{}},"policyDocument":` + document + `}`,
		"list in context":                `{"principalId":"a","context":{"a":[1]},"policyDocument":` + document + `}`,
		"null in context":                `{"principalId":"a","context":{"a":null},"policyDocument":` + document + `}`,
		"too large":                      sized(gateway.MaxAnswer + 1),
	} {
		for _, f := range []gateway.Flavour{gateway.RESTToken, gateway.RESTRequest, gateway.WebSocket} {
			if got := statusOf(t, f, answer); got != http.StatusInternalServerError {
				t.Errorf("%s, %v: status %d, want 500", name, f, got)
			}
		}
		nested := strings.Contains(name, " in context") || name == "nested context"
		if got := statusOf(t, gateway.HTTPv2, answer); (got == http.StatusOK) != nested {
			t.Errorf("%s, HTTP API: status %d", name, got)
		}
	}
}

func TestAnswersThatAPIGatewayTakesAreTaken(t *testing.T) {
	for name, answer := range map[string]string{
		"one resource":         answerWith("Sid", `"x"`),
		"resource list":        answerWith("Resource", `["*"]`),
		"longest resource":     answerWith("Resource", `["*","arn:`+strings.Repeat("x", 508)+`"]`),
		"action list":          answerWith("Action", `["execute-api:*"]`),
		"condition":            answerWith("Condition", `{"DateLessThan":{"aws:CurrentTime":["2030-01-01T00:00:00Z"]}}`),
		"numeric condition":    answerWith("Condition", `{"DateLessThan":{"aws:EpochTime":1900000000}}`),
		"statement by itself":  `{"principalId":"a","policyDocument":{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}}`,
		"largest":              sized(gateway.MaxAnswer),
		"usage plan":           `{"usageIdentifierKey":"k",` + answerWith("Sid", `"x"`)[1:],
		"other members beside": `{"x":[1],` + answerWith("Sid", `"x"`)[1:],
	} {
		for _, f := range []gateway.Flavour{gateway.RESTToken, gateway.HTTPv1, gateway.HTTPv2, gateway.WebSocket} {
			if got := statusOf(t, f, answer); got != http.StatusOK {
				t.Errorf("%s, %v: status %d, want 200", name, f, got)
			}
		}
	}
}

func TestSimpleAnswersNeedABoolean(t *testing.T) {
	for answer, want := range map[string]int{
		`{"isAuthorized":true}`: 200, `{"isAuthorized": false}`: 403, `{"isAuthorized":"true"}`: 500, `{"isAuthorized":null}`: 500,
		`{"IsAuthorized":true}`: 500, `{}`: 500, answerWith("Sid", `"x"`): 500, `{"isAuthorized":true,"context":1}`: 500,
	} {
		if got := statusOf(t, gateway.HTTPv2Simple, answer); got != want {
			t.Errorf("%s: status %d, want %d", answer, got, want)
		}
	}
}

// sized is a valid answer of n bytes.
func sized(n int) string {
	s := `{"principalId":"a","policyDocument":{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}},"context":{"a":""}}`
	return strings.Replace(s, `""`, `"`+strings.Repeat("x", n-len(s))+`"`, 1)
}

func statusOf(t *testing.T, f gateway.Flavour, answer string) int {
	t.Helper()
	a := &fake{answers: map[string]string{"*": answer}}
	target := "/dev/a"
	if f == gateway.WebSocket {
		target = "/dev"
	}
	w := get(start(t, config(f, a)), target, "Authorization", "Bearer T", "Upgrade", "websocket")
	if a.calls() != 1 {
		t.Fatalf("%v: %d calls", f, a.calls())
	}
	return w.Code
}
