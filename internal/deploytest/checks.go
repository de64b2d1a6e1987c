//go:build deploy

package deploytest

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"scopegate/internal/config"
	"scopegate/internal/flush"
	awsflush "scopegate/internal/flush/aws"
	"scopegate/migrations"
)

// faults gathers what a check finds.
type faults []error

func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Errorf(format, args...)) }

// want reports a value that is another than it must be.
func (f *faults) want(where string, got, want any) {
	if fmt.Sprint(got) != fmt.Sprint(want) {
		f.add("%s: is %v, must be %v", where, got, want)
	}
}

// resolved are the properties of a resource, with values.
func (s *stack) resolved(r resource) (object, error) {
	got, err := s.value(r.properties)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.id, err)
	}
	return got.(object), nil
}

// checkTable: what would be lost, or be dear, if it were otherwise. A stack that
// uses a table that exists has none of its own.
func checkTable(template object) []error {
	var f faults
	all := resources(template, "AWS::DynamoDB::Table")
	_, adopted := Part(template, "Resources", "AuthorizerLambdaFunction", "Properties", "Environment", "Variables", "TABLE_NAME").(string)
	if adopted && len(all) == 0 {
		return nil
	}
	if len(all) != 1 || adopted {
		f.add("the template has %d tables, must have one", len(all))
		return f
	}
	r := all[0]
	f.want(r.id+": DeletionPolicy", r.all["DeletionPolicy"], "Retain")
	f.want(r.id+": UpdateReplacePolicy", r.all["UpdateReplacePolicy"], "Retain")
	if _, named := r.properties["TableName"]; named {
		f.add("%s: TableName: must not be given, a retained table would stand in the way of the next stack", r.id)
	}
	wanted := object{
		"BillingMode": "PAY_PER_REQUEST", "DeletionProtectionEnabled": true,
		"PointInTimeRecoverySpecification": object{"PointInTimeRecoveryEnabled": true},
		"SSESpecification":                 object{"SSEEnabled": true},
		"TimeToLiveSpecification":          object{"AttributeName": migrations.TTLAttribute, "Enabled": true},
		"KeySchema":                        []any{object{"AttributeName": "pk", "KeyType": "HASH"}, object{"AttributeName": "sk", "KeyType": "RANGE"}},
		"AttributeDefinitions":             []any{object{"AttributeName": "pk", "AttributeType": "S"}, object{"AttributeName": "sk", "AttributeType": "S"}},
	}
	for name, want := range wanted {
		f.want(r.id+": "+name, r.properties[name], want)
	}
	for name := range r.properties {
		if _, ok := wanted[name]; !ok && name != "TableName" {
			f.add("%s: %s: must not be given: nothing reads it", r.id, name)
		}
	}
	return f
}

// checkLogs: nothing is kept for ever.
func checkLogs(template object) []error {
	var f faults
	s := newStack(template, "aws")
	groups := map[string]any{}
	for _, r := range resources(template, "AWS::Logs::LogGroup") {
		p, err := s.resolved(r)
		if err != nil {
			f = append(f, err)
			continue
		}
		groups[fmt.Sprint(p["LogGroupName"])] = p["RetentionInDays"]
	}
	for _, r := range resources(template, "AWS::Lambda::Function") {
		name, err := s.nameOf(r)
		days, ok := groups["/aws/lambda/"+name].(float64)
		if err != nil || !ok || days < 1 {
			f.add("%s: has no log group of its name with RetentionInDays: its log would be kept for ever", r.id)
		}
	}
	return f
}

