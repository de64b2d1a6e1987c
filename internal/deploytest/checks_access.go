//go:build deploy

package deploytest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"scopegate/internal/config"
)

// checkAdminAPI: nobody gets through without a token of the admins' tenant, but to
// what is public.
func checkAdminAPI(template object) []error {
	var f faults
	s := newStack(template, "aws")
	public := []string{"GET /healthz", "GET /v1/openapi.json"}
	seen := map[string]bool{}
	for _, r := range resources(template, "AWS::ApiGatewayV2::Route") {
		key := fmt.Sprint(r.properties["RouteKey"])
		seen[key] = true
		guarded := r.properties["AuthorizationType"] == "JWT"
		switch {
		case slices.Contains(public, key) && guarded:
			f.add("%s: route %q: must be public", r.id, key)
		case !slices.Contains(public, key) && !guarded:
			f.add("%s: route %q: AuthorizationType %v: must be JWT", r.id, key, r.properties["AuthorizationType"])
		case guarded:
			f.authorizer(s, r)
		}
	}
	f.throttled(template)
	for _, key := range append(public, "ANY /{proxy+}") {
		if !seen[key] {
			f.add("the admin API has no route %q", key)
		}
	}
	for _, r := range resources(template, "AWS::ApiGatewayV2::Api") {
		if cors := r.properties["CorsConfiguration"]; cors != nil {
			f.add("%s: CorsConfiguration %v: must not be given, no browser's script is an admin", r.id, cors)
		}
	}
	for _, r := range resources(template, "AWS::ApiGatewayV2::Integration") {
		f.want(r.id+": PayloadFormatVersion", r.properties["PayloadFormatVersion"], "2.0")
		f.want(r.id+": IntegrationUri", targetOf(r.properties["IntegrationUri"]), "AdminLambdaFunction")
	}
	return f
}

// throttled: whoever floods the public routes must not use up the concurrency of the
// account, which the authorizer lives on. AWS: "Throttle requests to your HTTP APIs".
func (f *faults) throttled(template object) {
	for _, r := range resources(template, "AWS::ApiGatewayV2::Stage") {
		for _, name := range []string{"ThrottlingRateLimit", "ThrottlingBurstLimit"} {
			if n, _ := Part(r.properties, "DefaultRouteSettings", name).(float64); n < 1 || n > 100 {
				f.add("%s: DefaultRouteSettings.%s %v: must be 1 to 100 a second", r.id, name, n)
			}
		}
	}
}

// authorizer is of a guarded route: issuer and audience are those that the admin
// function itself believes.
func (f *faults) authorizer(s *stack, route resource) {
	a, ok := s.resource(targetOf(route.properties["AuthorizerId"]))
	if !ok || a.kind != "AWS::ApiGatewayV2::Authorizer" {
		f.add("%s: AuthorizerId: must be an authorizer of the template", route.id)
		return
	}
	environ, err := s.environment("admin")
	if err != nil {
		*f = append(*f, err)
		return
	}
	settings, err := config.Load(environ, config.AdminAPI)
	if err != nil {
		return // told by checkFunctions
	}
	f.want(a.id+": AuthorizerType", a.properties["AuthorizerType"], "JWT")
	f.want(a.id+": IdentitySource", a.properties["IdentitySource"], []any{"$request.header.Authorization"})
	f.want(a.id+": Audience", Part(a.properties, "JwtConfiguration", "Audience"), settings.Admin.Audiences)
	if len(settings.Admin.TenantIDs) == 1 {
		f.want(a.id+": Issuer", Part(a.properties, "JwtConfiguration", "Issuer"), settings.Authority+"/"+settings.Admin.TenantIDs[0]+"/v2.0")
	}
}

