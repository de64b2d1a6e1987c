//go:build deploy

package deploytest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// role is what a function may do.
type role struct {
	id     string
	policy []statement
}

// roleOf is the role of a function of serverless.yml. It must be the function's
// own: who shares a role holds what the others need.
func (s *stack) roleOf(function string) (role, error) {
	f, err := s.function(function)
	if err != nil {
		return role{}, err
	}
	id := targetOf(f.properties["Role"])
	for _, other := range resources(s.template, "AWS::Lambda::Function") {
		if other.id != f.id && targetOf(other.properties["Role"]) == id {
			return role{}, fmt.Errorf("function %s: role %s: is %s's too", function, id, other.id)
		}
	}
	r, ok := s.resource(id)
	if !ok || r.kind != "AWS::IAM::Role" {
		return role{}, fmt.Errorf("function %s: Role: must be a role of the template, not %v", function, f.properties["Role"])
	}
	policy, err := s.statementsOf(r)
	return role{id, policy}, err
}

// targetOf is the resource that a Ref or a Fn::GetAtt names.
func targetOf(v any) string {
	o, _ := v.(object)
	switch a := o["Fn::GetAtt"].(type) {
	case []any:
		if len(a) > 0 {
			return fmt.Sprint(a[0])
		}
	case string:
		id, _, _ := strings.Cut(a, ".")
		return id
	}
	id, _ := o["Ref"].(string)
	return id
}

// function is a function by its name in serverless.yml.
func (s *stack) function(name string) (resource, error) {
	id := strings.ToUpper(name[:1]) + name[1:] + "LambdaFunction"
	if r, ok := s.resource(id); ok && r.kind == "AWS::Lambda::Function" {
		return r, nil
	}
	return resource{}, fmt.Errorf("function %s: resource %s: is not in the template", name, id)
}

// authorizers are the functions that answer API Gateway: one, or a second one that
// answers HTTP APIs with true or false (parameter simple).
func (s *stack) authorizers() []string {
	names := []string{"authorizer"}
	if _, err := s.function("authorizerSimple"); err == nil {
		names = append(names, "authorizerSimple")
	}
	return names
}

// statementsOf are those of a role's inline policies. Managed policies are
// refused: what they allow is somebody else's to change. X-Ray's is the exception.
func (s *stack) statementsOf(r resource) ([]statement, error) {
	var errs []error
	managed, err := s.value(r.properties["ManagedPolicyArns"])
	errs = append(errs, err)
	list, _ := managed.([]any)
	for _, arn := range list {
		if arn != s.tracingPolicy() {
			errs = append(errs, fmt.Errorf("role %s: ManagedPolicyArns %v: must not be given", r.id, arn))
		}
	}
	got, err := s.value(r.properties["Policies"])
	if err != nil {
		return nil, fmt.Errorf("role %s: %w", r.id, err)
	}
	policies, _ := got.([]any)
	var all []statement
	for i, one := range policies {
		o, _ := one.(object)
		found, err := parseStatements(fmt.Sprintf("role %s, policy %d", r.id, i+1), o["PolicyDocument"])
		all, errs = append(all, found...), append(errs, err)
	}
	return all, errors.Join(errs...)
}

// tracingPolicy is what AWS names for functions that X-Ray traces (AWS: "Visualize
// Lambda function invocations using AWS X-Ray").
func (s *stack) tracingPolicy() string {
	return "arn:" + s.pseudo["AWS::Partition"] + ":iam::aws:policy/AWSXRayDaemonWriteAccess"
}

// checkTracing: a function is traced if its role may, and only then.
func checkTracing(template object) []error {
	var f faults
	s := newStack(template, "aws")
	for _, r := range resources(template, "AWS::Lambda::Function") {
		role, _ := s.resource(targetOf(r.properties["Role"]))
		managed, err := s.value(role.properties["ManagedPolicyArns"])
		if err != nil {
			f = append(f, err)
			continue
		}
		list, _ := managed.([]any)
		if traced, may := Part(r.properties, "TracingConfig", "Mode") == "Active", slices.Contains(list, any(s.tracingPolicy())); traced != may {
			f.add("%s: traced %v, but its role may be traced: %v", r.id, traced, may)
		}
	}
	return f
}

// checkRoles finds what no role of ours may have, whatever it is used for.
func checkRoles(template object) []error {
	s := newStack(template, "aws")
	var errs []error
	for _, r := range resources(template, "AWS::IAM::Role") {
		errs = append(errs, s.checkTrust(r)...)
		policy, err := s.statementsOf(r)
		errs = append(errs, err)
		for _, one := range policy {
			errs = append(errs, checkNarrow(one)...)
		}
	}
	for _, r := range resources(template) {
		if slices.Contains([]string{"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy", "AWS::SQS::QueuePolicy"}, r.kind) {
			errs = append(errs, fmt.Errorf("%s: %s: policies must stand in their role, and nowhere else", r.id, r.kind))
		}
	}
	return clean(errs)
}

// anywhere are the actions that have no resource to be narrowed to (AWS: "Actions,
// resources, and condition keys for AWS X-Ray").
var anywhere = []string{"xray:PutTraceSegments", "xray:PutTelemetryRecords"}

// checkNarrow: a Deny may be as wide as it likes.
func checkNarrow(s statement) []error {
	var errs []error
	if s.deny {
		return nil
	}
	for _, a := range s.actions {
		if strings.ContainsAny(a, "*?") {
			errs = append(errs, fmt.Errorf("%s: Action %s: must be one action", s.id, a))
		}
	}
	traces := !slices.ContainsFunc(s.actions, func(a string) bool { return !slices.Contains(anywhere, a) })
	for _, r := range s.resources {
		p := strings.SplitN(r, ":", 6)
		narrow := len(p) == 6 && !strings.ContainsAny(strings.Join(p[:5], ""), "*?") && strings.Trim(p[5], "*?/") != ""
		if !narrow && !traces {
			errs = append(errs, fmt.Errorf("%s: Resource %s: must name a resource of one service, region and account", s.id, r))
		}
	}
	return errs
}

// checkTrust: nobody but Lambda takes such a role.
func (s *stack) checkTrust(r resource) []error {
	got, err := s.value(r.properties["AssumeRolePolicyDocument"])
	if err != nil {
		return []error{err}
	}
	document, _ := got.(object)
	list, _ := document["Statement"].([]any)
	if len(list) == 0 {
		return []error{fmt.Errorf("role %s: AssumeRolePolicyDocument: names nobody", r.id)}
	}
	var errs []error
	for _, one := range list {
		o, _ := one.(object)
		principal, _ := o["Principal"].(object)
		service, _ := texts("Principal", principal["Service"])
		if len(principal) != 1 || !slices.Equal(service, []string{"lambda.amazonaws.com"}) {
			errs = append(errs, fmt.Errorf("role %s: trusts %v: must trust lambda.amazonaws.com alone", r.id, o["Principal"]))
		}
	}
	return errs
}

// clean drops what is no error.
func clean(errs []error) []error {
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}
