package arch_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "scopegate"

// list runs go list and gives the words of its lines.
func list(t *testing.T, args ...string) []string {
	t.Helper()
	return strings.Fields(strings.Join(lines(t, args...), "\n"))
}

// lines runs go list and gives its lines.
func lines(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// links lists the packages that one links, itself left out.
func links(t *testing.T, pkg string) []string {
	t.Helper()
	all := list(t, "-deps", "./"+pkg)
	return slices.DeleteFunc(all, func(p string) bool { return p == module+"/"+pkg })
}

func isStandard(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	return !strings.Contains(first, ".") && first != module
}

func isOurs(pkg string) bool { return strings.HasPrefix(pkg, module+"/") }

// TestTheAuthorizerBinaryStaysLean: what only admin, the command or tests need
// is not linked into the function that every call waits for, and neither is the SDK's own
// configuration, with STS, SSO and metadata clients: dynamo.OpenLambda stands in for it.
func TestTheAuthorizerBinaryStaysLean(t *testing.T) {
	forbidden := []string{
		module + "/admin", module + "/gateway", module + "/migrations", module + "/cmd", module + "/store/bolt",
		module + "/store/storetest", module + "/internal/idp", module + "/internal/cli", module + "/internal/dev",
		module + "/internal/lambdaruntime", module + "/internal/dynamotest", module + "/internal/leaktest", module + "/internal/tabletest", module + "/internal/lint", module + "/internal/plan", module + "/internal/openapi", module + "/internal/reasons", module + "/bench",
		module + "/functions/admin", module + "/internal/adminwiring", module + "/internal/lambdaproxy", module + "/internal/flush",
		module + "/internal/callerarn", module + "/internal/openapi", module + "/internal/plan", module + "/internal/stack", module + "/internal/doctor", module + "/internal/probe",
		"github.com/aws/aws-sdk-go-v2/service/apigateway", "github.com/aws/aws-sdk-go-v2/service/apigatewayv2", "github.com/aws/aws-sdk-go-v2/service/sqs",
		"github.com/aws/aws-sdk-go-v2/service/cloudformation", "github.com/aws/aws-sdk-go-v2/service/lambda",
		module + "/internal/opentable", "github.com/aws/aws-sdk-go-v2/config", "github.com/aws/aws-sdk-go-v2/credentials",
		"github.com/aws/aws-sdk-go-v2/feature", "github.com/aws/aws-sdk-go-v2/service/sts", "github.com/aws/aws-sdk-go-v2/service/sso",
		"github.com/aws/aws-sdk-go-v2/service/ssooidc", "github.com/aws/aws-sdk-go-v2/service/signin",
		"go.yaml.in", "github.com/goccy", "github.com/oasdiff", "github.com/santhosh-tekuri",
		"github.com/danielgtaylor", "github.com/spf13", "go.etcd.io", "pgregory.net", "github.com/getkin",
		"go.opentelemetry.io", "github.com/golang-jwt", "testing",
	}
	for _, pkg := range links(t, "functions/authorizer") {
		for _, f := range forbidden {
			if pkg == f || strings.HasPrefix(pkg, f+"/") {
				t.Errorf("functions/authorizer links %s", pkg)
			}
		}
	}
}

// TestTheAuthorizerKnowsNoAWSSDK: only store/dynamo, migrations, the flush
// client and the mains do.
func TestTheAuthorizerKnowsNoAWSSDK(t *testing.T) {
	for _, pkg := range []string{"authorizer", "token", "mapping", "policy", "store", "gateway", "admin", "internal/config", "internal/flush", "internal/lambdaproxy", "internal/plan", "internal/adminwiring"} {
		for _, dep := range links(t, pkg) {
			if strings.HasPrefix(dep, "github.com/aws/aws-sdk-go-v2") {
				t.Errorf("%s links %s", pkg, dep)
			}
		}
	}
}

// TestTheAWSSDKStaysAtItsEdges: what speaks to AWS is behind an interface of ours,
// so that everything else runs without AWS.
func TestTheAWSSDKStaysAtItsEdges(t *testing.T) {
	edges := []string{"store/dynamo", "internal/opentable", "migrations", "internal/flush/aws", "internal/doctor/aws", "internal/callerarn", "internal/cli", "internal/dynamotest", "internal/stack", "internal/layout", "functions/", "cmd/", "bench/"}
	for _, line := range lines(t, "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...") {
		pkg, imports, _ := strings.Cut(line, " ")
		pkg = strings.TrimPrefix(pkg, module+"/")
		edge := slices.ContainsFunc(edges, func(e string) bool { return pkg == e || strings.HasSuffix(e, "/") && strings.HasPrefix(pkg, e) })
		if !edge && strings.Contains(imports, "github.com/aws/aws-sdk-go-v2") {
			t.Errorf("%s imports the AWS SDK: %s", pkg, imports)
		}
	}
}

// TestTheAdminFunctionStaysLean: it serves the API and makes flushes; the command's
// parts, and what stands in for AWS, are not in it. (internal/idp is: explain has
// claims judged by signing them with a key of its own.)
func TestTheAdminFunctionStaysLean(t *testing.T) {
	forbidden := []string{
		module + "/cmd", module + "/gateway", module + "/migrations", module + "/store/bolt", module + "/store/storetest",
		module + "/internal/cli", module + "/internal/dev", module + "/internal/lambdaruntime", module + "/internal/dynamotest", module + "/internal/leaktest", module + "/internal/tabletest",
		module + "/internal/callerarn", module + "/internal/stack", module + "/internal/doctor", module + "/internal/probe", module + "/bench", "github.com/spf13", "go.etcd.io", "pgregory.net", "github.com/golang-jwt", "testing",
	}
	for _, pkg := range links(t, "functions/admin") {
		for _, f := range forbidden {
			if pkg == f || strings.HasPrefix(pkg, f+"/") {
				t.Errorf("functions/admin links %s", pkg)
			}
		}
	}
}

func TestMappingUsesTheStandardLibraryOnly(t *testing.T) {
	for _, dep := range links(t, "mapping") {
		if !isStandard(dep) {
			t.Errorf("mapping links %s", dep)
		}
	}
}

func TestPolicyImportsMappingAlone(t *testing.T) {
	for _, dep := range links(t, "policy") {
		if !isStandard(dep) && dep != module+"/mapping" {
			t.Errorf("policy links %s", dep)
		}
	}
}

func TestTokenImportsNothingOfOurs(t *testing.T) {
	for _, dep := range links(t, "token") {
		if isOurs(dep) {
			t.Errorf("token links %s", dep)
		}
	}
}

// TestTheDesignsPackagesAreThere: the house of the design, each in its place.
func TestTheDesignsPackagesAreThere(t *testing.T) {
	all := list(t, "./...")
	for _, pkg := range []string{
		"functions/authorizer", "functions/admin", "cmd/scopegate", "authorizer", "token", "mapping", "policy", "store", "store/dynamo",
		"store/bolt", "store/storetest", "admin", "gateway", "migrations",
	} {
		if !slices.Contains(all, module+"/"+pkg) {
			t.Errorf("%s is missing", pkg)
		}
	}
}