// checkCallers: who may call the functions.
func checkCallers(template object) []error {
	var f faults
	s := newStack(template, "aws")
	authorized := map[string]bool{}
	for _, r := range resources(template, "AWS::Lambda::Permission") {
		p, err := s.resolved(r)
		if err != nil {
			f = append(f, err)
			continue
		}
		f.want(r.id+": Action", p["Action"], "lambda:InvokeFunction")
		f.want(r.id+": Principal", p["Principal"], "apigateway.amazonaws.com")
		arn := strings.SplitN(fmt.Sprint(p["SourceArn"]), ":", 6)
		if len(arn) != 6 || arn[2] != "execute-api" || arn[3] != region || !isAccount(arn[4]) {
			f.add("%s: SourceArn %v: must be execute-api's of one region and account", r.id, p["SourceArn"])
			continue
		}
		target := targetOf(r.properties["FunctionName"])
		if target == "AdminLambdaFunction" {
			f.want(r.id+": SourceArn's account", arn[4], account)
			if strings.HasPrefix(arn[5], "*") {
				f.add("%s: SourceArn %v: must name the admin API", r.id, p["SourceArn"])
			}
			continue
		}
		authorized[target] = authorized[target] || arn[4] == account
		f.want(r.id+": SourceArn's path", arn[5], "*/authorizers/*")
	}
	for _, name := range s.authorizers() {
		if r, err := s.function(name); err != nil || !authorized[r.id] {
			f.add("no permission lets the account's own API Gateway call %s (%v)", name, err)
		}
	}
	return f
}

func isAccount(s string) bool { return len(s) == 12 && strings.Trim(s, "0123456789") == "" }

// checkExports: the names that other stacks and the command go by.
func checkExports(template object) []error {
	var f faults
	outputs, _ := template["Outputs"].(object)
	stage := ""
	names := []string{"AuthorizerArn", "AuthorizerName", "AdminUrl", "TableName", "TableArn"}
	if len(newStack(template, "aws").authorizers()) > 1 {
		names = append(names, "SimpleAuthorizerArn")
	}
	for _, name := range names {
		export, _ := Part(outputs, name, "Export", "Name").(string)
		middle, ends := strings.CutSuffix(export, "-"+name)
		middle, begins := strings.CutPrefix(middle, "scopegate-")
		if !ends || !begins || middle == "" || stage != "" && middle != stage {
			f.add("output %s: export %q: must be scopegate-{stage}-%s", name, export, name)
			continue
		}
		stage = middle
	}
	s := newStack(template, "aws")
	for name, kind := range map[string]string{
		"AuthorizerArn": "function:scopegate-" + stage + "-authorizer", "AuthorizerName": "scopegate-" + stage + "-authorizer",
		"AuthorizerFunction": "scopegate-" + stage + "-authorizer", "AdminFunction": "scopegate-" + stage + "-admin",
		"FlushQueueUrl": "https://sqs.",
	} {
		got, err := s.value(Part(outputs, name, "Value"))
		if err != nil || got == nil || !strings.Contains(fmt.Sprint(got), kind) {
			f.add("output %s: is %v (%v), must be %q", name, got, err, kind)
		}
	}
	f.exactOutputs(s, outputs)
	return f
}

// exactOutputs are those that name the API and the table that the functions have.
func (f *faults) exactOutputs(s *stack, outputs object) {
	url := ""
	for _, r := range resources(s.template, "AWS::ApiGatewayV2::Api") {
		id, _ := s.refOf(r)
		url = fmt.Sprintf("https://%v.execute-api.%s.amazonaws.com", id, region)
	}
	table := s.table()
	_, name, _ := strings.Cut(table, ":table/")
	for output, want := range map[string]string{"AdminUrl": url, "TableArn": table, "TableName": name} {
		got, err := s.value(Part(outputs, output, "Value"))
		if err != nil || got != want {
			f.add("output %s: is %v (%v), must be %s", output, got, err, want)
		}
	}
}

// checkBucket: nobody reads what is deployed.
func checkBucket(template object) []error {
	var f faults
	for _, r := range resources(template, "AWS::S3::Bucket") {
		for _, name := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
			f.want(r.id+": "+name, Part(r.properties, "PublicAccessBlockConfiguration", name), true)
		}
	}
	return f
}

// checkPartitions: nothing is written for one partition alone, but for a topic that
// was given.
func checkPartitions(template object) []error {
	var f faults
	for _, r := range resources(template) {
		own := maps.Clone(r.properties)
		if r.kind == "AWS::CloudWatch::Alarm" {
			delete(own, "AlarmActions")
			delete(own, "OKActions")
		}
		text, err := json.Marshal(own)
		if err != nil {
			f = append(f, err)
		}
		if strings.Contains(string(text), `"arn:aws:`) || strings.Contains(string(text), "amazonaws.com/") {
			f.add("%s: names the partition aws: must be ${AWS::Partition}", r.id)
		}
	}
	return f
}
