package authorizer_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"scopegate/authorizer"
	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

// TestTheTokenMustBeAnIdentitySource: HTTP APIs key their cache by those.
func TestTheTokenMustBeAnIdentitySource(t *testing.T) {
	a := start(t, nil)
	arn := api + "/dev/GET/my-resource"
	for name, event := range map[string]string{
		"other source": http2(arn, "Bearer "+good, "GET /my-resource", "10.0.0.1"),
		"none":         strings.Replace(http2(arn, "Bearer "+good, "GET /my-resource"), `["Bearer `+good+`"]`, `null`, 1),
		"1.0":          strings.Replace(http1(arn, "Bearer "+good, "/my-resource"), `"identitySource":"Bearer `+good+`"`, `"identitySource":"x,y"`, 1),
	} {
		_, err := ask(t, a, event)
		if err == nil || err.Error() != "scopegate: "+string(authorizer.BadSource) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ask(t, a, http2(arn, "Bearer "+good, "GET /my-resource", "10.0.0.1", "Bearer "+good)); err != nil {
		t.Errorf("one of two sources: %v", err)
	}
	both := strings.Replace(http1(arn, "Bearer "+good, "/my-resource"), `"identitySource":"Bearer `+good, `"identitySource":"10.0.0.1,Bearer `+good, 1)
	if _, err := ask(t, a, both); err != nil {
		t.Errorf("one of two joined sources: %v", err)
	}
}

// TestAnotherRouteThanTheGatewaysIsDenied: where API Gateway read the path in
// another way than Permits did, what was permitted is not what would be called.
func TestAnotherRouteThanTheGatewaysIsDenied(t *testing.T) {
	a := start(t, nil)
	for _, c := range []struct {
		path, template string
		want           policy.Decision
	}{
		{"users/1", "/users/{name}", policy.Allowed},
		{"users/1/", "/users/{name}", policy.Allowed},
		{"users/1", "/users/admin", policy.ExplicitlyDenied},
		{"users/1", "/my-resource", policy.ExplicitlyDenied},
		{"users/1", "/{proxy+}", policy.Allowed},
		{"users/1", "/unknown/{x}", policy.Allowed},
		{"users/1", "", policy.Allowed},
	} {
		arn := api + "/dev/GET/" + c.path
		for shape, event := range map[string]string{
			"REST": restRequest(arn, "Bearer "+good, c.template),
			"HTTP": http2(arn, "Bearer "+good, "GET "+c.template),
		} {
			got, err := ask(t, a, event)
			if err != nil {
				t.Fatal(err)
			}
			if d := decides(got.PolicyDocument, arn); d != c.want {
				t.Errorf("%s: %s under %q is %v, want %v", shape, c.path, c.template, d, c.want)
			}
		}
	}
}

func TestSimpleResponses(t *testing.T) {
	a := start(t, func(c *authorizer.Config) { c.Simple = true },
		tabletest.Permission("GET", "my-resource", "s1"),
		tabletest.Permission("GET", "users/{id}", "s1"),
		tabletest.Permission("GET", "users/admin", "s2"),
		tabletest.Permission("GET", "users/{id}/x", "s2"),
		tabletest.Permission("GET", "open/*", "s1"),
		tabletest.Permission("GET", "teams/{id}", "s1"),
		tabletest.Permission("GET", "teams/{id}/x", "s2"),
		tabletest.Permission("POST", "mixed", "s1"),
		tabletest.Permission("GET", "mixed", "s2"),
	)
	for _, c := range []struct {
		path, key string
		want      any
	}{
		{"my-resource", "GET /my-resource", true},
		{"teams/1", "GET /teams/{id}", true},
		{"open/a/b", "GET /open/{proxy+}", true},
		{"users/admin", "GET /users/admin", false},
		{"nothing", "GET /nothing", false},
		{"users/1", "GET /users/{id}", authorizer.SimplePartial},
		{"my-resource", "ANY /my-resource", authorizer.SimplePartial},
		{"my-resource", "ANY /{proxy+}", authorizer.SimplePartial},
		{"my-resource", "$default", authorizer.SimplePartial},
		{"mixed", "ANY /mixed", false},
	} {
		auth := "Bearer " + good
		out, err := a.Invoke(t.Context(), []byte(http2(api+"/dev/GET/"+c.path, auth, c.key, auth, c.key)))
		var f *authorizer.Failure
		if reason, ok := c.want.(authorizer.Reason); ok {
			if !errors.As(err, &f) || f.Reason != reason {
				t.Errorf("%s under %s: %s, %v", c.path, c.key, out, err)
			}
			continue
		}
		var got struct {
			IsAuthorized bool `json:"isAuthorized"`
		}
		if err != nil || json.Unmarshal(out, &got) != nil || got.IsAuthorized != c.want {
			t.Errorf("%s under %s: %s, %v", c.path, c.key, out, err)
		}
	}
	for reason, event := range map[authorizer.Reason]string{
		authorizer.SimpleSource:  http2(api+"/dev/GET/my-resource", "Bearer "+good, "GET /my-resource"),
		authorizer.SimplePayload: http1(api+"/dev/GET/my-resource", "Bearer "+good, "/my-resource"),
	} {
		_, err := ask(t, a, event)
		if err == nil || err.Error() != "scopegate: "+string(reason) {
			t.Errorf("want %s, got %v", reason, err)
		}
	}
}

// TestRouteScopeAnswersForTheCalledRouteAlone: POLICY_SCOPE=route.
func TestRouteScopeAnswersForTheCalledRouteAlone(t *testing.T) {
	a := start(t, func(c *authorizer.Config) { c.RouteScope = true })
	got, err := ask(t, a, restRequest(api+"/dev/GET/users/1", "Bearer "+good, "/users/{id}"))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]policy.Decision{
		"users/1": policy.Allowed, "users/2": policy.Allowed, "users/admin": policy.ExplicitlyDenied, "my-resource": policy.NotMatched,
	} {
		if d := decides(got.PolicyDocument, api+"/dev/GET/"+path); d != want {
			t.Errorf("%s is %v, want %v", path, d, want)
		}
	}
}

// TestASlashUnderAPatternIsNoMismatch: REST APIs route /x/ to /x, so the event
// names the route that the path without its slash finds.
func TestASlashUnderAPatternIsNoMismatch(t *testing.T) {
	for _, c := range []struct {
		permissions    []string
		path, template string
	}{
		{[]string{"users/*", "-users/{id}"}, "users/1/", "/users/{id}"},
		{[]string{"users/*", "users/me"}, "users/me/", "/users/me"},
		{[]string{"users/*", "users"}, "users/", "/users"},
		{[]string{"a/", "a"}, "a/", "/a"},
	} {
		var list []mapping.Permission
		for _, r := range c.permissions {
			route, other := strings.CutPrefix(r, "-")
			scope := "s1"
			if other {
				scope = "s2"
			}
			list = append(list, tabletest.Permission("GET", route, scope))
		}
		for _, routeScope := range []bool{false, true} {
			a := start(t, func(c *authorizer.Config) { c.RouteScope = routeScope }, list...)
			arn := api + "/dev/GET/" + c.path
			got, err := ask(t, a, restRequest(arn, "Bearer "+good, c.template))
			if err != nil {
				t.Fatal(err)
			}
			if d := decides(got.PolicyDocument, arn); d != policy.Allowed {
				t.Errorf("%s with %v, POLICY_SCOPE=route %v: %v, %v", c.path, c.permissions, routeScope, d, a.logs.All()[0].ContextMap()["reason"])
			}
		}
	}
}
