//go:build deploy

package deploytest

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// object is a JSON object of a template.
type object = map[string]any

// What the pseudo parameters of a resolved template are.
const (
	region  = "eu-central-1"
	account = "111122223333"
)

// stack is a template as CloudFormation would read it: its intrinsic functions
// have values ("Intrinsic function reference"), and resources names and ARNs that
// are made up after the rules of their types.
type stack struct {
	template object
	pseudo   map[string]string
}

// newStack reads a template in a partition: aws, aws-us-gov, aws-cn.
func newStack(template object, partition string) *stack {
	return &stack{template: template, pseudo: map[string]string{
		"AWS::AccountId": account, "AWS::Region": region, "AWS::Partition": partition,
		"AWS::StackName": "scopegate-test", "AWS::URLSuffix": "amazonaws.com",
		"AWS::StackId": "arn:" + partition + ":cloudformation:" + region + ":" + account + ":stack/scopegate-test/1",
	}}
}

// noValue is what AWS::NoValue stands for: nothing is there.
type noValue struct{}

// resource is one resource of a template.
type resource struct {
	id         string // logical
	kind       string
	properties object
	all        object
}

// resources are those of a template of the types given, or all, by logical id.
func resources(template object, kinds ...string) []resource {
	var list []resource
	section, _ := template["Resources"].(object)
	for id, v := range section {
		all, _ := v.(object)
		r := resource{id: id, all: all}
		r.kind, _ = all["Type"].(string)
		if r.properties, _ = all["Properties"].(object); r.properties == nil {
			r.properties = object{}
		}
		if len(kinds) == 0 || slices.Contains(kinds, r.kind) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b resource) int { return strings.Compare(a.id, b.id) })
	return list
}

func (s *stack) resource(id string) (resource, bool) {
	for _, r := range resources(s.template) {
		if r.id == id {
			return r, true
		}
	}
	return resource{}, false
}

// value is v with its intrinsic functions called. Errors name what they refer to
// and the template has not.
func (s *stack) value(v any) (any, error) {
	switch v := v.(type) {
	case []any:
		return s.list(v)
	case object:
		if name, argument, ok := intrinsic(v); ok {
			return s.call(name, argument)
		}
		return s.members(v)
	}
	return v, nil
}

func (s *stack) list(v []any) (any, error) {
	all := []any{}
	var errs []error
	for _, one := range v {
		got, err := s.value(one)
		errs = append(errs, err)
		if _, none := got.(noValue); !none {
			all = append(all, got)
		}
	}
	return all, errors.Join(errs...)
}

func (s *stack) members(v object) (any, error) {
	all := object{}
	var errs []error
	for name, one := range v {
		got, err := s.value(one)
		errs = append(errs, err)
		if _, none := got.(noValue); !none {
			all[name] = got
		}
	}
	return all, errors.Join(errs...)
}

// intrinsic reports whether an object is the call of a function.
func intrinsic(v object) (name string, argument any, ok bool) {
	if len(v) != 1 {
		return "", nil, false
	}
	for name, argument := range v {
		if name == "Ref" || name == "Condition" || strings.HasPrefix(name, "Fn::") {
			_, text := argument.(string)
			return name, argument, name != "Condition" || text // a policy's Condition is an object
		}
	}
	return "", nil, false
}

func (s *stack) call(name string, argument any) (any, error) {
	switch name {
	case "Ref":
		id, _ := argument.(string)
		return s.ref(id)
	case "Fn::GetAtt":
		return s.attribute(argument)
	case "Fn::Sub":
		return s.sub(argument)
	case "Fn::If":
		return s.choose(argument)
	case "Condition":
		return s.condition(argument.(string))
	}
	got, err := s.value(argument)
	if err != nil {
		return nil, err
	}
	switch name {
	case "Fn::ImportValue":
		return fmt.Sprintf("imported(%v)", got), nil
	case "Fn::Join":
		return join(got)
	case "Fn::Select", "Fn::Split", "Fn::Equals", "Fn::Not", "Fn::And", "Fn::Or":
		return apply(name, got)
	}
	return nil, fmt.Errorf("%s: is a function that is not known here", name)
}

func join(argument any) (any, error) {
	list, _ := argument.([]any)
	if len(list) != 2 {
		return nil, errors.New("Fn::Join: needs a delimiter and a list")
	}
	delimiter, _ := list[0].(string)
	parts, ok := list[1].([]any)
	if !ok { // of another function, whose list is one made-up value
		return fmt.Sprint(list[1]), nil
	}
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = fmt.Sprint(p)
	}
	return strings.Join(texts, delimiter), nil
}

func apply(name string, argument any) (any, error) {
	list, _ := argument.([]any)
	wrong := fmt.Errorf("%s: cannot be called with %v", name, argument)
	switch {
	case name == "Fn::Not" && len(list) == 1:
		return list[0] != true, nil
	case name == "Fn::And" || name == "Fn::Or":
		return slices.Contains(list, any(name == "Fn::Or")) == (name == "Fn::Or"), nil
	case len(list) != 2:
		return nil, wrong
	case name == "Fn::Equals":
		return fmt.Sprint(list[0]) == fmt.Sprint(list[1]), nil
	case name == "Fn::Split":
		var parts []any
		for p := range strings.SplitSeq(fmt.Sprint(list[1]), fmt.Sprint(list[0])) {
			parts = append(parts, p)
		}
		return parts, nil
	}
	var at int
	if _, err := fmt.Sscan(fmt.Sprint(list[0]), &at); err != nil {
		return nil, wrong
	}
	parts, ok := list[1].([]any)
	if !ok || at < 0 || at >= len(parts) {
		return nil, wrong
	}
	return parts[at], nil
}

