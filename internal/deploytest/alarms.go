//go:build deploy

package deploytest

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// datum is one value of a metric, as CloudWatch keeps it: a metric is its name with
// exactly these dimensions (AWS: "Metrics concepts").
type datum struct {
	namespace, metric string
	dimensions        map[string]string
	value             float64
}

func (d datum) String() string {
	return fmt.Sprintf("%s %s %v", d.namespace, d.metric, d.dimensions)
}

// dataOf reads the metrics out of a log line (AWS: "Specification: embedded metric
// format"). A line without any gives none.
func dataOf(line []byte) ([]datum, error) {
	var directives struct {
		AWS struct {
			CloudWatchMetrics []struct {
				Namespace  string
				Dimensions [][]string
				Metrics    []struct{ Name, Unit string }
			}
		} `json:"_aws"`
	}
	var members map[string]any
	if err := json.Unmarshal(line, &directives); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(line, &members); err != nil {
		return nil, err
	}
	var all []datum
	for _, d := range directives.AWS.CloudWatchMetrics {
		for _, names := range d.Dimensions {
			dimensions := map[string]string{}
			for _, name := range names {
				value, ok := members[name].(string)
				if !ok {
					return nil, fmt.Errorf("dimension %s: is no field of the line", name)
				}
				dimensions[name] = value
			}
			for _, m := range d.Metrics {
				value, ok := members[m.Name].(float64)
				if !ok {
					return nil, fmt.Errorf("metric %s: is no field of the line", m.Name)
				}
				all = append(all, datum{d.Namespace, m.Name, dimensions, value})
			}
		}
	}
	return all, nil
}

// alarm is one alarm with values.
type alarm struct {
	id                string
	namespace, metric string
	dimensions        map[string]string
	statistic         string
	comparison        string
	threshold         float64
}

func (s *stack) alarm(r resource) (alarm, error) {
	p, err := s.resolved(r)
	if err != nil {
		return alarm{}, err
	}
	a := alarm{id: r.id, dimensions: map[string]string{}}
	a.namespace, _ = p["Namespace"].(string)
	a.metric, _ = p["MetricName"].(string)
	a.statistic, _ = p["Statistic"].(string)
	a.comparison, _ = p["ComparisonOperator"].(string)
	a.threshold, _ = p["Threshold"].(float64)
	list, _ := p["Dimensions"].([]any)
	for _, one := range list {
		d, _ := one.(object)
		a.dimensions[fmt.Sprint(d["Name"])] = fmt.Sprint(d["Value"])
	}
	return a, nil
}

// rings says whether an alarm goes off while a metric goes on like this: values are
// those of one period.
func (a alarm) rings(data []datum) bool {
	sum, most, n := 0.0, 0.0, 0
	for _, d := range data {
		if d.namespace == a.namespace && d.metric == a.metric && maps.Equal(d.dimensions, a.dimensions) {
			sum, most, n = sum+d.value, max(most, d.value), n+1
		}
	}
	value, ok := map[string]float64{"Sum": sum, "Maximum": most}[a.statistic]
	if n == 0 || !ok {
		return false
	}
	switch a.comparison {
	case "GreaterThanOrEqualToThreshold":
		return value >= a.threshold
	case "GreaterThanThreshold":
		return value > a.threshold
	}
	return false
}

// measures are AWS's own metrics that alarms may be on: with the dimension that
// they have, and whether one of it is a fault. (AWS: "Types of metrics for Lambda
// functions", "Available CloudWatch metrics for Amazon SQS".)
var measures = map[string]string{
	"AWS/Lambda Errors": "FunctionName", "AWS/Lambda Throttles": "FunctionName", "AWS/Lambda Duration": "FunctionName",
	"AWS/Lambda Invocations": "FunctionName", "AWS/Lambda ConcurrentExecutions": "FunctionName",
	"AWS/SQS ApproximateNumberOfMessagesVisible": "QueueName", "AWS/SQS ApproximateAgeOfOldestMessage": "QueueName",
	"AWS/SQS ApproximateNumberOfMessagesDelayed": "QueueName", "AWS/SQS ApproximateNumberOfMessagesNotVisible": "QueueName",
}

