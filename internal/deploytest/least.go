//go:build deploy

package deploytest

import (
	"fmt"
	"slices"
	"strings"
)

// byService are the calls that Lambda makes with a function's role besides the
// function's own: its log (AWS: "Sending Lambda function logs to CloudWatch Logs"),
// and the messages of its queue ("Using Lambda with Amazon SQS").
func (s *stack) byService(function string) ([]call, error) {
	r, err := s.function(function)
	if err != nil {
		return nil, err
	}
	name, err := s.nameOf(r)
	if err != nil {
		return nil, err
	}
	group := strings.TrimSuffix(s.arn("AWS::Logs::LogGroup", "/aws/lambda/"+name), ":*")
	calls := []call{
		{action: "logs:CreateLogStream", resource: group + ":log-stream:2026/11/22/[$LATEST]0"},
		{action: "logs:PutLogEvents", resource: group + ":log-stream:2026/11/22/[$LATEST]0"},
	}
	q, err := s.flushQueue()
	if err != nil || function != "admin" {
		return calls, err
	}
	queue, err := s.nameOf(q)
	for _, action := range []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"} {
		calls = append(calls, call{action: action, resource: s.arn("AWS::SQS::Queue", queue)})
	}
	return calls, err
}

// checkLeast: what the functions do is allowed, and what is allowed they do. made
// are the calls that were recorded of each function.
func checkLeast(template object, partition string, made map[string][]call) []error {
	var f faults
	s := newStack(template, partition)
	for _, function := range append(s.authorizers(), "admin") {
		held, err := s.roleOf(function)
		if err != nil {
			f = append(f, err)
			continue
		}
		extra, err := s.byService(function)
		if err != nil {
			f = append(f, err)
			continue
		}
		calls := made["admin"]
		if function != "admin" {
			calls = made["authorizer"]
		}
		f.least(function, held, append(slices.Clone(calls), extra...))
		for _, c := range s.forbidden(function) {
			if allows(held.policy, c) {
				f.add("function %s: role %s: allows %s", function, held.id, c)
			}
		}
	}
	return f
}

func (f *faults) least(function string, held role, calls []call) {
	for _, c := range calls {
		if !allows(held.policy, c) {
			f.add("function %s: role %s: does not allow %s", function, held.id, c)
		}
	}
	for _, one := range held.policy {
		if one.deny {
			continue
		}
		for _, action := range one.actions {
			for _, resource := range one.resources {
				narrow := statement{actions: []string{action}, resources: []string{resource}}
				if !slices.ContainsFunc(calls, narrow.covers) {
					f.add("function %s: %s: allows %s on %s, which is never used", function, one.id, action, resource)
				}
			}
		}
	}
}

// table is the ARN of the table that the functions are told of.
func (s *stack) table() string {
	f, err := s.function("authorizer")
	if err == nil {
		var name any
		if name, err = s.value(Part(f.properties, "Environment", "Variables", "TABLE_NAME")); err == nil {
			return s.arn("AWS::DynamoDB::Table", fmt.Sprint(name))
		}
	}
	return err.Error() // no role allows this table
}

// writes are the actions that change items.
var writes = []string{"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"}

// forbidden are calls that no fault of a function's code, and nobody who takes the
// function over, may make.
func (s *stack) forbidden(function string) []call {
	table := s.table()
	on := func(action, key string) call {
		return call{"dynamodb:" + action, table, map[string][]string{leadingKeys: {key}}}
	}
	var calls []call
	for _, action := range []string{"UpdateItem", "DeleteItem", "BatchWriteItem"} { // of what happened
		calls = append(calls, on(action, "audit#arn#dev"), on(action, "audit#revocations"))
		mixed := on(action, "api#arn#dev#g")
		mixed.keys[leadingKeys] = []string{"api#arn#dev#g", "audit#arn#dev"}
		calls = append(calls, mixed)
	}
	for _, action := range []string{"UpdateItem", "DeleteItem"} {
		calls = append(calls, on(action, "auditparts#arn#dev"))
	}
	for _, action := range writes { // the ledger is the migrations'
		calls = append(calls, on(action, "migrations"))
	}
	for _, action := range []string{"DeleteTable", "UpdateTable", "Scan", "UpdateTimeToLive", "RestoreTableToPointInTime", "PartiQLDelete", "CreateTable", "UpdateContinuousBackups"} {
		calls = append(calls, call{action: "dynamodb:" + action, resource: table})
	}
	calls = append(calls, s.elsewhere(table)...)
	if function != "admin" {
		for _, action := range append(writes, "ConditionCheckItem") {
			calls = append(calls, on(action, "api#arn#dev#g"), on(action, "meta#arn#dev"), on(action, "revocations"))
		}
		calls = append(calls, s.flushes()...)
	}
	return calls
}

