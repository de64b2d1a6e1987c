//go:build deploy

package deploytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"scopegate/internal/dynamotest"
)

// fault is one that is planted into the template, and what must be said of it.
type fault struct {
	name  string
	plant func(object) error
	says  string
}

// spoil gives a copy of a template with the fault in it.
func (c fault) spoil(t *testing.T, template object) object {
	t.Helper()
	b, err := json.Marshal(template)
	if err != nil {
		t.Fatal(err)
	}
	var spoiled object
	if err := json.Unmarshal(b, &spoiled); err != nil {
		t.Fatal(err)
	}
	if err := c.plant(spoiled); err != nil {
		t.Fatalf("cannot plant it: %v", err)
	}
	return spoiled
}

// found wants one of the errors to say what is wrong.
func found(t *testing.T, says string, errs []error) {
	t.Helper()
	if all := errors.Join(errs...); all == nil || !strings.Contains(all.Error(), says) {
		t.Errorf("found %v, want %q", all, says)
	}
}

// walkTo walks to the parent of a path's last step; steps are names and indices.
func walkTo(v any, path []any) (parent any, last any, err error) {
	for _, step := range path[:len(path)-1] {
		next, ok := member(v, step)
		if !ok {
			return nil, nil, fmt.Errorf("path %v: the template has no %v", path, step)
		}
		v = next
	}
	return v, path[len(path)-1], nil
}

func member(v, step any) (any, bool) {
	switch step := step.(type) {
	case string:
		o, _ := v.(object)
		next, ok := o[step]
		return next, ok
	case int:
		list, _ := v.([]any)
		if step < len(list) {
			return list[step], true
		}
	}
	return nil, false
}

// putAt puts a value where there is another one, or none in an object.
func putAt(value any, path ...any) func(object) error {
	return func(template object) error {
		parent, last, err := walkTo(template, path)
		if err != nil {
			return err
		}
		if was, _ := member(parent, last); fmt.Sprint(was) == fmt.Sprint(value) {
			return fmt.Errorf("path %v: is %v already", path, value)
		}
		switch p := parent.(type) {
		case object:
			p[last.(string)] = value
			return nil
		case []any:
			p[last.(int)] = value
			return nil
		}
		return fmt.Errorf("path %v: leads nowhere", path)
	}
}

// dropAt takes a member away.
func dropAt(path ...any) func(object) error {
	return func(template object) error {
		parent, last, err := walkTo(template, path)
		if err != nil {
			return err
		}
		if _, ok := member(parent, last); !ok {
			return fmt.Errorf("path %v: is not there", path)
		}
		delete(parent.(object), last.(string))
		return nil
	}
}

// renameAt gives a member another name.
func renameAt(name string, path ...any) func(object) error {
	return func(template object) error {
		parent, last, err := walkTo(template, path)
		if err != nil {
			return err
		}
		was, ok := member(parent, last)
		if !ok {
			return fmt.Errorf("path %v: is not there", path)
		}
		parent.(object)[name] = was
		return dropAt(path...)(template)
	}
}

// statements changes the statements of a role's policy: f gets each that is about
// an action, and says whether it is to stay.
func statements(role, action string, f func(object) bool) func(object) error {
	return func(template object) error {
		parent, last, err := walkTo(template, []any{"Resources", role, "Properties", "Policies", 0, "PolicyDocument", "Statement"})
		if err != nil {
			return err
		}
		list, _ := member(parent, last)
		hit := false
		kept := slices.DeleteFunc(list.([]any), func(one any) bool {
			names, _ := texts("Action", one.(object)["Action"])
			if !slices.Contains(names, action) {
				return false
			}
			hit = true
			return !f(one.(object))
		})
		parent.(object)[last.(string)] = kept
		if !hit {
			return fmt.Errorf("role %s: no statement is about %s", role, action)
		}
		return nil
	}
}

