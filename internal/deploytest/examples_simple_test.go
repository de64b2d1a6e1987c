//go:build deploy

package deploytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"scopegate/internal/config"
)

const (
	mainFunction   = "AuthorizerLambdaFunction"
	simpleFunction = "AuthorizerSimpleLambdaFunction"
)

// checkSimple: the second authorizer is the first one with another answer, and
// nothing more: the same zip, limits and rights, alarms of its own, callable by
// the same.
func checkSimple(t Template, stage string) error {
	first, second := asText(Part(t, "Resources", mainFunction)), asText(Part(t, "Resources", simpleFunction))
	errs := []error{same("function", renamed(first), second)}
	roles := [2]string{asText(Part(t, "Resources", "AuthorizerRole")), asText(Part(t, "Resources", "AuthorizerSimpleRole"))}
	errs = append(errs, same("role", renamed(roles[0]), roles[1]))
	section, _ := t["Resources"].(object)
	for id, r := range section {
		name, ours := strings.CutPrefix(id, "Authorizer")
		if !ours || strings.HasPrefix(name, "Simple") || name == "LambdaFunction" || name == "Role" {
			continue
		}
		errs = append(errs, same(id, renamed(asText(r)), asText(section["AuthorizerSimple"+name])))
	}
	environment, err := environmentOf(t, simpleFunction)
	errs = append(errs, err)
	if s, err := config.Load(environment, config.Authorizer); err != nil || !s.SimpleResponse {
		errs = append(errs, fmt.Errorf("environment of %s: simple %v, %w", simpleFunction, s.SimpleResponse, err))
	}
	if got := asText(Part(t, "Outputs", "SimpleAuthorizerArn")); got != fmt.Sprintf(`{"Export":{"Name":"scopegate-%s-SimpleAuthorizerArn"},"Value":{"Fn::GetAtt":["%s","Arn"]}}`, stage, simpleFunction) {
		errs = append(errs, fmt.Errorf("output SimpleAuthorizerArn: %s", got))
	}
	return errors.Join(errs...)
}

func same(what, want, got string) error {
	if want != got {
		return fmt.Errorf("%s of the second authorizer: is\n%s\nmust be\n%s", what, got, want)
	}
	return nil
}

// renamed is a resource of the first authorizer as it must be of the second:
// under its names, without the description and the environment.
func renamed(s string) string {
	return strings.NewReplacer(
		"-authorizer:", "-authorizer-simple:", `-authorizer"`, `-authorizer-simple"`, `"AuthorizerLambdaFunction"`, `"AuthorizerSimpleLambdaFunction"`,
		`"AuthorizerLogGroup"`, `"AuthorizerSimpleLogGroup"`, `"AuthorizerRole"`, `"AuthorizerSimpleRole"`,
	).Replace(s)
}

// asText is a resource, compared as JSON, without what each function has of its own.
func asText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // it came from JSON
	}
	var own object
	if json.Unmarshal(b, &own) != nil || own == nil {
		return string(b)
	}
	if p, ok := own["Properties"].(object); ok {
		delete(p, "Description")
		delete(p, "AlarmDescription")
		delete(p, "Environment")
	}
	b, err = json.Marshal(own)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// environmentOf are the settings of a function that are known before there is a
// stack.
func environmentOf(t Template, function string) ([]string, error) {
	variables, ok := Part(t, "Resources", function, "Properties", "Environment", "Variables").(object)
	if !ok {
		return nil, fmt.Errorf("function %s: has no environment", function)
	}
	var out []string
	for name, v := range variables {
		if value, ok := v.(string); ok {
			out = append(out, name+"="+value)
		}
	}
	return out, nil
}

// TestTheParameterSimpleAddsASecondAuthorizer that differs in its answer alone;
// without it there is none.
func TestTheParameterSimpleAddsASecondAuthorizer(t *testing.T) {
	without := asText(Package(t, "."))
	if strings.Contains(without, "AuthorizerSimple") || strings.Contains(without, "authorizer-simple") {
		t.Error("there is one without the parameter")
	}
	template := Package(t, ".", "--param", "simple=on")
	if err := checkSimple(template, "example"); err != nil {
		t.Error(err)
	}
	wantNone(t, checkProperties(template))
	wantNone(t, checkReferences(template))
	wantNone(t, checkRoles(template))
	first, err := environmentOf(template, mainFunction)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := config.Load(first, config.Authorizer); err != nil || s.SimpleResponse {
		t.Errorf("the first authorizer: simple %v, %v", s.SimpleResponse, err)
	}
}

// TestTheSecondAuthorizerTakesEverySettingOfTheFirst but those that a simple
// response contradicts, and the accounts that may call it.
func TestTheSecondAuthorizerTakesEverySettingOfTheFirst(t *testing.T) {
	template := Package(t, ".", "--param", "simple=on", "--param", "POLICY_SCOPE=route", "--param", "POLICY_EXPLICIT_DENY=on",
		"--param", "CACHE_TTL=60s", "--param", "accounts=111122223333")
	if err := checkSimple(template, "example"); err != nil {
		t.Error(err)
	}
	variables := func(function string) map[string]any {
		v, _ := Part(template, "Resources", function, "Properties", "Environment", "Variables").(object)
		return maps.Clone(v)
	}
	want := variables(mainFunction)
	if want["POLICY_SCOPE"] != "route" || want["POLICY_EXPLICIT_DENY"] != "on" || want["CACHE_TTL"] != "60s" {
		t.Fatalf("the first authorizer's settings: %v", want)
	}
	delete(want, "POLICY_SCOPE")
	delete(want, "POLICY_EXPLICIT_DENY")
	want["HTTP_API_RESPONSE"] = "simple"
	if got := variables(simpleFunction); !reflect.DeepEqual(got, want) {
		t.Errorf("settings %v, want %v", got, want)
	}
	if Part(template, "Resources", "AuthorizerSimplePermission111122223333") == nil {
		t.Error("an account that may call the first may not call the second")
	}
}

// TestAFaultInTheSecondAuthorizerIsFound: what makes it more, or less, than the
// first with another answer.
func TestAFaultInTheSecondAuthorizerIsFound(t *testing.T) {
	for name, plant := range map[string]func(Template){
		"a wider role":           set("*", "AuthorizerSimpleRole", "Properties", "Policies"),
		"no permission":          remove("AuthorizerSimplePermission"),
		"a permission for all":   remove("AuthorizerSimplePermission", "Properties", "SourceArn"),
		"no alarm":               remove("AuthorizerSimpleFailed"),
		"an alarm of the first":  set("scopegate-example-authorizer", "AuthorizerSimpleThrottles", "Properties", "Dimensions"),
		"another time-out":       set(30.0, simpleFunction, "Properties", "Timeout"),
		"answers with policies":  remove(simpleFunction, "Properties", "Environment", "Variables", "HTTP_API_RESPONSE"),
		"settings that conflict": set("on", simpleFunction, "Properties", "Environment", "Variables", "POLICY_EXPLICIT_DENY"),
		"exports the first": func(t Template) {
			Part(t, "Outputs", "SimpleAuthorizerArn").(object)["Value"] = Part(t, "Outputs", "AuthorizerArn", "Value")
		},
	} {
		t.Run(name, func(t *testing.T) {
			template := Package(t, ".", "--param", "simple=on")
			plant(template)
			if err := checkSimple(template, "example"); err == nil {
				t.Error("not found")
			}
		})
	}
}