// checkFunctions: how they run, and that they start with the settings they are
// given.
func checkFunctions(template object) []error {
	var f faults
	s := newStack(template, "aws")
	for _, r := range resources(template, "AWS::Lambda::Function") {
		p := r.properties
		f.want(r.id+": Runtime", p["Runtime"], "provided.al2023")
		f.want(r.id+": Architectures", p["Architectures"], []any{"arm64"})
		f.want(r.id+": Handler", p["Handler"], "bootstrap")
		if memory, _ := p["MemorySize"].(float64); memory < 128 {
			f.add("%s: MemorySize %v: must be 128 at least", r.id, p["MemorySize"])
		}
	}
	f.zip(s, "admin", "admin.zip")
	f.seconds(s, "admin", 21, 30) // a flush job takes 20 s (flush.Coordinator.Run); an HTTP API waits 30
	f.settings(s, "admin", config.AdminAPI)
	for _, name := range s.authorizers() {
		f.zip(s, name, "authorizer.zip")
		f.seconds(s, name, 1, 10) // AWS: "Control access to HTTP APIs with AWS Lambda authorizers"
		f.settings(s, name, config.Authorizer)
		authorizer, err := s.function(name)
		if err != nil {
			continue // told already
		}
		if d := secondsOf(authorizer.properties["Timeout"]); d >= flush.Settle {
			f.add("%s: Timeout %s: must be less than flush.Settle, %s: an answer from the old table would outlive the second flush", authorizer.id, d, flush.Settle)
		}
	}
	return f
}

// zip: a function runs its own program.
func (f *faults) zip(s *stack, function, name string) {
	r, _ := s.function(function) // told by seconds if it is missing
	if key := text(Part(r.properties, "Code", "S3Key")); path.Base(key) != name {
		f.add("function %s: Code %s: must be %s", function, key, name)
	}
}

func (f *faults) seconds(s *stack, function string, least, most int) {
	r, err := s.function(function)
	if err != nil {
		*f = append(*f, err)
		return
	}
	if n, ok := r.properties["Timeout"].(float64); !ok || n < float64(least) || n > float64(most) {
		f.add("%s: Timeout %v: must be %d to %d s", r.id, r.properties["Timeout"], least, most)
	}
}

func secondsOf(v any) time.Duration {
	n, _ := v.(float64)
	return time.Duration(n * float64(time.Second))
}

// environment is that of a function, as os.Environ gives it.
func (s *stack) environment(function string) ([]string, error) {
	r, err := s.function(function)
	if err != nil {
		return nil, err
	}
	p, err := s.resolved(r)
	if err != nil {
		return nil, err
	}
	variables, _ := Part(p, "Environment", "Variables").(object)
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		lines = append(lines, fmt.Sprintf("%s=%v", name, variables[name]))
	}
	return lines, nil
}

// settings loads the function's settings as it does itself when it starts.
func (f *faults) settings(s *stack, function string, role config.Role) {
	environ, err := s.environment(function)
	if err != nil {
		*f = append(*f, err)
		return
	}
	settings, err := config.Load(environ, role)
	if err != nil {
		f.add("function %s: would not start: %w", function, err)
		return
	}
	held, err := s.roleOf(function)
	if err != nil {
		*f = append(*f, err)
		return
	}
	for _, action := range []string{"dynamodb:GetItem", "dynamodb:Query"} {
		c := call{action, s.arn("AWS::DynamoDB::Table", settings.TableName), map[string][]string{leadingKeys: {"apis"}}}
		if !allows(held.policy, c) {
			f.add("function %s: TABLE_NAME %s: its role does not allow %s", function, settings.TableName, c)
		}
	}
	if role != config.AdminAPI || !settings.Admin.Flush {
		return
	}
	if err := awsflush.CheckQueue(settings.Admin.FlushQueue); err != nil {
		f.add("function %s: FLUSH_QUEUE_URL %s: %w", function, settings.Admin.FlushQueue, err)
	}
	queue, err := s.flushQueue()
	if err != nil {
		*f = append(*f, err)
		return
	}
	if url, _ := s.refOf(queue); url != settings.Admin.FlushQueue {
		f.add("function %s: FLUSH_QUEUE_URL %s: must be the queue whose messages it gets, %v", function, settings.Admin.FlushQueue, url)
	}
}

