package authorizer

import (
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"go.uber.org/zap"

	"scopegate/mapping"
	"scopegate/store"
)

// decision gathers what one request was decided by, for the answer and the log.
// Requests use it one after another; between two of them it holds nothing of
// either.
type decision struct {
	began       time.Time
	start       time.Time // began, on the wall clock: Lambda freezes the other one
	requestID   string
	reader      eventReader
	event       event
	known       *known // nil until the token is verified
	served      store.Served
	grant       *grant // nil until the table is read
	held        mapping.Held
	verdict     mapping.Verdict
	reason      Reason
	refused     bool
	tokenHit    bool
	compiledHit bool
	bytes       int

	document []byte // of the answer
	fields   []zap.Field
}

func (d *decision) begin(now time.Time) { d.began, d.start = now, now.Round(0) }

// Room that a decision keeps for the next one.
const (
	mostRoom   = 64 << 10 // bytes of a document
	mostValues = 16       // of the Authorization header, or identity sources
)

// end makes d fit for the next request. What it kept room for is cleared: the
// texts are views of an event that is no more.
func (d *decision) end() {
	clear(d.fields)
	next := decision{document: d.document[:0], fields: d.fields[:0]}
	if cap(d.document) > mostRoom {
		next.document = nil
	}
	next.event.Authorization, next.event.Sources = emptied(d.event.Authorization), emptied(d.event.Sources)
	*d = next
}

func emptied(list []string) []string {
	if cap(list) > mostValues {
		return nil
	}
	clear(list[:cap(list)])
	return list[:0]
}

// log writes the one line of a decision and gives back the error that leaves
// the function. No token, path or claim beyond the caller's identifiers is in
// it: paths hold what clients put there.
func (a *Authorizer) log(d *decision, err error) error {
	if err == nil || errors.Is(err, errUnauthorized) {
		if line := a.Log.Check(zap.InfoLevel, "decision"); line != nil {
			a.describe(d, d.outcome())
			line.Write(d.fields...)
		}
		return err
	}
	return a.logFailure(d, err)
}

func (d *decision) outcome() string {
	switch {
	case d.refused:
		return "unauthorized"
	case d.verdict.Allowed:
		return "allow"
	}
	return "deny"
}

func (a *Authorizer) logFailure(d *decision, err error) error {
	var f *Failure
	if !errors.As(err, &f) {
		f = &Failure{Reason: Internal, cause: err}
	}
	d.reason = f.Reason
	a.describe(d, "error")
	fields := d.fields
	if f.cause != nil {
		fields = append(fields, zap.NamedError("cause", f.cause))
	}
	measured := []Measurement{{Name: "Failed", Unit: "Count", Value: 1}}
	if f.Reason == TooLarge {
		fields = append(fields, zap.Int("maxBytes", a.MaxBytes))
		measured = append(measured, Measurement{Name: "PolicyTooLarge", Unit: "Count", Value: 1})
	}
	d.fields = append(fields, Metrics(a.Now(), []string{"reason"}, measured...)...)
	a.Log.Error("decision", d.fields...)
	return f
}

// describe fills the fields of the line.
func (a *Authorizer) describe(d *decision, outcome string) {
	var principal, appID, revision string
	if d.known != nil {
		principal, appID = d.known.principal, d.known.claims.AppID
	}
	if d.grant != nil {
		revision = d.grant.revisionText
	} else {
		revision = d.served.Revision.String()
	}
	api := d.event.ARN.API
	d.fields = append(d.fields[:0],
		zap.String("requestId", d.requestID),
		zap.String("decision", outcome),
		zap.String("reason", string(d.reason)),
		zap.String("principal", principal),
		zap.String("appid", appID),
		zap.String("api", api.ID()),
		zap.String("stage", api.Stage),
		zap.String("route", routeName(d.verdict)),
		zap.String("revision", revision),
		zap.String("table", d.served.How),
		zap.Bool("tokenHit", d.tokenHit),
		zap.Bool("policyHit", d.compiledHit),
		zap.Int("bytes", d.bytes),
		zap.String("shape", string(d.event.Shape)),
		zap.Int64("us", a.Now().Sub(d.began).Microseconds()),
	)
	if d.grant != nil && d.grant.groupsUnknown {
		d.fields = append(d.fields, zap.Bool("groupsUnknown", true))
	}
	if d.refused {
		d.fields = append(d.fields, Metrics(a.Now(), []string{"reason"}, Measurement{Name: "TokenRefused", Unit: "Count", Value: 1})...)
	}
}

func routeName(v mapping.Verdict) string {
	if v.Route == nil {
		return ""
	}
	return v.Route.String()
}

// Measurement is one value of a metric.
type Measurement struct {
	Name  string
	Unit  string // CloudWatch's: Count, Seconds
	Value int64
}

// Metric makes a log line count one of a metric.
func Metric(at time.Time, name string) []zap.Field {
	return Metrics(at, nil, Measurement{Name: name, Unit: "Count", Value: 1})
}

// Metrics makes a log line measure: CloudWatch reads it out of the line (AWS:
// "CloudWatch embedded metric format"). The values are in sum and, where by names
// fields of the line, also by each combination of those fields' values: name only
// fields that have few. On Lambda all of it is by the function's name: stages that
// share an account must not ring each other's alarms.
func Metrics(at time.Time, by []string, list ...Measurement) []zap.Field {
	var fields []zap.Field
	sum := []string{}
	if name := lambdacontext.FunctionName; name != "" {
		sum = append(sum, "function")
		fields = append(fields, zap.String("function", name))
	}
	dimensions := [][]string{sum}
	if len(by) > 0 {
		dimensions = append(dimensions, slices.Concat(sum, by))
	}
	metrics := make([]map[string]string, len(list))
	for i, m := range list {
		metrics[i] = map[string]string{"Name": m.Name, "Unit": m.Unit}
	}
	fields = append(fields, zap.Any("_aws", map[string]any{
		"Timestamp": at.UnixMilli(),
		"CloudWatchMetrics": []map[string]any{{
			"Namespace": "Scopegate", "Dimensions": dimensions, "Metrics": metrics,
		}},
	}))
	for _, m := range list {
		fields = append(fields, zap.Int64(m.Name, m.Value))
	}
	return fields
}
