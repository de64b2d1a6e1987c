package seeds_test

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"scopegate/gateway"
	"scopegate/internal/idp"
	"scopegate/internal/lambdaruntime"
	"scopegate/policy"
)

const restARN = "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2"

// What stands in document 003.
const (
	// fragment is its permissions document: one object, the stage in capitals.
	fragment = `{
 "arn": "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2",
 "resource": "my-resource",
 "stage": "DEV",
 "httpVerb": "GET",
 "scope": "email"
}`
	// inCode is the document in its code, with the example's API filled in.
	inCode = `[
  {
    "arn": "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2",
    "resource": "my-resource",
    "stage": "dev",
    "httpVerb": "GET",
    "scope": "email"
  }
]`
	examplePolicy = `{
    "Version": "2012-10-17",
    "Statement": [
      {
        "Action": "execute-api:Invoke",
        "Effect": "Allow",
        "Resource": "arn:aws:execute-api:us-east-1:219852565112:rz8w6b1ik2/dev/get/my-resource"
      }
    ]
  }`
	validation   = `^(Bearer )[a-zA-Z0-9\-_]+?\.[a-zA-Z0-9\-_]+?\.([a-zA-Z0-9\-_]+)$`
	theRequest   = "/my-resource/?myParam=myValue" // below its stage, with a slash at the end
	explicitDeny = `{"Message":"User is not authorized to access this resource with an explicit deny"}`
)

// TestSeed003RESTTokenAuthorizer: a REST API with a TOKEN authorizer, its validation
// expression and its TTL; the permissions document as it is, in DynamoDB; the
// caller's complete policy; 401 and 403 as the document shows them.
func TestSeed003RESTTokenAuthorizer(t *testing.T) {
	w := newWorld(t)
	loadsAsItIs(w)
	function := w.authorizer()
	plain := w.authorizer("POLICY_EXPIRY=off", "INVALID_TOKEN=deny")
	serve := func(t *testing.T, by *lambdaruntime.Runtime, ttl time.Duration) *front {
		return w.in(t).serve(by, gateway.Config{
			Flavour: gateway.RESTToken, ARN: restARN, Stages: []string{"dev", "DEV", "test"}, AuthorizerTTL: ttl, TokenRegex: validation,
		})
	}
	t.Run("the document's requests", func(t *testing.T) { theDocumentsRequests(serve(t, function, time.Second)) })
	t.Run("the example's policy", func(t *testing.T) { theExamplesPolicy(serve(t, plain, 0)) })
	t.Run("where the policy differs", func(t *testing.T) { wherePoliciesDiffer(serve(t, function, 0)) })
	t.Run("a token ends at 12:30", func(t *testing.T) { endsAtHalfPast(serve(t, function, 300*time.Second), 403) })
	t.Run("the same, as the document has it", func(t *testing.T) { endsAtHalfPast(serve(t, plain, 300*time.Second), 200) })
	t.Run("one policy for all routes", func(t *testing.T) { completePolicy(serve(t, function, 300*time.Second)) })
	t.Run("a slash at the end", func(t *testing.T) { slashAtTheEnd(serve(t, function, 0)) })
}

// loadsAsItIs: files with the very text; the table holds what they say, and saying
// it again changes nothing.
func loadsAsItIs(w *world) {
	w.t.Helper()
	dir := w.t.TempDir()
	for name, text := range map[string]string{"fragment.json": fragment, "code.json": inCode} {
		file := filepath.Join(dir, name)
		w.must(os.WriteFile(file, []byte(text), 0o600))
		for _, want := range []string{"1 added, 0 changed, 0 unchanged", "0 added, 0 changed, 1 unchanged"} {
			if out := w.scopegate(nil, "", "import", file); !strings.Contains(out, want) {
				w.t.Errorf("import %s: %s, want %s", name, out, want)
			}
		}
	}
	for _, stage := range []string{"DEV", "dev"} {
		out := w.scopegate(nil, "", "permissions", "--api", restARN, "--stage", stage, "--json")
		list := member(w.t, []byte(out), "permissions").([]any)
		if len(list) != 1 {
			w.t.Fatalf("stage %s: %s", stage, out)
		}
		got := list[0].(map[string]any)
		for name, want := range map[string]string{"arn": restARN, "resource": "my-resource", "stage": stage, "httpVerb": "GET", "scope": "email"} {
			if got[name] != want {
				w.t.Errorf("stage %s: %s is %v, want %s", stage, name, got[name], want)
			}
		}
	}
	lower := strings.NewReplacer(`"GET"`, `"get"`, `"dev"`, `"test"`).Replace(inCode)
	if out := w.load(lower); !strings.Contains(out, "1 added") {
		w.t.Errorf("a verb in lower case: %s", out)
	}
}