// flushQueue is the queue whose messages the admin function gets.
func (s *stack) flushQueue() (resource, error) {
	admin, err := s.function("admin")
	if err != nil {
		return resource{}, err
	}
	for _, m := range resources(s.template, "AWS::Lambda::EventSourceMapping") {
		if targetOf(m.properties["FunctionName"]) == admin.id {
			q, ok := s.resource(targetOf(m.properties["EventSourceArn"]))
			if ok && q.kind == "AWS::SQS::Queue" {
				return q, nil
			}
		}
	}
	return resource{}, errors.New("no queue of the template has its messages sent to the admin function")
}

// checkQueue: how jobs are kept, handed out and given up.
func checkQueue(template object) []error {
	var f faults
	s := newStack(template, "aws")
	q, err := s.flushQueue()
	if err != nil {
		return []error{err}
	}
	admin, _ := s.function("admin")
	// AWS: "Using Lambda with Amazon SQS": no less than the function's time-out.
	if seen, runs := secondsOf(q.properties["VisibilityTimeout"]), secondsOf(admin.properties["Timeout"]); seen < runs {
		f.add("%s: VisibilityTimeout %s: must not be less than the function's Timeout, %s", q.id, seen, runs)
	}
	if d := q.properties["DelaySeconds"]; d != nil {
		f.add("%s: DelaySeconds %v: must not be given, each message has its own", q.id, d)
	}
	if q.properties["FifoQueue"] == true {
		f.add("%s: FifoQueue: must not be: it delays all messages alike", q.id)
	}
	dead, ok := s.resource(targetOf(Part(q.properties, "RedrivePolicy", "deadLetterTargetArn")))
	if !ok || dead.kind != "AWS::SQS::Queue" || dead.id == q.id {
		f.add("%s: RedrivePolicy: must name a dead-letter queue of the template", q.id)
		return f
	}
	n, _ := Part(q.properties, "RedrivePolicy", "maxReceiveCount").(float64)
	if n < 5 { // AWS: the same page
		f.add("%s: maxReceiveCount %v: must be 5 at least", q.id, n)
	}
	// A message that ends before it was tried so often is lost, and no dead letter.
	if tried := awsflush.MaxDelay + time.Duration(n)*secondsOf(q.properties["VisibilityTimeout"]); secondsOf(q.properties["MessageRetentionPeriod"]) <= tried {
		f.add("%s: MessageRetentionPeriod %v: must be longer than it is tried, %s", q.id, q.properties["MessageRetentionPeriod"], tried)
	}
	// The age of a message counts from when it was first sent (AWS: "Using
	// dead-letter queues in Amazon SQS").
	if kept := secondsOf(dead.properties["MessageRetentionPeriod"]); kept <= secondsOf(q.properties["MessageRetentionPeriod"]) {
		f.add("%s: MessageRetentionPeriod %s: must be longer than that of %s", dead.id, kept, q.id)
	}
	for _, one := range []resource{q, dead} {
		f.want(one.id+": SqsManagedSseEnabled", one.properties["SqsManagedSseEnabled"], true)
	}
	f.mapping(template, q)
	return f
}

func (f *faults) mapping(template object, q resource) {
	for _, m := range resources(template, "AWS::Lambda::EventSourceMapping") {
		f.want(m.id+": EventSourceArn", targetOf(m.properties["EventSourceArn"]), q.id)
		f.want(m.id+": FunctionResponseTypes", m.properties["FunctionResponseTypes"], []any{"ReportBatchItemFailures"})
		f.want(m.id+": BatchSize", m.properties["BatchSize"], 10)
		f.want(m.id+": MaximumConcurrency", Part(m.properties, "ScalingConfig", "MaximumConcurrency"), 2)
		if w := m.properties["MaximumBatchingWindowInSeconds"]; w != nil && w != float64(0) {
			f.add("%s: MaximumBatchingWindowInSeconds %v: must not be given, it would delay flushes that are due", m.id, w)
		}
		if m.properties["Enabled"] == false {
			f.add("%s: Enabled: must not be false", m.id)
		}
	}
}
