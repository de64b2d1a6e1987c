//go:build deploy

package deploytest

import (
	"regexp"
	"slices"
	"strings"
)

// deaths are lines of the runtime about functions that cannot write one themselves
// (AWS: "Troubleshoot execution issues in Lambda", "Understanding the Lambda
// execution environment lifecycle").
var deaths = []string{
	"2026-11-22T02:00:00.000Z 6f9b Task timed out after 10.01 seconds",
	"INIT_REPORT Init Duration: 10000.00 ms Phase: init Status: timeout",
	"RequestId: 6f9b Error: Runtime exited with error: exit status 1 Runtime.ExitError",
	"INIT_REPORT Init Duration: 3.10 ms Phase: init Status: error Error Type: Runtime.InvalidEntrypoint",
}

var anyOf = regexp.MustCompile(`^\?"([^"]*)"$`)

// matches reads a filter pattern of which one term is enough, ?"a" ?"b" (AWS: "Filter
// pattern syntax"). Others match nothing here.
func matches(pattern, line string) bool {
	hit := false
	for _, term := range regexp.MustCompile(`[^\s"]*"[^"]*"|\S+`).FindAllString(pattern, -1) {
		m := anyOf.FindStringSubmatch(term)
		if m == nil {
			return false
		}
		hit = hit || strings.Contains(line, m[1])
	}
	return hit
}

// checkCrashes: of each authorizer somebody is told that it does not start, ends or
// takes too long, by the lines of its own log.
func checkCrashes(template object, alarms []alarm) []error {
	var f faults
	s := newStack(template, "aws")
	for _, function := range s.authorizers() {
		r, err := s.function(function)
		name, nameErr := s.nameOf(r)
		if err != nil || nameErr != nil {
			continue // told by others
		}
		for _, line := range deaths {
			if !slices.ContainsFunc(alarms, func(a alarm) bool { return s.counts(a, name, line) }) {
				f.add("no alarm on %s when its log says %q", function, line)
			}
		}
	}
	return f
}

// counts reports whether an alarm is on a metric that counts a line of a function's
// log.
func (s *stack) counts(a alarm, function, line string) bool {
	return slices.ContainsFunc(resources(s.template, "AWS::Logs::MetricFilter"), func(r resource) bool {
		group, _ := s.resource(targetOf(r.properties["LogGroupName"]))
		list, _ := r.properties["MetricTransformations"].([]any)
		return text(group.properties["LogGroupName"]) == "/aws/lambda/"+function && len(list) == 1 && len(a.dimensions) == 0 &&
			Part(list[0], "MetricNamespace") == a.namespace && Part(list[0], "MetricName") == a.metric && matches(text(r.properties["FilterPattern"]), line)
	})
}
