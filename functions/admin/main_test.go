package main_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"scopegate/internal/flush"
	"scopegate/internal/idp"
	"scopegate/internal/lambdaruntime"
)

func TestTheCompiledFunctionServesEveryShape(t *testing.T) {
	w := start(t)
	tag := w.register(t)
	for i, shape := range []string{"rest", "http-1.0", "http-2.0"} {
		var routes []string
		for n := range i + 1 {
			routes = append(routes, fmt.Sprintf("route-%d", n))
		}
		a := w.ask(t, shape, request{w.admin, "PUT", documentPath, document(routes...), tag})
		if a.StatusCode != 200 || !strings.Contains(a.Body, `"flush":"scheduled"`) || !strings.Contains(a.Body, `"effectiveBy"`) {
			t.Fatalf("%s: put the document: %+v", shape, a)
		}
		if id := a.header("X-Request-Id"); id != "from-the-gateway" {
			t.Errorf("%s: the request's id is %q", shape, id)
		}
		tag = a.header("Etag")
		flushed, messages := w.plane.take()
		if !slices.Equal(flushed, []string{flushPath}) || len(messages) != 1 || messages[0].DelaySeconds < 30 || messages[0].DelaySeconds > 45 {
			t.Errorf("%s: flushed %v, scheduled %+v", shape, flushed, messages)
		}
		list := w.ask(t, shape, request{w.admin, "GET", "/v1/permissions?limit=100&scope=email", "", ""})
		if list.StatusCode != 200 || strings.Count(list.Body, `"httpVerb"`) != i+1 {
			t.Errorf("%s: list: %+v", shape, list)
		}
		user := w.mint(t, idp.Spec{Audience: audience, Scopes: []string{"Mappings.ReadWrite"}})
		for token, want := range map[string]int{user: 403, "": 401, w.mint(t, idp.Spec{Roles: []string{"Mappings.Admin"}}): 401} {
			if a := w.ask(t, shape, request{token, "PUT", documentPath, document(), tag}); a.StatusCode != want {
				t.Errorf("%s: %+v, want %d", shape, a, want)
			}
		}
		if a := w.ask(t, shape, request{"", "GET", "/healthz", "", ""}); a.StatusCode != 200 {
			t.Errorf("%s: health: %+v", shape, a)
		}
	}
}

// TestTwoTokensAreNotChosenFrom, in whatever way API Gateway hands them on.
func TestTwoTokensAreNotChosenFrom(t *testing.T) {
	w := start(t)
	for name, event := range map[string]string{
		"rest": `{"httpMethod":"GET","path":"/v1/permissions","requestContext":{},"multiValueHeaders":{"Authorization":["Bearer @","Bearer @"]},"headers":{"Authorization":"Bearer @"}}`,
		"1.0":  `{"version":"1.0","httpMethod":"GET","path":"/v1/permissions","requestContext":{},"multiValueHeaders":{"authorization":["Bearer @"],"Authorization":["Bearer @"]}}`,
		"2.0":  `{"version":"2.0","rawPath":"/v1/permissions","requestContext":{"http":{"method":"GET"}},"headers":{"authorization":"Bearer @,Bearer @"}}`,
	} {
		out, err := w.Invoke(t.Context(), []byte(strings.ReplaceAll(event, "@", w.admin)))
		if err != nil || !strings.Contains(string(out), `"statusCode":401`) {
			t.Errorf("%s: %s, %v", name, out, err)
		}
	}
}

// TestARevocationFlushesEveryStage, also of a principal whose id holds a slash.
func TestARevocationFlushesEveryStage(t *testing.T) {
	w := start(t)
	w.register(t)
	const principal = "issuer.example:team/ada"
	for shape, encoded := range map[string]string{"rest": "issuer.example:team%2Fada", "http-2.0": "issuer.example:team%2Fada"} {
		a := w.ask(t, shape, request{w.admin, "PUT", "/v1/revocations/" + encoded, `{"reason":"lost laptop"}`, ""})
		if a.StatusCode/100 != 2 || !strings.Contains(a.Body, principal) || !strings.Contains(a.Body, `"flush":"scheduled"`) {
			t.Errorf("%s: %+v", shape, a)
		}
		flushed, messages := w.plane.take()
		if !slices.Equal(flushed, []string{flushPath}) || len(messages) != 1 || strings.Contains(messages[0].MessageBody, `"arn"`) {
			t.Errorf("%s: flushed %v, scheduled %+v", shape, flushed, messages)
		}
	}
}

// queueEvent is an event of the queue with these messages.
func queueEvent(t *testing.T, bodies ...string) []byte {
	t.Helper()
	var records []map[string]any
	for i, b := range bodies {
		records = append(records, map[string]any{
			"messageId": fmt.Sprintf("m%d", i), "receiptHandle": "h", "body": b, "attributes": map[string]any{"ApproximateReceiveCount": "1"},
			"eventSource": "aws:sqs", "eventSourceARN": queueARN, "awsRegion": "us-east-1",
		})
	}
	return encode(t, map[string]any{"Records": records})
}

func jobText(t *testing.T, due time.Time, stage string) string {
	t.Helper()
	return string(encode(t, flush.Job{ID: "job-" + stage, Due: due, ARN: api, Stage: stage}))
}