// watched is what somebody must be told of: whose metric, by the function's name in
// serverless.yml or the queue's place.
var watched = map[string][]string{
	"authorizer": {"Scopegate Failed", "Scopegate PolicyTooLarge", "Scopegate StaleTable", "Scopegate StaleRevocations", "Scopegate KeyAge", "AWS/Lambda Throttles"},
	"admin":      {"Scopegate FlushFailed", "Scopegate KeyAge", "AWS/Lambda Errors", "AWS/Lambda Throttles"},
	"queue":      {"AWS/SQS ApproximateAgeOfOldestMessage"},
	"dead":       {"AWS/SQS ApproximateNumberOfMessagesVisible"},
}

// names are those that the alarms of each of watched are by.
func (s *stack) names() (map[string]string, error) {
	all := map[string]string{}
	for _, function := range append(s.authorizers(), "admin") {
		r, err := s.function(function)
		if err != nil {
			return nil, err
		}
		if all[function], err = s.nameOf(r); err != nil {
			return nil, err
		}
	}
	q, err := s.flushQueue()
	if err != nil {
		return nil, err
	}
	if all["queue"], err = s.nameOf(q); err != nil {
		return nil, err
	}
	dead, ok := s.resource(targetOf(Part(q.properties, "RedrivePolicy", "deadLetterTargetArn")))
	if !ok {
		return nil, fmt.Errorf("%s: has no dead-letter queue", q.id)
	}
	all["dead"], err = s.nameOf(dead)
	return all, err
}

// checkAlarms: each alarm is on a metric that exists, rings when something is
// wrong, and not when nothing is. healthy and broken are what the functions' log
// lines measure.
func checkAlarms(template object, healthy, broken []datum) []error {
	var f faults
	s := newStack(template, "aws")
	var alarms []alarm
	for _, r := range resources(template, "AWS::CloudWatch::Alarm") {
		a, err := s.alarm(r)
		if err != nil {
			f = append(f, err)
			continue
		}
		alarms = append(alarms, a)
		f.want(r.id+": TreatMissingData", r.properties["TreatMissingData"], "notBreaching")
		f.evaluated(r)
		f.sound(s, a, healthy, broken)
	}
	names, err := s.names()
	if err != nil {
		return append(f, err)
	}
	for who := range names {
		metrics := watched[strings.TrimSuffix(who, "Simple")]
		for _, metric := range metrics {
			found := slices.ContainsFunc(alarms, func(a alarm) bool {
				return a.namespace+" "+a.metric == metric && slices.Contains(slices.Collect(maps.Values(a.dimensions)), names[who])
			})
			if !found {
				f.add("no alarm on %s of %s (%s)", metric, who, names[who])
			}
		}
	}
	f = append(f, checkCrashes(template, alarms)...)
	for _, a := range alarms {
		// Lambda counts every 401 as an error: anybody could ring that.
		if a.namespace+" "+a.metric == "AWS/Lambda Errors" && a.dimensions["FunctionName"] != names["admin"] {
			f.add("%s: must not be on the authorizer's Errors, a refused token is one", a.id)
		}
	}
	return f
}

// evaluated: it is looked at as CloudWatch can, and somebody is told (AWS:
// PutMetricAlarm: Period, EvaluationPeriods, DatapointsToAlarm, ActionsEnabled).
func (f *faults) evaluated(r resource) {
	period, _ := r.properties["Period"].(float64)
	times, _ := r.properties["EvaluationPeriods"].(float64)
	enough, given := r.properties["DatapointsToAlarm"].(float64)
	if int(period) < 60 || int(period)%60 != 0 || times < 1 || period*times > 3600 {
		f.add("%s: Period %v, EvaluationPeriods %v: must be minutes, and an hour at most in all", r.id, period, times)
	}
	if given && (enough < 1 || enough > times) {
		f.add("%s: DatapointsToAlarm %v: must be 1 to %v, the periods that are looked at", r.id, enough, times)
	}
	if enabled := r.properties["ActionsEnabled"]; enabled != nil && enabled != true {
		f.add("%s: ActionsEnabled: must not be off", r.id)
	}
}

