//go:build deploy

package deploytest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"scopegate/mapping"
)

// statement is one statement of an identity-based policy.
type statement struct {
	id        string // of the statement and where it stands, for messages
	deny      bool
	actions   []string
	resources []string
	condition []clause
}

// clause is one operator and key of a Condition. All clauses of a statement must
// hold.
type clause struct {
	each     string // "", "ForAllValues" or "ForAnyValue"
	operator string
	key      string
	values   []string
}

// call is what a function asks of AWS, as IAM sees it.
type call struct {
	action   string // service:Operation
	resource string // ARN
	// keys are the request's condition keys with their values.
	keys map[string][]string
}

func (c call) String() string {
	text := c.action + " on " + c.resource
	if keys := c.keys[leadingKeys]; len(keys) > 0 {
		text += " of items " + strings.Join(keys, ", ")
	}
	return text
}

// leadingKeys is the condition key of the partition keys of the items that a call
// touches (AWS: "Using IAM policy conditions for fine-grained access control").
const leadingKeys = "dynamodb:LeadingKeys"

// parseStatements reads the Statement of a policy whose intrinsic functions have
// values. What this evaluator does not know is an error, never passed over.
func parseStatements(where string, document any) ([]statement, error) {
	o, _ := document.(object)
	if err := errors.Join(foreign(where, o, []string{"Version", "Id", "Statement"})...); err != nil {
		return nil, err
	}
	if o["Version"] != "2012-10-17" {
		return nil, fmt.Errorf("%s: Version %v: must be 2012-10-17", where, o["Version"])
	}
	list, ok := o["Statement"].([]any)
	if !ok {
		list = []any{o["Statement"]}
	}
	var all []statement
	var errs []error
	for i, v := range list {
		s, err := parseStatement(fmt.Sprintf("%s, statement %d", where, i+1), v)
		all, errs = append(all, s), append(errs, err)
	}
	return all, errors.Join(errs...)
}

func parseStatement(where string, v any) (statement, error) {
	o, _ := v.(object)
	s := statement{id: where}
	// NotAction, NotResource allow what nobody named.
	errs := foreign(where, o, []string{"Sid", "Effect", "Action", "Resource", "Condition"})
	switch o["Effect"] {
	case "Allow":
	case "Deny":
		s.deny = true
	default:
		errs = append(errs, fmt.Errorf("%s: Effect %v: must be Allow or Deny", where, o["Effect"]))
	}
	var err error
	if s.actions, err = texts(where+": Action", o["Action"]); err != nil {
		errs = append(errs, err)
	}
	if s.resources, err = texts(where+": Resource", o["Resource"]); err != nil {
		errs = append(errs, err)
	}
	if s.condition, err = parseCondition(where, o["Condition"]); err != nil {
		errs = append(errs, err)
	}
	return s, errors.Join(errs...)
}

// texts is a string, or a list of some.
func texts(where string, v any) ([]string, error) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var all []string
	for _, one := range list {
		text, ok := one.(string)
		if !ok || text == "" {
			return nil, fmt.Errorf("%s %v: must be a string", where, one)
		}
		all = append(all, text)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: must not be empty", where)
	}
	return all, nil
}

// parseCondition reads a Condition (AWS: "IAM JSON policy elements: Condition
// operators"), as far as this project needs it.
func parseCondition(where string, v any) ([]clause, error) {
	if v == nil {
		return nil, nil
	}
	o, ok := v.(object)
	if !ok {
		return nil, fmt.Errorf("%s: Condition %v: must be an object", where, v)
	}
	var all []clause
	var errs []error
	for name, keys := range o {
		each, operator, set := strings.Cut(name, ":")
		if !set {
			each, operator = "", name
		}
		if !slices.Contains([]string{"", "ForAllValues", "ForAnyValue"}, each) || operators[operator] == nil && operator != "Null" {
			errs = append(errs, fmt.Errorf("%s: operator %q: is not known here", where, name))
			continue
		}
		under, _ := keys.(object)
		for key, values := range under {
			list, err := texts(where+": Condition "+key, values)
			errs = append(errs, err)
			all = append(all, clause{each, operator, strings.ToLower(key), list})
		}
	}
	return all, errors.Join(errs...)
}

// operators say whether a value of the request meets one of the policy.
var operators = map[string]func(value, policy string) bool{
	"StringEquals": func(value, policy string) bool { return value == policy },
	"StringLike":   func(value, policy string) bool { return mapping.Match(policy, value) },
	"ArnLike":      func(value, policy string) bool { return mapping.Match(policy, value) },
}

// allows decides as IAM does for a principal of the resource's account: an
// explicit Deny wins, then an Allow, else it is denied (AWS: "Policy evaluation
// logic").
func allows(policy []statement, c call) bool {
	allowed := false
	for _, s := range policy {
		if !s.covers(c) {
			continue
		}
		if s.deny {
			return false
		}
		allowed = true
	}
	return allowed
}

func (s statement) covers(c call) bool {
	return s.names(c.action) && s.reaches(c.resource) && s.holds(c)
}

// names is of actions, whose case does not matter.
func (s statement) names(action string) bool {
	return slices.ContainsFunc(s.actions, func(a string) bool {
		return mapping.Match(strings.ToLower(a), strings.ToLower(action))
	})
}

func (s statement) reaches(arn string) bool {
	return slices.ContainsFunc(s.resources, func(r string) bool { return mapping.Match(r, arn) })
}

func (s statement) holds(c call) bool {
	return !slices.ContainsFunc(s.condition, func(k clause) bool { return !k.holds(c.valuesOf(k.key)) })
}

// valuesOf is of a condition key, whose case does not matter.
func (c call) valuesOf(key string) []string {
	for name, values := range c.keys {
		if strings.EqualFold(name, key) {
			return values
		}
	}
	return nil
}

// holds: without a value in the request ForAllValues holds and everything else
// does not (AWS: "Set operators for multivalued context keys"), which is the trap
// of an Allow with ForAllValues alone.
func (k clause) holds(values []string) bool {
	if k.operator == "Null" {
		return slices.Contains(k.values, fmt.Sprint(len(values) == 0))
	}
	meets := func(v string) bool {
		return slices.ContainsFunc(k.values, func(p string) bool { return operators[k.operator](v, p) })
	}
	switch k.each {
	case "ForAllValues":
		return !slices.ContainsFunc(values, func(v string) bool { return !meets(v) })
	case "ForAnyValue":
		return slices.ContainsFunc(values, meets)
	}
	return len(values) == 1 && meets(values[0]) // several values need a set operator
}
