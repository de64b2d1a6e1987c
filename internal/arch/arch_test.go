package arch_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "scopegate"

// list runs go list and gives its lines.
func list(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	return strings.Fields(string(out))
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
// is not linked into the function that every call waits for.
func TestTheAuthorizerBinaryStaysLean(t *testing.T) {
	forbidden := []string{
		module + "/admin", module + "/gateway", module + "/migrations", module + "/cmd", module + "/store/bolt",
		module + "/store/storetest", module + "/internal/idp", module + "/internal/cli", module + "/internal/dev",
		module + "/internal/lambdaruntime", module + "/internal/dynamotest", module + "/internal/tabletest", module + "/internal/lint", module + "/internal/reasons", module + "/bench",
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
	for _, pkg := range []string{"authorizer", "token", "mapping", "policy", "store", "gateway", "admin", "internal/config"} {
		for _, dep := range links(t, pkg) {
			if strings.HasPrefix(dep, "github.com/aws/aws-sdk-go-v2") {
				t.Errorf("%s links %s", pkg, dep)
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
		"functions/authorizer", "cmd/scopegate", "authorizer", "token", "mapping", "policy", "store", "store/dynamo",
		"store/bolt", "store/storetest", "admin", "gateway", "migrations",
	} {
		if !slices.Contains(all, module+"/"+pkg) {
			t.Errorf("%s is missing", pkg)
		}
	}
}