// theDocumentsRequests are those of "Testing the results".
func theDocumentsRequests(f *front) {
	f.w.t.Helper()
	email, other := f.w.mint(idp.Spec{Scopes: []string{"email"}}), f.w.mint(idp.Spec{Scopes: []string{"profile"}})
	f.want("with the scope", "GET", "/dev/my-resource?myParam=myValue", email, 200)
	if a := f.want("without the scope", "GET", "/dev/my-resource?myParam=myValue", other, 403); a.body != explicitDeny {
		f.w.t.Errorf("without the scope: %s", a.body)
	}
	f.want("another method", "POST", "/dev/my-resource", email, 403)
	f.want("another route", "GET", "/dev/my-resources", email, 403)
	f.want("the verb that was written in lower case", "GET", "/test/my-resource", email, 200)
	f.want("the stage of the fragment", "GET", "/DEV/my-resource", email, 200)
	before := f.calls()
	for name, authorization := range map[string]string{"no token": "", "no JWT": "Bearer ThisIsNotAJWT", "no Bearer": strings.TrimPrefix(email, "Bearer ")} {
		if a := f.want(name, "GET", "/dev/my-resource", authorization, 401); a.body != `{"message":"Unauthorized"}` {
			f.w.t.Errorf("%s: %s", name, a.body)
		}
	}
	f.wantCalls("what is no JWT does not reach the function", before, 0)
	f.want("expired", "GET", "/dev/my-resource", f.w.mint(idp.Spec{Scopes: []string{"email"}, Expired: true}), 401)
	f.want("invalid", "GET", "/dev/my-resource", f.w.mint(idp.Spec{Scopes: []string{"email"}, Forged: true}), 401)
	before = f.calls()
	f.w.ahead.Store(int64(time.Hour / 4)) // later than the TTL of a second
	f.want("after the TTL", "GET", "/dev/my-resource", email, 200)
	f.wantCalls("after the TTL", before, 1)
}

// theExamplesPolicy: with POLICY_EXPIRY=off the document is the example's, but for
// the method: API Gateway's ARNs have it in capitals, and the example's own policy
// would not allow its own request. With INVALID_TOKEN=deny, deny-all is the
// document's to the letter.
func theExamplesPolicy(f *front) {
	f.w.t.Helper()
	f.want("with the scope", "GET", "/dev/my-resource", f.w.mint(idp.Spec{Scopes: []string{"email"}}), 200)
	wantJSON(f.w.t, "its policy", member(f.w.t, f.answered(), "policyDocument"), strings.Replace(examplePolicy, "/get/", "/GET/", 1))

	asWritten, err := policy.ParseDocument([]byte(examplePolicy))
	f.w.must(err)
	if got := policy.Evaluate(asWritten, restARN+"/dev/GET/my-resource", time.Now(), netip.Addr{}); got != policy.NotMatched {
		f.w.t.Errorf("the example's policy as it is written: %v", got)
	}
	f.want("without the scope", "GET", "/dev/my-resource", f.w.mint(idp.Spec{Scopes: []string{"profile"}}), 403)
	wantJSON(f.w.t, "who holds nothing", member(f.w.t, f.answered(), "policyDocument"), jsonOf(f, denyAll, "policyDocument"))
	f.want("invalid", "GET", "/dev/my-resource", f.w.mint(idp.Spec{Scopes: []string{"email"}, Forged: true}), 403)
	wantJSON(f.w.t, "an invalid token", member(f.w.t, f.answered()), denyAll)
}