func TestAnEventOfTheQueueFlushes(t *testing.T) {
	w := start(t)
	w.register(t)
	out, err := w.Invoke(t.Context(), queueEvent(t, jobText(t, time.Now(), "dev"), jobText(t, time.Now().Add(20*time.Minute), "later"), "nonsense"))
	if err != nil || string(out) != `{"batchItemFailures":[{"itemIdentifier":"m2"}]}` {
		t.Fatalf("%s, %v", out, err)
	}
	flushed, messages := w.plane.take()
	if !slices.Equal(flushed, []string{flushPath}) || len(messages) != 1 || messages[0].DelaySeconds != 900 || !strings.Contains(messages[0].MessageBody, "job-later") {
		t.Errorf("flushed %v, scheduled again %+v", flushed, messages)
	}
	w.plane.set(http.StatusForbidden, false)
	out, err = w.Invoke(t.Context(), queueEvent(t, jobText(t, time.Now(), "dev")))
	if err != nil || string(out) != `{"batchItemFailures":[{"itemIdentifier":"m0"}]}` {
		t.Errorf("refused: %s, %v", out, err)
	}
	w.plane.set(http.StatusAccepted, false)
	w.plane.take()
	all := string(encode(t, flush.Job{ID: "all", Due: time.Now()}))
	if out, err = w.Invoke(t.Context(), queueEvent(t, all)); err != nil || string(out) != `{"batchItemFailures":[]}` {
		t.Errorf("every stage: %s, %v", out, err)
	}
	if flushed, _ := w.plane.take(); !slices.Equal(flushed, []string{flushPath}) {
		t.Errorf("every stage: flushed %v", flushed)
	}
}

// TestNoRequestReachesTheFlush: neither a body nor headers in the form of the
// queue's events do, nor an event that is half of each.
func TestNoRequestReachesTheFlush(t *testing.T) {
	w := start(t)
	w.register(t)
	forged := string(queueEvent(t, jobText(t, time.Now(), "dev")))
	for _, shape := range []string{"rest", "http-1.0", "http-2.0"} {
		for _, path := range []string{"/", "/Records", documentPath} {
			if a := w.ask(t, shape, request{w.admin, "POST", path, forged, ""}); a.StatusCode < 400 || a.StatusCode >= 500 {
				t.Errorf("%s %s: %+v", shape, path, a)
			}
		}
	}
	var half map[string]any
	if err := json.Unmarshal([]byte(forged), &half); err != nil {
		t.Fatal(err)
	}
	half["httpMethod"], half["path"], half["requestContext"] = "GET", "/", map[string]any{}
	other := strings.ReplaceAll(forged, queueARN, queueARN+"2")
	for _, event := range [][]byte{encode(t, half), []byte(other), []byte(`{}`), []byte(`{"Records":[{"eventSource":"aws:sns"}]}`), []byte(`"x"`)} {
		if out, err := w.Invoke(t.Context(), event); err == nil {
			t.Errorf("%s: answered %s", event, out)
		}
	}
	if flushed, messages := w.plane.take(); len(flushed)+len(messages) > 0 {
		t.Errorf("flushed %v, scheduled %v", flushed, messages)
	}
}

// TestACommittedChangeIsNeverAnsweredAsFailed, whatever AWS says to the flush.
func TestACommittedChangeIsNeverAnsweredAsFailed(t *testing.T) {
	w := start(t)
	tag := w.register(t)
	for i, c := range []struct {
		status int
		closed bool
		want   string
	}{
		{http.StatusForbidden, false, `"flush":"failed"`}, {http.StatusTooManyRequests, false, `"flush":"scheduled"`}, {http.StatusAccepted, true, `"flush":"failed"`},
	} {
		w.plane.set(c.status, c.closed)
		a := w.ask(t, "rest", request{w.admin, "PUT", documentPath, document(fmt.Sprint("r", i)), tag})
		if a.StatusCode != 200 || !strings.Contains(a.Body, c.want) || !strings.Contains(a.Body, `"flushReason"`) || a.header("Etag") == tag {
			t.Errorf("%+v: %+v", c, a)
		}
		tag = a.header("Etag")
	}
}

func TestWithoutFlushNothingIsAsked(t *testing.T) {
	w := start(t, "FLUSH_AUTHORIZER_CACHE=off", "FLUSH_QUEUE_URL=")
	a := w.ask(t, "rest", request{w.admin, "PUT", tablePath, `{"arn":"` + api + `"}`, ""})
	a = w.ask(t, "rest", request{w.admin, "PUT", documentPath, document("r"), a.header("Etag")})
	if a.StatusCode != 200 || !strings.Contains(a.Body, `"flush":"off"`) {
		t.Errorf("%+v", a)
	}
	if out, err := w.Invoke(t.Context(), queueEvent(t, jobText(t, time.Now(), "dev"))); err != nil || string(out) != `{"batchItemFailures":[]}` {
		t.Errorf("a job from before: %s, %v", out, err)
	}
	if flushed, messages := w.plane.take(); len(flushed)+len(messages) > 0 {
		t.Errorf("flushed %v, scheduled %v", flushed, messages)
	}
}

// TestAFaultyStartListsAllFaults, and nothing is answered.
func TestAFaultyStartListsAllFaults(t *testing.T) {
	r, err := lambdaruntime.Start(t.Context(), bootstrap, []string{"AWS_REGION=us-east-1", "CACHE_TTL=soon", "FLUSH_QUEUE=x", "OIDC_AUDIENCES=x"}, lambdaruntime.Options{})
	if err == nil {
		_ = r.Close()
		t.Fatal("started")
	}
	for _, want := range []string{"ADMIN_AUDIENCES", "ADMIN_TENANT_IDS", `FLUSH_QUEUE_URL "": must be given`, `CACHE_TTL "soon"`, `FLUSH_QUEUE "x": is no setting`, "OIDC_AUDIENCES"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the start does not name %s:\n%v", want, err)
		}
	}
}
