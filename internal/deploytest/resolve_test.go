//go:build deploy

package deploytest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

const resolved = `{
  "Parameters": {"Days": {"Type": "Number", "Default": 30}, "Name": {"Type": "String"}},
  "Conditions": {
    "Here": {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-central-1"]},
    "There": {"Fn::Not": [{"Condition": "Here"}]},
    "Both": {"Fn::And": [{"Condition": "Here"}, {"Condition": "There"}]}
  },
  "Resources": {
    "Queue": {"Type": "AWS::SQS::Queue"},
    "Named": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::Sub": "q-${AWS::Region}"}}},
    "Code": {"Type": "AWS::Lambda::Function", "Properties": {"FunctionName": "f"}},
    "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/aws/lambda/f"}},
    "Table": {"Type": "AWS::DynamoDB::Table", "Properties": {}}
  }
}`

// TestTemplatesAreReadAsCloudFormationDoes (AWS: "Intrinsic function reference").
func TestTemplatesAreReadAsCloudFormationDoes(t *testing.T) {
	var template object
	if err := json.Unmarshal([]byte(resolved), &template); err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{
		`"plain"`:                                                             `"plain"`,
		`{"Ref": "Days"}`:                                                     `30`,
		`{"Ref": "AWS::Region"}`:                                              `"eu-central-1"`,
		`{"Ref": "Queue"}`:                                                    `"https://sqs.eu-central-1.amazonaws.com/111122223333/queue"`,
		`{"Ref": "Code"}`:                                                     `"f"`,
		`{"Ref": "Table"}`:                                                    `"table"`,
		`{"Fn::GetAtt": ["Named", "Arn"]}`:                                    `"arn:aws-cn:sqs:eu-central-1:111122223333:q-eu-central-1"`,
		`{"Fn::GetAtt": "Queue.QueueName"}`:                                   `"queue"`,
		`{"Fn::GetAtt": ["Logs", "Arn"]}`:                                     `"arn:aws-cn:logs:eu-central-1:111122223333:log-group:/aws/lambda/f:*"`,
		`{"Fn::GetAtt": ["Table", "Arn"]}`:                                    `"arn:aws-cn:dynamodb:eu-central-1:111122223333:table/table"`,
		`{"Fn::Sub": "${Code}-${Named.QueueName}-${!kept}"}`:                  `"f-q-eu-central-1-${kept}"`,
		`{"Fn::Sub": ["${own}-${Code}", {"own": {"Ref": "Days"}}]}`:           `"30-f"`,
		`{"Fn::Join": ["/", ["a", {"Ref": "Code"}]]}`:                         `"a/f"`,
		`{"Fn::Select": [1, {"Fn::Split": [",", "a,b"]}]}`:                    `"b"`,
		`{"Fn::ImportValue": "x"}`:                                            `"imported(x)"`,
		`{"Fn::If": ["Here", "yes", "no"]}`:                                   `"yes"`,
		`{"Fn::If": ["There", "yes", {"Ref": "Code"}]}`:                       `"f"`,
		`{"Fn::If": ["Both", "yes", "no"]}`:                                   `"no"`,
		`[1, {"Ref": "AWS::NoValue"}, {"a": {"Ref": "AWS::NoValue"}}]`:        `[1,{}]`,
		`{"Condition": {"StringLike": {"k": {"Ref": "Code"}}}, "Effect": ""}`: `{"Condition":{"StringLike":{"k":"f"}},"Effect":""}`,
	} {
		got, err := valueOf(t, template, value)
		if err != nil || got != want {
			t.Errorf("%s: %s (%v), want %s", value, got, err, want)
		}
	}
	for value, says := range map[string]string{
		`{"Ref": "Nobody"}`:                      `"Nobody": neither`,
		`{"Fn::GetAtt": ["Nobody", "Arn"]}`:      "is no resource",
		`{"Fn::GetAtt": ["Queue", "Url"]}`:       "no such attribute",
		`{"Fn::Sub": "${Nobody}"}`:               "Nobody",
		`{"Fn::Sub": "${Queue.Nothing}"}`:        "Nothing",
		`{"Fn::If": ["Nowhere", 1, 2]}`:          `condition "Nowhere"`,
		`{"Fn::If": ["Here", 1, {"Ref": "No"}]}`: `"No"`,
		`{"Fn::Select": [2, ["a", "b"]]}`:        "Fn::Select",
		`{"Fn::Cidr": ["a", 1, 2]}`:              "not known here",
		`[{"a": {"Ref": "Nobody"}}]`:             "Nobody",
	} {
		if got, err := valueOf(t, template, value); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %s (%v), want an error with %q", value, got, err, says)
		}
	}
}

func valueOf(t *testing.T, template object, text string) (string, error) {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	got, err := newStack(template, "aws-cn").value(v)
	if err != nil {
		return fmt.Sprint(got), err
	}
	b, err := json.Marshal(got)
	return string(b), err
}