// elsewhere are calls on what is not the function's.
func (s *stack) elsewhere(table string) []call {
	var calls []call
	for _, other := range []string{table + "2", table + "/index/x", table + "/stream/x"} {
		for _, action := range append(writes, "GetItem", "Query") {
			calls = append(calls, call{"dynamodb:" + action, other, map[string][]string{leadingKeys: {"meta#arn#dev"}}})
		}
	}
	gateway := "arn:" + s.pseudo["AWS::Partition"] + ":apigateway:" + region + "::"
	for _, path := range []string{
		"/restapis/x", "/restapis/x/stages/dev", "/restapis/x/stages/dev/cache/data", "/apis/x", "/apis/x/stages/dev", "/apis/x/authorizers/y", "/domainnames/x",
	} {
		calls = append(calls, call{action: "apigateway:DELETE", resource: gateway + path})
	}
	for _, verb := range []string{"PUT", "PATCH", "POST"} {
		calls = append(calls, call{action: "apigateway:" + verb, resource: gateway + "/apis/x"}, call{action: "apigateway:" + verb, resource: gateway + "/restapis/x/stages/dev/cache/authorizers"})
	}
	// What APIs are set up with, stage variables above all, is their owners'.
	for _, path := range []string{"/restapis/x", "/apikeys/x", "/apis/x/stages/dev", "/apis/x/integrations", "/apis/x/authorizers/y"} {
		calls = append(calls, call{action: "apigateway:GET", resource: gateway + path})
	}
	for _, other := range []string{"/aws/lambda/other", "/aws/lambda/scopegate-other-admin"} {
		group := strings.TrimSuffix(s.arn("AWS::Logs::LogGroup", other), ":*")
		calls = append(calls, call{action: "logs:PutLogEvents", resource: group + ":log-stream:x"}, call{action: "logs:CreateLogStream", resource: group + ":log-stream:x"})
	}
	for _, action := range []string{"SendMessage", "ReceiveMessage", "PurgeQueue", "DeleteQueue"} {
		calls = append(calls, call{action: "sqs:" + action, resource: s.arn("AWS::SQS::Queue", "other")})
	}
	for _, action := range []string{"iam:PassRole", "sts:AssumeRole", "lambda:InvokeFunction", "lambda:UpdateFunctionCode", "kms:Decrypt", "secretsmanager:GetSecretValue", "logs:DeleteLogGroup"} {
		calls = append(calls, call{action: action, resource: "arn:" + s.pseudo["AWS::Partition"] + ":" + strings.SplitN(action, ":", 2)[0] + "::" + account + ":x"})
	}
	return calls
}

// flushes are what the admin function alone does.
func (s *stack) flushes() []call {
	gateway := "arn:" + s.pseudo["AWS::Partition"] + ":apigateway:" + region + "::"
	calls := []call{
		{action: "apigateway:DELETE", resource: gateway + "/restapis/x/stages/dev/cache/authorizers"},
		{action: "apigateway:DELETE", resource: gateway + "/apis/x/stages/dev/cache/authorizers"},
	}
	if q, err := s.flushQueue(); err == nil {
		name, _ := s.nameOf(q)
		for _, action := range []string{"SendMessage", "ReceiveMessage", "DeleteMessage"} {
			calls = append(calls, call{action: "sqs:" + action, resource: s.arn("AWS::SQS::Queue", name)})
		}
	}
	return calls
}
