package authorizer_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"scopegate/authorizer"
	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
	"scopegate/store"
	"scopegate/token"
)

// explainClaims verifies every token as the same caller.
type explainClaims token.Claims

func (c explainClaims) Verify(context.Context, string) (token.Claims, error) {
	return token.Claims(c), nil
}

// explainTables serves one table, or an error.
type explainTables struct {
	table *mapping.Table
	err   error
}

func (t explainTables) Table(context.Context, mapping.API) (store.Served, error) {
	return store.Served{Table: t.table, Revision: store.Revision{Number: 3, Incarnation: "x"}}, t.err
}

func explainedCaller(scopes ...string) token.Claims {
	c := tabletest.Caller(scopes...)
	return token.Claims{
		Issuer: c.Issuer, TenantID: c.Tenant, ObjectID: "o", Subject: "s", Audience: c.Audience, Kind: token.KindUser,
		Scopes: c.Scopes, Expires: tabletest.Now.Add(time.Hour), End: tabletest.Now.Add(time.Hour + time.Minute),
	}
}

func explainer(t interface{ Fatal(...any) }, claims token.Claims, tables explainTables) *authorizer.Authorizer {
	a, err := authorizer.New(authorizer.Config{
		Verifier: explainClaims(claims), Tables: tables, Revocations: &revocations{}, Log: zap.NewNop(), Now: func() time.Time { return tabletest.Now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestExplainAnswersExactlyWhatInvokeAnswers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := tabletest.Table(tabletest.DrawPermissions(t)...)
		claims := explainedCaller(tabletest.DrawCaller(t).Scopes...)
		method, path := string(rapid.SampledFrom(mapping.Methods).Draw(t, "method")), tabletest.DrawPath(t)
		a := explainer(t, claims, explainTables{table: table})
		arn := policy.ARN{API: tabletest.API, Method: method, Path: path}.String()
		event, err := json.Marshal(map[string]string{"type": "TOKEN", "authorizationToken": "Bearer x", "methodArn": arn})
		if err != nil {
			t.Fatal(err)
		}
		want, wantErr := a.Invoke(t.Context(), event)
		got, gotErr := a.Explain(t.Context(), authorizer.Question{Claims: claims, API: tabletest.API, Method: method, Path: path})
		if (wantErr == nil) != (gotErr == nil) {
			t.Fatalf("%s %s: Explain says %v, Invoke %v", method, path, gotErr, wantErr)
		}
		if gotErr != nil {
			var f *authorizer.Failure
			if !errors.As(gotErr, &f) || f.Reason == authorizer.TooLarge && (got.Bytes <= got.MaxBytes || got.Answer != nil) {
				t.Fatalf("%s %s: %v, with %d of %d bytes", method, path, gotErr, got.Bytes, got.MaxBytes)
			}
			return
		}
		if diff := cmp.Diff(string(want), string(got.Answer)); diff != "" {
			t.Fatalf("%s %s: answer (-Invoke +Explain):\n%s", method, path, diff)
		}
		allowed := policy.Evaluate(got.Policy, arn, tabletest.Now, netip.Addr{}) == policy.Allowed
		if got.Allowed != allowed || got.Verdict == policy.Allowed != allowed {
			t.Fatalf("%s %s: explained as allowed=%v verdict=%v, the policy says %v", method, path, got.Allowed, got.Verdict, allowed)
		}
	})
}

func TestExplainTellsTheChainOfWhy(t *testing.T) {
	table := tabletest.Table(
		tabletest.Permission("GET", "users/{id}", "s1"),
		tabletest.Permission("GET", "users/me", "s2"),
	)
	claims := explainedCaller("s1")
	a := explainer(t, claims, explainTables{table: table})
	explain := func(claims token.Claims, path string) authorizer.Explanation {
		x, err := a.Explain(t.Context(), authorizer.Question{Claims: claims, API: tabletest.API, Method: "GET", Path: path})
		if err != nil {
			t.Fatal(err)
		}
		return x
	}

	allowed := explain(claims, "/users/7")
	if !allowed.Allowed || !allowed.Trusted || !allowed.Registered || allowed.Route != "GET /users/{id}" ||
		len(allowed.Held) != 1 || len(allowed.By) != 1 || len(allowed.Readings) != 1 {
		t.Errorf("held route: %+v", allowed)
	}
	decoded := explain(claims, "/users/m%65")
	if decoded.Allowed || decoded.Reason != authorizer.Reason(mapping.OtherReading) || len(decoded.Readings) != 2 || len(decoded.By) != 0 {
		t.Errorf("a path that decodes to a route that is not held: %+v", decoded)
	}
	stranger := claims
	stranger.Audience = "api://other"
	if x := explain(stranger, "/users/7"); x.Allowed || x.Trusted || x.Reason != authorizer.Untrusted || len(x.Held) != 0 {
		t.Errorf("a caller outside the trust list: %+v", x)
	}
}

func TestExplainTellsAnUnknownAPIFromAnOutage(t *testing.T) {
	claims := explainedCaller("s1")
	q := authorizer.Question{Claims: claims, API: tabletest.API, Method: "GET", Path: "/a"}
	x, err := explainer(t, claims, explainTables{err: store.ErrNotFound}).Explain(t.Context(), q)
	if err != nil || x.Allowed || x.Registered || x.Reason != authorizer.UnknownAPI || x.Verdict != policy.ExplicitlyDenied {
		t.Errorf("unknown API: %+v, %v", x, err)
	}
	_, err = explainer(t, claims, explainTables{err: errors.New("down")}).Explain(t.Context(), q)
	var f *authorizer.Failure
	if !errors.As(err, &f) || f.Reason != authorizer.TableUnavailable {
		t.Errorf("outage: %v, want the failure %s", err, authorizer.TableUnavailable)
	}
}

func TestExplainRefusesWhatNoRequestLineCanHold(t *testing.T) {
	a := explainer(t, token.Claims{}, explainTables{err: store.ErrNotFound})
	for _, q := range []authorizer.Question{
		{API: tabletest.API, Method: "GET", Path: "no-slash"},
		{API: tabletest.API, Method: "", Path: "/a"},
		{API: tabletest.API, Method: "GET/a", Path: "/a"},
		{API: mapping.API{ARN: "arn", Stage: "dev"}, Method: "GET", Path: "/a"},
	} {
		if _, err := a.Explain(t.Context(), q); err == nil {
			t.Errorf("%+v: no error", q)
		}
	}
}

func TestExplainTellsWhatAPolicyThatIsTooLargeIsMadeOf(t *testing.T) {
	claims := explainedCaller("s1")
	table := tabletest.Table(tabletest.Permission("GET", "a", "s1"), tabletest.Permission("GET", "b", "s1"))
	a := explainer(t, claims, explainTables{table: table})
	a.MaxBytes = 100
	x, err := a.Explain(t.Context(), authorizer.Question{Claims: claims, API: tabletest.API, Method: "GET", Path: "/a"})
	var f *authorizer.Failure
	if !errors.As(err, &f) || f.Reason != authorizer.TooLarge {
		t.Fatalf("error %v, want %s", err, authorizer.TooLarge)
	}
	if len(x.Held) != 2 || x.Route != "GET /a" || x.MaxBytes != 100 || x.Bytes <= 100 || x.Answer != nil {
		t.Errorf("explained as %+v", x)
	}
}