func (s *stack) choose(argument any) (any, error) {
	list, _ := argument.([]any)
	if len(list) != 3 {
		return nil, errors.New("Fn::If: needs a condition and two values")
	}
	holds, err := s.condition(fmt.Sprint(list[0]))
	if err != nil {
		return nil, err
	}
	yes, errYes := s.value(list[1])
	no, errNo := s.value(list[2])
	if err := errors.Join(errYes, errNo); err != nil {
		return nil, err
	}
	if holds {
		return yes, nil
	}
	return no, nil
}

func (s *stack) condition(name string) (bool, error) {
	section, _ := s.template["Conditions"].(object)
	v, ok := section[name]
	if !ok {
		return false, fmt.Errorf("condition %q: is not declared", name)
	}
	got, err := s.value(v)
	return got == true, err
}

var variable = regexp.MustCompile(`\$\{([^}!][^}]*)\}`)

// sub is Fn::Sub's: ${Name}, ${Name.Attribute}, and ${!Literal} as it is.
func (s *stack) sub(argument any) (any, error) {
	text, own := argument, object{}
	if list, ok := argument.([]any); ok && len(list) == 2 {
		text, own = list[0], list[1].(object)
	}
	template, ok := text.(string)
	if !ok {
		return nil, fmt.Errorf("Fn::Sub: %v: must be a string", text)
	}
	var errs []error
	out := variable.ReplaceAllStringFunc(template, func(v string) string {
		got, err := s.named(v[2:len(v)-1], own)
		errs = append(errs, err)
		return fmt.Sprint(got)
	})
	return strings.ReplaceAll(out, "${!", "${"), errors.Join(errs...)
}

func (s *stack) named(name string, own object) (any, error) {
	if v, ok := own[name]; ok {
		return s.value(v)
	}
	if strings.Contains(name, ".") {
		return s.attribute(name)
	}
	return s.ref(name)
}

func (s *stack) ref(name string) (any, error) {
	if name == "AWS::NoValue" {
		return noValue{}, nil
	}
	if v, ok := s.pseudo[name]; ok {
		return v, nil
	}
	parameters, _ := s.template["Parameters"].(object)
	if p, ok := parameters[name].(object); ok {
		if v, ok := p["Default"]; ok {
			return v, nil
		}
		return "parameter-" + name, nil
	}
	r, ok := s.resource(name)
	if !ok {
		return nil, fmt.Errorf("%q: neither a parameter nor a resource of the template", name)
	}
	return s.refOf(r)
}

// refOf is what Ref gives of a resource: mostly its name.
func (s *stack) refOf(r resource) (any, error) {
	name, err := s.nameOf(r)
	switch r.kind {
	case "AWS::SQS::Queue":
		return "https://sqs." + region + ".amazonaws.com/" + account + "/" + name, err
	case "AWS::Lambda::Version":
		return "arn:" + s.pseudo["AWS::Partition"] + ":lambda:" + region + ":" + account + ":function:" + name + ":1", err
	}
	return name, err
}

// nameOf is the name that a resource is given, or one that is made up.
func (s *stack) nameOf(r resource) (string, error) {
	property := r.kind[strings.LastIndex(r.kind, ":")+1:] + "Name"
	v, ok := r.properties[property]
	if !ok || strings.HasPrefix(r.kind, "AWS::ApiGateway") {
		return strings.ToLower(r.id), nil
	}
	got, err := s.value(v)
	if _, none := got.(noValue); none {
		return strings.ToLower(r.id), err
	}
	return fmt.Sprint(got), err
}

// attribute is Fn::GetAtt's.
func (s *stack) attribute(argument any) (any, error) {
	id, name := "", ""
	switch a := argument.(type) {
	case string:
		id, name, _ = strings.Cut(a, ".")
	case []any:
		if len(a) == 2 {
			id, name = fmt.Sprint(a[0]), fmt.Sprint(a[1])
		}
	}
	r, ok := s.resource(id)
	if !ok {
		return nil, fmt.Errorf("Fn::GetAtt %q: is no resource of the template", id)
	}
	if !known()[r.kind].gives(name) {
		return nil, fmt.Errorf("Fn::GetAtt %s.%s: %s has no such attribute", id, name, r.kind)
	}
	called, err := s.nameOf(r)
	if name == "Arn" {
		return s.arn(r.kind, called), err
	}
	if name == "QueueName" || name == "RoleName" {
		return called, err
	}
	if name == "QueueUrl" {
		return s.refOf(r)
	}
	return called + "." + name, err
}

// arn is an ARN in the form of its service (AWS: "Actions, resources, and
// condition keys for AWS services").
func (s *stack) arn(kind, name string) string {
	prefix := "arn:" + s.pseudo["AWS::Partition"] + ":"
	here := region + ":" + account + ":"
	switch kind {
	case "AWS::DynamoDB::Table":
		return prefix + "dynamodb:" + here + "table/" + name
	case "AWS::SQS::Queue":
		return prefix + "sqs:" + here + name
	case "AWS::Lambda::Function":
		return prefix + "lambda:" + here + "function:" + name
	case "AWS::Logs::LogGroup":
		return prefix + "logs:" + here + "log-group:" + name + ":*"
	case "AWS::IAM::Role":
		return prefix + "iam::" + account + ":role/" + name
	case "AWS::S3::Bucket":
		return prefix + "s3:::" + name
	case "AWS::CloudWatch::Alarm":
		return prefix + "cloudwatch:" + here + "alarm:" + name
	}
	return prefix + strings.ToLower(kind) + ":" + name
}