func jsonOf(f *front, text string, path ...string) string {
	b, err := json.Marshal(member(f.w.t, []byte(text), path...))
	f.w.must(err)
	return string(b)
}

// wherePoliciesDiffer from the document's on purpose: who is named, what the service
// behind learns, when an Allow ends, and a Deny of the very request that is denied.
func wherePoliciesDiffer(f *front) {
	f.w.t.Helper()
	email := f.w.mint(idp.Spec{Scopes: []string{"email"}})
	f.want("allowed", "GET", "/DEV/my-resource", email, 200)
	got := f.answered()
	statement := member(f.w.t, got, "policyDocument", "Statement").([]any)
	if len(statement) != 1 {
		f.w.t.Fatalf("%s", got)
	}
	condition, _ := statement[0].(map[string]any)["Condition"].(map[string]any)
	before, _ := condition["DateLessThan"].(map[string]any)
	text, _ := before["aws:CurrentTime"].(string)
	end, err := time.Parse(time.RFC3339, text)
	f.w.must(err)
	if left := time.Until(end); left < 50*time.Minute || left > time.Hour+time.Minute {
		f.w.t.Errorf("its Allow ends in %v, and the token in an hour", left)
	}
	wantJSON(f.w.t, "principal", member(f.w.t, got, "principalId"), `"`+f.w.provider.TenantID()+":"+idp.DefaultObjectID+`"`)
	wantJSON(f.w.t, "scopes", member(f.w.t, got, "context", "scp"), `"email"`)

	f.want("denied", "DELETE", "/DEV/my-resource", email, 403)
	statement = member(f.w.t, f.answered(), "policyDocument", "Statement").([]any)
	if len(statement) != 2 {
		f.w.t.Fatalf("%s", f.answered())
	}
	wantJSON(f.w.t, "the request's own Deny", statement[1], `{"Action":"execute-api:Invoke","Effect":"Deny","Resource":"`+restARN+`/DEV/DELETE/my-resource"}`)
}

// endsAtHalfPast is the document's warning: a token ends at 12:30, its policy is
// kept at 12:29 for five minutes, and the caller comes again at 12:32. There he is
// let in; here only with POLICY_EXPIRY=off.
func endsAtHalfPast(f *front, atThirtyTwo int) {
	f.w.t.Helper()
	token, before := f.w.mint(idp.Spec{Scopes: []string{"email"}, Life: time.Minute}), f.calls()
	f.want("12:29", "GET", "/dev/my-resource", token, 200)
	f.w.ahead.Store(int64(3 * time.Minute))
	f.want("12:32", "GET", "/dev/my-resource", token, atThirtyTwo)
	f.wantCalls("kept for five minutes", before, 1)
}

// completePolicy: the policy is of the caller, not of the request.
func completePolicy(f *front) {
	f.w.t.Helper()
	f.w.load(permissions(restARN, "dev", "GET orders/{id}: orders.read", "GET orders/export: orders.export", "POST orders: orders.write"))
	token, before := f.w.mint(idp.Spec{Scopes: []string{"email", "orders.read"}}), f.calls()
	for _, row := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/dev/my-resource", 200}, {"GET", "/dev/orders/7", 200}, {"GET", "/dev/orders/export", 403}, {"POST", "/dev/orders", 403},
		{"GET", "/dev/orders/7/lines", 403}, {"DELETE", "/dev/orders/7", 403}, {"GET", "/dev/orders/8", 200},
	} {
		f.want("kept", row.method, row.path, token, row.status)
	}
	f.wantCalls("one token, seven requests", before, 1)
}

// slashAtTheEnd: the document's own request has one, and it says that the policy
// must be written so. A mapping with the slash opens that spelling.
func slashAtTheEnd(f *front) {
	f.w.t.Helper()
	email := f.w.mint(idp.Spec{Scopes: []string{"email"}})
	f.want("mapped without the slash", "GET", "/dev"+theRequest, email, 403)
	f.w.load(permissions(restARN, "dev", "GET my-resource/: email"))
	f.want("mapped with it", "GET", "/dev"+theRequest, email, 200)
	f.want("and without it still", "GET", "/dev/my-resource", email, 200)
}
