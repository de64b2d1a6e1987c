//go:build deploy

package deploytest

import "testing"

// TestTheProbePackages as doctor needs it: no route without the probe as its
// authorizer, and answers that are kept as long as doctor takes them to be.
func TestTheProbePackages(t *testing.T) {
	template := Package(t, "deploy/probe")
	resources, _ := Part(template, "Resources").(map[string]any)
	seen := map[string]int{}
	for name, r := range resources {
		kind, _ := Part(r, "Type").(string)
		seen[kind]++
		switch kind {
		case "AWS::ApiGateway::Method", "AWS::ApiGatewayV2::Route":
			if Part(r, "Properties", "AuthorizationType") != "CUSTOM" || Part(r, "Properties", "AuthorizerId", "Ref") == nil {
				t.Errorf("%s: anybody may call it", name)
			}
		case "AWS::ApiGateway::Authorizer", "AWS::ApiGatewayV2::Authorizer":
			if Part(r, "Properties", "AuthorizerResultTtlInSeconds") != float64(300) {
				t.Errorf("%s: %v", name, Part(r, "Properties"))
			}
			if Part(r, "Properties", "IdentityValidationExpression") != nil {
				t.Errorf("%s: a token of the probe is no JWT", name)
			}
		case "AWS::Lambda::Function":
			// The function must be told its own APIs: it serves no other.
			if apis := Part(r, "Properties", "Environment", "Variables", "PROBE_APIS", "Fn::Sub"); apis != "${ApiGatewayRestApi} ${HttpApi}" {
				t.Errorf("%s: PROBE_APIS is %v", name, apis)
			}
		case "AWS::ApiGateway::RestApi":
			if types, _ := Part(r, "Properties", "EndpointConfiguration", "Types").([]any); len(types) != 1 || types[0] != "REGIONAL" {
				t.Errorf("%s: %v, the examples are regional", name, types)
			}
		case "AWS::Lambda::Permission":
			if Part(r, "Properties", "SourceArn") == nil {
				t.Errorf("%s: any API may call the probe", name)
			}
		case "AWS::ApiGatewayV2::Stage":
			if stage := Part(r, "Properties", "StageName"); stage != "$default" {
				t.Errorf("%s: stage %v, doctor asks about $default", name, stage)
			}
		}
	}
	for kind, want := range map[string]int{
		"AWS::ApiGateway::Method": 4, "AWS::ApiGatewayV2::Route": 4, "AWS::ApiGateway::Authorizer": 1, "AWS::ApiGatewayV2::Authorizer": 1,
		"AWS::ApiGatewayV2::Stage": 1, "AWS::Lambda::Function": 1, "AWS::ApiGateway::RestApi": 1, "AWS::Logs::LogGroup": 1,
	} {
		if seen[kind] != want {
			t.Errorf("%d of %s, want %d", seen[kind], kind, want)
		}
	}
	for _, route := range []string{"route/{id}", "route/{id}/notes"} { // of the question encoded-slash-route
		key, found := "ANY /"+route, false
		for _, r := range resources {
			found = found || Part(r, "Properties", "RouteKey") == key
		}
		if !found {
			t.Errorf("no route %s", key)
		}
	}
	for _, name := range []string{"RestUrl", "HttpUrl"} {
		if Part(template, "Outputs", name, "Value") == nil {
			t.Errorf("no output %s", name)
		}
	}
}
