//go:build deploy

package deploytest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"scopegate/gateway"
	"scopegate/internal/idp"
)

// TestAnExamplesHandlerSeesTheCaller: each handler.mjs runs, in Node as on Lambda,
// on the event of a call that the authorizer allowed, with the context that it
// answered with.
func TestAnExamplesHandlerSeesTheCaller(t *testing.T) {
	const oid = "aaaaaaaa-0000-4000-8000-00000000000a"
	caller := idp.Spec{Scopes: []string{"orders.read", "orders.watch"}, ObjectID: oid}
	for _, e := range theExamples {
		t.Run(e.name, func(t *testing.T) {
			var grant gateway.Grant
			w := newExampleWorld(t, e, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { grant, _ = gateway.FromContext(r.Context()) }))
			method, path := "GET", "/orders/7"
			if e.name == "websocket" {
				method, path = "$connect", ""
			}
			answer := w.call(method, path, "Bearer "+w.mint(caller))
			if answer.Code != http.StatusOK {
				t.Fatalf("%d %s", answer.Code, answer.Body)
			}
			var got object
			switch e.name {
			case "websocket":
				got = runHandler(t, e, messageEvent(t, answer.Body.Bytes()))
			case "http-api", "http-api-simple":
				got = object{"body": runHandler(t, e, object{"routeKey": "GET /orders/{id}", "requestContext": object{"authorizer": object{"lambda": grant.Context}}})}
			default:
				authorizer := object{"principalId": grant.PrincipalID}
				for name, v := range grant.Context {
					authorizer[name] = v
				}
				got = runHandler(t, e, object{"httpMethod": "GET", "resource": "/orders/{id}", "requestContext": object{"authorizer": authorizer}})
				if origin := Part(got, "headers", "Access-Control-Allow-Origin"); origin != "https://app.example.com" {
					t.Errorf("Access-Control-Allow-Origin %v", origin)
				}
			}
			said := handlerSaid(t, got)
			if e.name != "websocket" && said["route"] != "GET /orders/{id}" {
				t.Errorf("route %v", said["route"])
			}
			if who := text(said["oid"]) + text(said["principalId"]); !strings.HasSuffix(who, oid) {
				t.Errorf("the caller is %q", who)
			}
			if scopes := said["scp"]; e.name != "websocket" && scopes != "orders.read orders.watch" {
				t.Errorf("scopes %v", scopes)
			}
		})
	}
}

// messageEvent is a message over a connection whose opening was answered so.
func messageEvent(t *testing.T, connected []byte) object {
	t.Helper()
	var o object
	if err := json.Unmarshal(connected, &o); err != nil {
		t.Fatal(err)
	}
	return object{"body": `{"action":"watch"}`, "requestContext": object{
		"routeKey": "$default", "connectionId": o["connectionId"], "authorizer": Part(o, "requestContext", "authorizer"),
	}}
}

// handlerSaid is the body of a handler's answer.
func handlerSaid(t *testing.T, answer object) object {
	t.Helper()
	if said, ok := answer["body"].(object); ok {
		return said
	}
	var said object
	if err := json.Unmarshal([]byte(text(answer["body"])), &said); err != nil {
		t.Fatalf("body %v: %v", answer["body"], err)
	}
	return said
}

const runNode = `import(process.argv[1]).then(async (m) => {
  let event = "";
  for await (const part of process.stdin) event += part;
  console.log(JSON.stringify(await m.handle(JSON.parse(event))));
});`

// runHandler is what an example's handler answers to an event.
func runHandler(t *testing.T, e example, event object) object {
	t.Helper()
	in, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	node := exec.CommandContext(t.Context(), "node", "--input-type=module", "-e", runNode, filepath.Join(Root(t), e.folder(), "handler.mjs"))
	node.Env = append(node.Environ(), "ORIGIN=https://app.example.com")
	var errs bytes.Buffer
	node.Stdin, node.Stderr = bytes.NewReader(in), &errs
	out, err := node.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	var answer object
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return answer
}