// having sets a member of every such statement whose Effect is the one given.
func having(effect, name string, value any) func(object) bool {
	return func(s object) bool {
		if s["Effect"] == effect {
			s[name] = value
		}
		return true
	}
}

func lacking(effect string) func(object) bool {
	return func(s object) bool { return s["Effect"] != effect }
}

// widened adds an action to every such statement that allows.
func widened(action string) func(object) bool {
	return func(s object) bool {
		if names, err := texts("Action", s["Action"]); err == nil && s["Effect"] == "Allow" {
			var all []any
			for _, n := range append(names, action) {
				all = append(all, n)
			}
			s["Action"] = all
		}
		return true
	}
}

// templateFaults are found by the checks that need the template alone.
var templateFaults = []fault{
	{"a misspelt property", renameAt("DeletionProtectionEnable", "Resources", "Table", "Properties", "DeletionProtectionEnabled"), "Table: property DeletionProtectionEnable: is none of its type"},
	{"a misspelt property inside another", renameAt("PointInTimeRecoveryEnable", "Resources", "Table", "Properties", "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"), "PointInTimeRecoverySpecification.PointInTimeRecoveryEnable"},
	{"a misspelt property of a queue", renameAt("maxReceiveCounts", "Resources", "FlushQueue", "Properties", "RedrivePolicy", "maxReceiveCount"), "RedrivePolicy.maxReceiveCounts"},
	{"a misspelt type", putAt("AWS::SQS::Queues", "Resources", "FlushQueue", "Type"), `type "AWS::SQS::Queues"`},
	{"a misspelt attribute", renameAt("DeletionPolicies", "Resources", "Table", "DeletionPolicy"), "Table: DeletionPolicies"},
	{"a value that is none", putAt("PAY_PER_REQEST", "Resources", "Table", "Properties", "BillingMode"), "BillingMode PAY_PER_REQEST"},
	{"a plain value in place of properties", putAt(true, "Resources", "Table", "Properties", "SSESpecification"), "must hold properties"},
	{"properties in place of a plain value", putAt(object{"Enabled": true}, "Resources", "Table", "Properties", "DeletionProtectionEnabled"), "must be a plain value"},
	{"a required property missing", dropAt("Resources", "AuthorizerRole", "Properties", "AssumeRolePolicyDocument"), "AssumeRolePolicyDocument: must be given"},
	{"a resource that is not there", putAt(object{"Ref": "Tables"}, "Outputs", "TableName", "Value"), `"Tables": neither a parameter nor a resource`},
	{"an attribute that is not there", putAt(object{"Fn::GetAtt": []any{"Table", "ARN"}}, "Outputs", "TableArn", "Value"), "has no such attribute"},
	{"an order that is not there", putAt("Nobody", "Resources", "AdminLambdaFunction", "DependsOn"), "DependsOn Nobody"},

	{"a table that goes with the stack", dropAt("Resources", "Table", "DeletionPolicy"), "Table: DeletionPolicy"},
	{"a table that goes with a replacement", putAt("Delete", "Resources", "Table", "UpdateReplacePolicy"), "Table: UpdateReplacePolicy"},
	{"a table with a fixed name", putAt("scopegate", "Resources", "Table", "Properties", "TableName"), "TableName: must not be given"},
	{"a table that is copied to a stream", putAt(object{"StreamViewType": "NEW_IMAGE"}, "Resources", "Table", "Properties", "StreamSpecification"), "Table: StreamSpecification: must not be given"},
	{"a table without protection", putAt(false, "Resources", "Table", "Properties", "DeletionProtectionEnabled"), "DeletionProtectionEnabled"},
	{"a table without recovery", putAt(false, "Resources", "Table", "Properties", "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"), "PointInTimeRecoverySpecification"},
	{"time to live by a permission's end", putAt("expiresAt", "Resources", "Table", "Properties", "TimeToLiveSpecification", "AttributeName"), "TimeToLiveSpecification"},

	{"an action of all", statements("AuthorizerRole", "dynamodb:GetItem", having("Allow", "Action", []any{"dynamodb:*"})), "must be one action"},
	{"a resource of all", statements("AuthorizerRole", "dynamodb:GetItem", having("Allow", "Resource", "*")), "must name a resource"},
	{"everything but", statements("AuthorizerRole", "dynamodb:GetItem", func(s object) bool { return renameAt("NotResource", "Resource")(s) == nil }), "NotResource: is not known"},
	{"a role of AWS's", putAt([]any{"arn:aws:iam::aws:policy/AmazonDynamoDBFullAccess"}, "Resources", "AdminRole", "Properties", "ManagedPolicyArns"), "ManagedPolicyArns"},
	{"a function that is traced for nothing", putAt("Active", "Resources", "AdminLambdaFunction", "Properties", "TracingConfig", "Mode"), "AdminLambdaFunction: traced true"},
	{"a role for anybody", putAt(object{"AWS": "*"}, "Resources", "AdminRole", "Properties", "AssumeRolePolicyDocument", "Statement", 0, "Principal"), "must trust lambda.amazonaws.com alone"},
	{"a role for two", putAt(object{"Fn::GetAtt": []any{"AdminRole", "Arn"}}, "Resources", "AuthorizerLambdaFunction", "Properties", "Role"), "AdminLambdaFunction's too"},

	{"a public route", dropAt("Resources", "HttpApiRouteAnyProxyVar", "Properties", "AuthorizationType"), `route "ANY /{proxy+}": AuthorizationType`},
	{"a public route more", putAt(object{"Type": "AWS::ApiGatewayV2::Route", "Properties": object{"ApiId": "x", "RouteKey": "$default"}}, "Resources", "More"), `route "$default": AuthorizationType`},
	{"an admin API for every site's scripts", putAt(object{"AllowOrigins": []any{"*"}}, "Resources", "HttpApi", "Properties", "CorsConfiguration"), "CorsConfiguration"},
	{"a queue for everybody", putAt(object{"Type": "AWS::SQS::QueuePolicy", "Properties": object{"Queues": []any{"x"}, "PolicyDocument": object{}}}, "Resources", "Open"), "must stand in their role"},
	{"a bucket that may be made public", dropAt("Resources", "ServerlessDeploymentBucket", "Properties", "PublicAccessBlockConfiguration"), "BlockPublicAcls"},
	{"another function's program", putAt("serverless/scopegate/example/1/admin.zip", "Resources", "AuthorizerLambdaFunction", "Properties", "Code", "S3Key"), "must be authorizer.zip"},
	{"an API that anybody can flood", dropAt("Resources", "HttpApiStage", "Properties", "DefaultRouteSettings", "ThrottlingRateLimit"), "ThrottlingRateLimit 0: must be"},
	{"another audience", putAt([]any{"api://other"}, "Resources", "HttpApiAuthorizerEntra", "Properties", "JwtConfiguration", "Audience"), "Audience"},
	{"another issuer", putAt("https://login.microsoftonline.com/common/v2.0", "Resources", "HttpApiAuthorizerEntra", "Properties", "JwtConfiguration", "Issuer"), "Issuer"},
	{"callers from everywhere", putAt("arn:aws:execute-api:eu-central-1:*:*/authorizers/*", "Resources", "AuthorizerPermission", "Properties", "SourceArn"), "one region and account"},
	{"any API calls the authorizer", putAt(object{"Fn::Sub": "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:*"}, "Resources", "AuthorizerPermission", "Properties", "SourceArn"), "SourceArn's path"},
	{"another service calls", putAt("events.amazonaws.com", "Resources", "AuthorizerPermission", "Properties", "Principal"), "Principal"},
	{"nobody calls", dropAt("Resources", "AuthorizerPermission"), "own API Gateway"},

	{"a time-out that nobody waits for", putAt(30.0, "Resources", "AuthorizerLambdaFunction", "Properties", "Timeout"), "Timeout 30: must be 1 to 10"},
	{"a time-out within a flush", putAt(10.0, "Resources", "AdminLambdaFunction", "Properties", "Timeout"), "Timeout 10: must be 21"},
	{"another machine", putAt([]any{"x86_64"}, "Resources", "AuthorizerLambdaFunction", "Properties", "Architectures"), "Architectures"},
	{"a misspelt setting", putAt("60s", "Resources", "AuthorizerLambdaFunction", "Properties", "Environment", "Variables", "CACHE_TLL"), "CACHE_TLL"},
	{"a setting that is none", putAt("soon", "Resources", "AdminLambdaFunction", "Properties", "Environment", "Variables", "CACHE_TTL"), `CACHE_TTL "soon"`},
	{"a setting missing", dropAt("Resources", "AuthorizerLambdaFunction", "Properties", "Environment", "Variables", "OIDC_AUDIENCES"), "OIDC_AUDIENCES"},
	{"another table", putAt("scopegate", "Resources", "AuthorizerLambdaFunction", "Properties", "Environment", "Variables", "TABLE_NAME"), "TABLE_NAME scopegate: its role does not allow"},
	{"another queue", putAt(object{"Ref": "FlushDeadLetters"}, "Resources", "AdminLambdaFunction", "Properties", "Environment", "Variables", "FLUSH_QUEUE_URL"), "must be the queue whose messages it gets"},
	{"a log that is kept for ever", dropAt("Resources", "AuthorizerLogGroup", "Properties", "RetentionInDays"), "kept for ever"},

	{"messages handed out twice", putAt(10.0, "Resources", "FlushQueue", "Properties", "VisibilityTimeout"), "VisibilityTimeout"},
	{"messages that are never given up", dropAt("Resources", "FlushQueue", "Properties", "RedrivePolicy"), "dead-letter queue"},
	{"messages given up at once", putAt(1.0, "Resources", "FlushQueue", "Properties", "RedrivePolicy", "maxReceiveCount"), "maxReceiveCount"},
	{"messages that nobody sees again", putAt(60.0, "Resources", "FlushDeadLetters", "Properties", "MessageRetentionPeriod"), "must be longer"},
	{"messages that end before they are given up", putAt(600.0, "Resources", "FlushQueue", "Properties", "MessageRetentionPeriod"), "longer than it is tried"},
	{"messages that all wait", putAt(900.0, "Resources", "FlushQueue", "Properties", "DelaySeconds"), "DelaySeconds"},
	{"messages in the clear", putAt(false, "Resources", "FlushDeadLetters", "Properties", "SqsManagedSseEnabled"), "SqsManagedSseEnabled"},
	{"one failure for all", dropAt("Resources", "AdminEventSourceMappingSQSFlushQueue", "Properties", "FunctionResponseTypes"), "FunctionResponseTypes"},

	{"an export that is gone", dropAt("Outputs", "AuthorizerArn", "Export"), "output AuthorizerArn"},
	{"an export by another name", putAt("scopegate-AuthorizerArn", "Outputs", "AuthorizerArn", "Export", "Name"), "output AuthorizerArn"},
	{"an output of another place", putAt("https://admin.example.org", "Outputs", "AdminUrl", "Value"), "output AdminUrl"},
	{"an output of another form", putAt(object{"Fn::GetAtt": []any{"Table", "Arn"}}, "Outputs", "TableName", "Value"), "output TableName"},
	{"an output of another thing", putAt(object{"Ref": "AdminLambdaFunction"}, "Outputs", "AuthorizerFunction", "Value"), "output AuthorizerFunction"},
	{"one partition alone", putAt("arn:aws:execute-api:eu-central-1:111122223333:*/authorizers/*", "Resources", "AuthorizerPermission", "Properties", "SourceArn"), "names the partition aws"},
}

