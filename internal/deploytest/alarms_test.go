//go:build deploy

package deploytest

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"scopegate/internal/dynamotest"
	"scopegate/internal/flush"
	"scopegate/internal/idp"
	"scopegate/internal/wiring"
)

// measured is what the log lines of both functions measure, while all is well and
// in every kind of outage. It must not run beside tests that log: the name of the
// function is the process's, as on Lambda.
func measured(t *testing.T, s *stack) (healthy, broken []datum) {
	t.Helper()
	names, err := s.names()
	if err != nil {
		t.Fatal(err)
	}
	was := lambdacontext.FunctionName
	t.Cleanup(func() { lambdacontext.FunctionName = was })
	w := newWorld(t, s, dynamotest.Endpoint(t))
	fill(t, w)
	w.log.take(t)

	lambdacontext.FunctionName = names["authorizer"]
	parts := w.healthy(w.mint(idp.Spec{Scopes: []string{"orders.7"}}))
	healthy = w.log.take(t)
	w.breakAuthorizer(parts)
	broken = w.log.take(t)

	lambdacontext.FunctionName = names["admin"]
	h, b := w.breakAdmin()
	return append(healthy, h...), append(broken, b...)
}

// wantError is an error with a text, "" being none.
func wantError(t *testing.T, text string, err error) {
	t.Helper()
	if (err == nil) != (text == "") || err != nil && !strings.Contains(err.Error(), text) {
		t.Fatalf("answered %v, want %q", err, text)
	}
}

func (w *world) breakAuthorizer(parts *wiring.Parts) {
	w.t.Helper()
	wantError(w.t, "Unauthorized", w.ask(parts, restID, w.mint(idp.Spec{Expired: true})))
	w.wire.Decide(func(string, int) dynamotest.Fate { return dynamotest.Refuse })
	w.later(31 * time.Second) // CACHE_TTL is over
	wantError(w.t, "", w.ask(parts, restID, w.mint(idp.Spec{Scopes: []string{"orders.7"}})))
	w.later(time.Hour) // CACHE_MAX_STALE too
	wantError(w.t, "table_unavailable", w.ask(parts, restID, w.mint(idp.Spec{Scopes: []string{"orders.7"}})))
	w.wire.Decide(nil)
	w.provider.Fail(idp.Down)
	w.later(3 * time.Hour)
	wantError(w.t, "", w.askPatiently(parts, restID, w.mint(idp.Spec{Scopes: []string{"orders.7"}})))
	w.provider.Fail(idp.Healthy)

	const scopes = "orders.1 orders.2 orders.3 orders.4 orders.5 orders.6 orders.7 orders.8 orders.9 orders.10 orders.11 orders.12"
	small := w.authorizer("POLICY_MAX_BYTES=1024")
	wantError(w.t, "policy_too_large", w.askPatiently(small, restID, w.mint(idp.Spec{Scopes: strings.Fields(scopes)})))
}

// breakAdmin has flushes refused: there is no API Gateway at all.
func (w *world) breakAdmin() (healthy, broken []datum) {
	w.t.Helper()
	r := newRecorder()
	c := client{w, w.admin(r.plane(w.t, w.stack)), w.adminToken()}
	c.send("GET", "/v1/apis", "", "")
	one, err := json.Marshal(flush.Job{ID: "one", Due: w.now(), ARN: w.arn(restID), Stage: "dev"})
	if err != nil {
		w.t.Fatal(err)
	}
	c.flush(true, string(one))
	healthy = w.log.take(w.t)

	nowhere := client{w, w.admin("http://127.0.0.1:1"), c.token}
	nowhere.flush(false, string(one))
	w.provider.Fail(idp.Down)
	w.later(3 * time.Hour)
	nowhere.token = w.adminToken()
	nowhere.send("GET", "/v1/apis", "", "")
	return healthy, w.log.take(w.t)
}

// TestAlarmsRingWhenSomethingIsWrong, and not when nothing is: each is on what the
// log lines of the very code measure.
func TestAlarmsRingWhenSomethingIsWrong(t *testing.T) {
	template := Package(t, ".")
	s := newStack(template, "aws")
	healthy, broken := measured(t, s)
	wantNone(t, checkAlarms(template, healthy, broken))
	wantNone(t, checkDashboard(template, append(healthy, broken...)))
	every := everything(t)
	names, err := newStack(every, "aws").names()
	if err != nil {
		t.Fatal(err)
	}
	var renamed [2][]datum // the second authorizer is the same program
	for i, data := range [][]datum{healthy, broken} {
		for _, d := range data {
			renamed[i] = append(renamed[i], s.sameProgram(d, names)...)
		}
	}
	wantNone(t, checkAlarms(every, renamed[0], renamed[1]))
	wantNone(t, checkDashboard(every, append(renamed[0], renamed[1]...)))
	for _, c := range alarmFaults {
		t.Run(c.name, func(t *testing.T) {
			spoiled := c.spoil(t, template)
			found(t, c.says, append(checkAlarms(spoiled, healthy, broken), checkDashboard(spoiled, append(healthy, broken...))...))
		})
	}
}