// sound is of one alarm: does it measure anything, and the right thing.
func (f *faults) sound(s *stack, a alarm, healthy, broken []datum) {
	if a.namespace == "Scopegate" {
		if !a.rings(broken) {
			f.add("%s: never rings: not on %s %s %v, of what the functions measure when it should", a.id, a.metric, a.statistic, a.dimensions)
		}
		if a.rings(healthy) {
			f.add("%s: rings while nothing is wrong", a.id)
		}
		return
	}
	dimension, ok := measures[a.namespace+" "+a.metric]
	if !ok {
		if !s.filtered(a.namespace, a.metric) {
			f.add("%s: metric %s %s: nobody measures it", a.id, a.namespace, a.metric)
		}
		return
	}
	name := a.dimensions[dimension]
	if len(a.dimensions) != 1 || !s.has(dimension, name) {
		f.add("%s: dimensions %v: must be %s of this template alone", a.id, a.dimensions, dimension)
	}
	if a.threshold <= 0 || !a.rings([]datum{{a.namespace, a.metric, a.dimensions, a.threshold + 1}}) {
		f.add("%s: threshold %v by %s, %s: never rings, or always", a.id, a.threshold, a.statistic, a.comparison)
	}
}

// filtered reports whether a filter of the template counts the metric in a log
// group of the template.
func (s *stack) filtered(namespace, metric string) bool {
	for _, r := range resources(s.template, "AWS::Logs::MetricFilter") {
		group, ok := s.resource(targetOf(r.properties["LogGroupName"]))
		list, _ := r.properties["MetricTransformations"].([]any)
		for _, one := range list {
			if Part(one, "MetricNamespace") == namespace && Part(one, "MetricName") == metric && ok && group.kind == "AWS::Logs::LogGroup" {
				return true
			}
		}
	}
	return false
}

// has reports whether a function, or a queue, of the template has the name.
func (s *stack) has(dimension, name string) bool {
	kind := map[string]string{"FunctionName": "AWS::Lambda::Function", "QueueName": "AWS::SQS::Queue"}[dimension]
	return slices.ContainsFunc(resources(s.template, kind), func(r resource) bool {
		called, err := s.nameOf(r)
		return err == nil && called == name
	})
}

var search = regexp.MustCompile(`^SEARCH\('\{([^}]*)\} MetricName="([^"]*)" function="([^"]*)"'`)

// checkDashboard: each of its metrics exists.
func checkDashboard(template object, data []datum) []error {
	var f faults
	s := newStack(template, "aws")
	all := resources(template, "AWS::CloudWatch::Dashboard")
	if len(all) != 1 {
		f.add("the template has %d dashboards, must have one", len(all))
	}
	for _, r := range all {
		body, err := s.value(r.properties["DashboardBody"])
		if err != nil {
			f = append(f, err)
			continue
		}
		var dashboard struct {
			Widgets []struct{ Properties struct{ Metrics [][]any } }
		}
		if err := json.Unmarshal([]byte(fmt.Sprint(body)), &dashboard); err != nil || len(dashboard.Widgets) == 0 {
			f.add("%s: DashboardBody: must be JSON with widgets (%v)", r.id, err)
		}
		for _, w := range dashboard.Widgets {
			for _, m := range w.Properties.Metrics {
				if !s.shows(m, data) {
					f.add("%s: metric %v: nobody measures it", r.id, m)
				}
			}
		}
	}
	return f
}

// shows reports whether a line of a widget (AWS: "Dashboard body structure and
// syntax") is on something that is measured.
func (s *stack) shows(line []any, data []datum) bool {
	if o, ok := line[0].(object); ok {
		m := search.FindStringSubmatch(fmt.Sprint(o["expression"]))
		return m != nil && slices.ContainsFunc(data, func(d datum) bool {
			names := strings.Split(m[1], ",")
			slices.Sort(names[1:])
			return d.namespace == names[0] && slices.Equal(slices.Sorted(maps.Keys(d.dimensions)), names[1:]) &&
				d.metric == m[2] && d.dimensions["function"] == m[3]
		})
	}
	var words []string
	for _, w := range line {
		if text, ok := w.(string); ok {
			words = append(words, text)
		}
	}
	if len(words) < 2 || len(words)%2 != 0 {
		return false
	}
	dimensions := map[string]string{}
	for i := 2; i < len(words); i += 2 {
		dimensions[words[i]] = words[i+1]
	}
	if dimension, ok := measures[words[0]+" "+words[1]]; ok {
		return len(dimensions) == 1 && s.has(dimension, dimensions[dimension])
	}
	return slices.ContainsFunc(data, func(d datum) bool {
		return d.namespace == words[0] && d.metric == words[1] && maps.Equal(d.dimensions, dimensions)
	})
}
