package authorizer

import (
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"go.uber.org/zap"

	"scopegate/mapping"
	"scopegate/store"
	"scopegate/token"
)

// decision gathers what one request was decided by, for the answer and the log.
type decision struct {
	start         time.Time
	requestID     string
	event         event
	claims        token.Claims
	principal     string // of the claims
	served        store.Served
	held          mapping.Held
	verdict       mapping.Verdict
	reason        Reason
	refused       bool
	groupsUnknown bool
	tokenHit      bool
	compiledHit   bool
	bytes         int
}

// log writes the one line of a decision and gives back the error that leaves
// the function. No token, path or claim beyond the caller's identifiers is in
// it: paths hold what clients put there.
func (a *Authorizer) log(d *decision, err error) error {
	outcome := "deny"
	var f *Failure
	switch {
	case errors.As(err, &f):
		outcome, d.reason = "error", f.Reason
	case d.refused:
		outcome = "unauthorized"
	case d.verdict.Allowed:
		outcome = "allow"
	}
	fields := []zap.Field{
		zap.String("requestId", d.requestID),
		zap.String("decision", outcome),
		zap.String("reason", string(d.reason)),
		zap.String("principal", d.principal),
		zap.String("appid", d.claims.AppID),
		zap.String("api", d.event.ARN.API.ID()),
		zap.String("stage", d.event.ARN.API.Stage),
		zap.String("route", routeName(d.verdict)),
		zap.String("revision", d.served.Revision.String()),
		zap.String("table", d.served.How),
		zap.Bool("tokenHit", d.tokenHit),
		zap.Bool("policyHit", d.compiledHit),
		zap.Int("bytes", d.bytes),
		zap.String("shape", string(d.event.Shape)),
		zap.Int64("us", a.Now().Sub(d.start).Microseconds()),
	}
	if d.groupsUnknown {
		fields = append(fields, zap.Bool("groupsUnknown", true))
	}
	if d.refused {
		fields = append(fields, Metrics(a.Now(), []string{"reason"}, Measurement{Name: "TokenRefused", Unit: "Count", Value: 1})...)
	}
	if f == nil {
		a.Log.Info("decision", fields...)
		return err
	}
	if f.cause != nil {
		fields = append(fields, zap.NamedError("cause", f.cause))
	}
	measured := []Measurement{{Name: "Failed", Unit: "Count", Value: 1}}
	if f.Reason == TooLarge {
		fields = append(fields, zap.Int("maxBytes", a.MaxBytes))
		measured = append(measured, Measurement{Name: "PolicyTooLarge", Unit: "Count", Value: 1})
	}
	fields = append(fields, Metrics(a.Now(), []string{"reason"}, measured...)...)
	a.Log.Error("decision", fields...)
	return f
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