// sameProgram is what the functions of another stack, by their names, measure where
// those of s measure d.
func (s *stack) sameProgram(d datum, names map[string]string) []datum {
	own, err := s.names()
	if err != nil {
		return nil
	}
	var all []datum
	for who, name := range names {
		if own[strings.TrimSuffix(who, "Simple")] == d.dimensions["function"] {
			to := d
			to.dimensions = maps.Clone(d.dimensions)
			to.dimensions["function"] = name
			all = append(all, to)
		}
	}
	return all
}

// alarmFaults are alarms that never ring, or always, or are not there.
var alarmFaults = []fault{
	{"an alarm on a metric by another dimension", putAt("stage", "Resources", "AuthorizerFailed", "Properties", "Dimensions", 0, "Name"), "AuthorizerFailed: never rings"},
	{"an alarm on another function's metric", putAt("scopegate-example-admin", "Resources", "AuthorizerStaleTable", "Properties", "Dimensions", 0, "Value"), "AuthorizerStaleTable: never rings"},
	{"an alarm without a dimension", dropAt("Resources", "AuthorizerPolicyTooLarge", "Properties", "Dimensions"), "AuthorizerPolicyTooLarge: never rings"},
	{"an alarm on a misspelt metric", putAt("StaleRevocation", "Resources", "AuthorizerStaleRevocations", "Properties", "MetricName"), "AuthorizerStaleRevocations: never rings"},
	{"an alarm in another namespace", putAt("ScopeGate", "Resources", "FlushFailed", "Properties", "Namespace"), "nobody measures it"},
	{"an alarm that is always on", putAt(0.0, "Resources", "AuthorizerKeyAge", "Properties", "Threshold"), "AuthorizerKeyAge: rings while nothing is wrong"},
	{"an alarm that waits too long", putAt(20000.0, "Resources", "AuthorizerKeyAge", "Properties", "Threshold"), "AuthorizerKeyAge: never rings"},
	{"an alarm that is missing", dropAt("Resources", "AuthorizerThrottles"), "no alarm on AWS/Lambda Throttles of authorizer"},
	{"no alarm on keys of the admin function", dropAt("Resources", "AdminKeyAge"), "no alarm on Scopegate KeyAge of admin"},
	{"no alarm on flushes that wait", dropAt("Resources", "FlushLate"), "no alarm on AWS/SQS ApproximateAgeOfOldestMessage of queue"},
	{"no alarm on crashes", dropAt("Resources", "AuthorizerCrashed"), "no alarm on authorizer when its log says"},
	{"a filter that wants all of its words", putAt(`"Runtime.ExitError" "Task timed out"`, "Resources", "AuthorizerCrashes", "Properties", "FilterPattern"), "no alarm on authorizer when its log says"},
	{"an alarm that needs more than it looks at", putAt(4.0, "Resources", "FlushFailed", "Properties", "DatapointsToAlarm"), "FlushFailed: DatapointsToAlarm 4"},
	{"an alarm that looks once a week", putAt(604800.0, "Resources", "AuthorizerFailed", "Properties", "Period"), "AuthorizerFailed: Period"},
	{"an alarm that tells nobody", putAt(false, "Resources", "AuthorizerFailed", "Properties", "ActionsEnabled"), "AuthorizerFailed: ActionsEnabled"},
	{"an alarm that missing data ring", putAt("breaching", "Resources", "AdminErrors", "Properties", "TreatMissingData"), "TreatMissingData"},
	{"an alarm that anybody can ring", putAt("scopegate-example-authorizer", "Resources", "AdminErrors", "Properties", "Dimensions", 0, "Value"), "must not be on the authorizer's Errors"},
	{"an alarm on the wrong queue", putAt("FlushQueue", "Resources", "FlushDeadLetter", "Properties", "Dimensions", 0, "Value", "Fn::GetAtt", 0), "no alarm on AWS/SQS ApproximateNumberOfMessagesVisible of dead"},
	{"a dashboard without metrics", putAt(`{"widgets":[{"properties":{"metrics":[["Scopegate","Failed","function","other"]]}}]}`, "Resources", "Dashboard", "Properties", "DashboardBody"), "nobody measures it"},
}
