//go:build deploy

package deploytest

import (
	"testing"

	"pgregory.net/rapid"
)

const anyTable = "arn:aws:dynamodb:eu-central-1:111122223333:table/t"

func allow(actions ...any) object {
	return object{"Effect": "Allow", "Action": actions, "Resource": anyTable}
}

func statementsFrom(t testing.TB, list ...any) []statement {
	t.Helper()
	all, err := parseStatements("test", object{"Version": "2012-10-17", "Statement": list})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestTheEvaluatorDecidesAsIAMDoes, by the rules of "Policy evaluation logic" and
// of "Set operators for multivalued context keys".
func TestTheEvaluatorDecidesAsIAMDoes(t *testing.T) {
	keys := func(keys ...string) call {
		return call{"dynamodb:PutItem", anyTable, map[string][]string{leadingKeys: keys}}
	}
	when := func(effect, operator string, value any) object {
		return object{"Effect": effect, "Action": "dynamodb:PutItem", "Resource": anyTable, "Condition": object{operator: object{leadingKeys: value}}}
	}
	for _, c := range []struct {
		name   string
		policy []any
		call   call
		want   bool
	}{
		{"nothing is allowed by itself", nil, keys("a"), false},
		{"an Allow allows", []any{allow("dynamodb:PutItem")}, keys("a"), true},
		{"the case of an action does not matter", []any{allow("DynamoDB:putitem")}, keys("a"), true},
		{"another action", []any{allow("dynamodb:GetItem")}, keys("a"), false},
		{"a wildcard", []any{allow("dynamodb:P*")}, keys("a"), true},
		{"another resource", []any{allow("dynamodb:PutItem")}, call{action: "dynamodb:PutItem", resource: anyTable + "2"}, false},
		{"the case of a resource matters", []any{allow("dynamodb:PutItem")}, call{action: "dynamodb:PutItem", resource: "arn:aws:dynamodb:eu-central-1:111122223333:table/T"}, false},
		{"a Deny wins, wherever it stands", []any{allow("dynamodb:PutItem"), when("Deny", "ForAnyValue:StringLike", "audit#*")}, keys("audit#x"), false},
		{"a Deny of other items", []any{allow("dynamodb:PutItem"), when("Deny", "ForAnyValue:StringLike", "audit#*")}, keys("auditparts#x"), true},
		{"a Deny of any item", []any{allow("dynamodb:PutItem"), when("Deny", "ForAnyValue:StringLike", "audit#*")}, keys("meta#x", "audit#x"), false},
		{"a Deny of all items", []any{allow("dynamodb:PutItem"), when("Deny", "ForAllValues:StringLike", "audit#*")}, keys("meta#x", "audit#x"), true},
		{"for any value needs one", []any{when("Allow", "ForAnyValue:StringLike", "*")}, keys(), false},
		{"for all values needs none", []any{when("Allow", "ForAllValues:StringLike", "meta#*")}, keys(), true},
		{"for all values", []any{when("Allow", "ForAllValues:StringLike", []any{"meta#*", "api#*"})}, keys("meta#x", "api#x"), true},
		{"for all values but one", []any{when("Allow", "ForAllValues:StringLike", []any{"meta#*", "api#*"})}, keys("meta#x", "audit#x"), false},
		{"without a set operator one value", []any{when("Allow", "StringLike", "meta#*")}, keys("meta#x"), true},
		{"without a set operator several values", []any{when("Allow", "StringLike", "meta#*")}, keys("meta#x", "meta#y"), false},
		{"equal is not like", []any{when("Allow", "StringEquals", "meta#*")}, keys("meta#x"), false},
		{"equal", []any{when("Allow", "StringEquals", "meta#*")}, keys("meta#*"), true},
		{"there must be one", []any{when("Allow", "Null", "false")}, keys(), false},
		{"there is one", []any{when("Allow", "Null", "false")}, keys("a"), true},
		{"there must be none", []any{when("Allow", "Null", "true")}, keys("a"), false},
	} {
		if got := allows(statementsFrom(t, c.policy...), c.call); got != c.want {
			t.Errorf("%s: allowed %v, want %v", c.name, got, c.want)
		}
	}
}

// TestTheEvaluatorPassesOverNothing that it does not know.
func TestTheEvaluatorPassesOverNothing(t *testing.T) {
	for name, s := range map[string]object{
		"no effect":           {"Action": "a:b", "Resource": "*"},
		"another effect":      {"Effect": "allow", "Action": "a:b", "Resource": "*"},
		"no action":           {"Effect": "Allow", "Resource": "*"},
		"no actions":          {"Effect": "Allow", "Action": []any{}, "Resource": "*"},
		"no resource":         {"Effect": "Allow", "Action": "a:b"},
		"all actions but":     {"Effect": "Allow", "NotAction": "a:b", "Action": "a:b", "Resource": "*"},
		"all resources but":   {"Effect": "Allow", "Action": "a:b", "NotResource": "x", "Resource": "*"},
		"an unknown operator": {"Effect": "Deny", "Action": "a:b", "Resource": "*", "Condition": object{"StringLikeIfExists": object{"k": "v"}}},
		"an unknown set":      {"Effect": "Deny", "Action": "a:b", "Resource": "*", "Condition": object{"ForSomeValues:StringLike": object{"k": "v"}}},
		"no condition":        {"Effect": "Deny", "Action": "a:b", "Resource": "*", "Condition": "none"},
		"a principal":         {"Effect": "Allow", "Action": "a:b", "Resource": "*", "Principal": "*"},
		"a misspelt member":   {"Effect": "Deny", "Action": "a:b", "Resource": "*", "Conditions": object{}},
	} {
		if _, err := parseStatements("test", object{"Version": "2012-10-17", "Statement": []any{s}}); err == nil {
			t.Errorf("%s: is taken", name)
		}
	}
	for _, document := range []any{nil, "x", object{}, object{"Statement": []any{allow("a:b")}}, object{"Version": "2008-10-17", "Statement": []any{allow("a:b")}}} {
		if _, err := parseStatements("test", document); err == nil {
			t.Errorf("%v: is taken", document)
		}
	}
}

// TestAStatementMoreNeverTurnsTheOtherWay: a Deny never allows, an Allow never
// denies.
func TestAStatementMoreNeverTurnsTheOtherWay(t *testing.T) {
	text := rapid.SampledFrom([]string{"a", "b", "a#*", "b#?", "*", "a#1", "b#2"})
	one := rapid.Custom(func(t *rapid.T) statement {
		s := statement{deny: rapid.Bool().Draw(t, "deny"), actions: []string{text.Draw(t, "action")}, resources: []string{text.Draw(t, "resource")}}
		if rapid.Bool().Draw(t, "conditional") {
			s.condition = []clause{{
				rapid.SampledFrom([]string{"", "ForAllValues", "ForAnyValue"}).Draw(t, "each"),
				rapid.SampledFrom([]string{"StringLike", "StringEquals"}).Draw(t, "operator"), "k", []string{text.Draw(t, "value")},
			}}
		}
		return s
	})
	rapid.Check(t, func(t *rapid.T) {
		policy := rapid.SliceOfN(one, 0, 4).Draw(t, "policy")
		more := one.Draw(t, "more")
		c := call{text.Draw(t, "action"), text.Draw(t, "resource"), map[string][]string{"k": rapid.SliceOfN(text, 0, 3).Draw(t, "keys")}}
		was, is := allows(policy, c), allows(append([]statement{more}, policy...), c)
		if was != is && is == more.deny {
			t.Fatalf("allowed %v, with %+v %v", was, more, is)
		}
	})
}