// TestPlantedFaultsAreFound: what the checks are for.
func TestPlantedFaultsAreFound(t *testing.T) {
	template := Package(t, ".")
	for _, c := range templateFaults {
		t.Run(c.name, func(t *testing.T) { found(t, c.says, checkTemplate(c.spoil(t, template))) })
	}
}

// roleFaults are found only by what the functions do.
var roleFaults = []fault{
	{"an action that is not needed", statements("AuthorizerRole", "dynamodb:GetItem", widened("dynamodb:DescribeTable")), "allows dynamodb:DescribeTable"},
	{"an action that destroys", statements("AuthorizerRole", "dynamodb:GetItem", widened("dynamodb:PutItem")), "role AuthorizerRole: allows dynamodb:PutItem"},
	{"an action that is missing", statements("AdminRole", "sqs:SendMessage", lacking("Allow")), "does not allow sqs:SendMessage"},
	{"a cache that cannot be emptied", statements("AdminRole", "apigateway:DELETE", having("Allow", "Resource", object{"Fn::Sub": "arn:${AWS::Partition}:apigateway:${AWS::Region}::/restapis/*/stages/*/cache/authorizers"})), "does not allow apigateway:DELETE on arn:aws:apigateway:eu-central-1::/apis/" + httpID + "/stages/dev"},
	{"every stage may be deleted", statements("AdminRole", "apigateway:DELETE", having("Allow", "Resource", object{"Fn::Sub": "arn:${AWS::Partition}:apigateway:${AWS::Region}::/restapis/*"})), "allows apigateway:DELETE on"},
	{"settings of every API may be read", statements("AdminRole", "apigateway:GET", lacking("Deny")), "allows apigateway:GET on arn:aws:apigateway:eu-central-1::/apis/x/stages/dev"},
	{"a log of another's", statements("AuthorizerRole", "logs:PutLogEvents", having("Allow", "Resource", object{"Fn::Sub": "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/lambda/*:*"})), "allows logs:PutLogEvents"},
	{"a Deny turned into Allow", statements("AdminRole", "dynamodb:UpdateItem", having("Deny", "Effect", "Allow")), "allows dynamodb:UpdateItem on arn:aws:dynamodb:eu-central-1:111122223333:table/table of items audit#"},
	{"no Deny", statements("AdminRole", "dynamodb:BatchWriteItem", lacking("Deny")), "allows dynamodb:BatchWriteItem on"},
	{"a Deny of the wrong items", statements("AdminRole", "dynamodb:DeleteItem", having("Deny", "Condition", object{"ForAnyValue:StringLike": object{leadingKeys: []any{"audits#*"}}})), "of items audit#"},
	{"a Deny that a second item lifts", statements("AdminRole", "dynamodb:BatchWriteItem", func(s object) bool {
		c, _ := s["Condition"].(object)
		return c == nil || renameAt("ForAllValues:StringLike", "ForAnyValue:StringLike")(c) == nil
	}), "of items api#arn#dev#g, audit#arn#dev"},
	{"a Deny of what is needed", statements("AdminRole", "dynamodb:PutItem", having("Deny", "Condition", object{"ForAnyValue:StringLike": object{leadingKeys: []any{"audit*"}}})), "does not allow dynamodb:PutItem"},
}

// TestFaultsOfRolesAreFound by comparing them with what the functions ask for.
func TestFaultsOfRolesAreFound(t *testing.T) {
	template := Package(t, ".")
	s := newStack(template, "aws")
	made := map[string][]call{}
	for function, use := range map[string]func(*testing.T, *stack, *recorder, string){"authorizer": useAuthorizer, "admin": useAdminAPI} {
		r := newRecorder()
		use(t, s, r, r.tables(t, dynamotest.Endpoint(t), s.table()))
		made[function], _ = r.all()
	}
	for _, c := range roleFaults {
		t.Run(c.name, func(t *testing.T) { found(t, c.says, checkLeast(c.spoil(t, template), "aws", made)) })
	}
}
