//go:build deploy

package deploytest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// service is what the two services have in common.
type service struct {
	Provider struct {
		HTTPAPI struct {
			Payload     string
			Authorizers map[string]struct {
				Type           yaml.Node
				IdentitySource yaml.Node `yaml:"identitySource"`
			}
		} `yaml:"httpApi"`
	}
	Functions functions
}

type functions map[string]struct{ Events []map[string]yaml.Node }

// UnmarshalYAML reads functions, or a list of them; other files that a list names
// are left out.
func (f *functions) UnmarshalYAML(node *yaml.Node) error {
	type plain functions
	all := plain{}
	parts := []*yaml.Node{node}
	if node.Kind == yaml.SequenceNode {
		parts = node.Content
	}
	for _, part := range parts {
		if part.Kind != yaml.MappingNode {
			continue
		}
		if err := part.Decode(&all); err != nil {
			return err
		}
	}
	*f = functions(all)
	return nil
}

// adminRoutes are the routes of the admin function's HTTP API, each with its
// authorizer.
func adminRoutes(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(Root(t), file))
	if err != nil {
		t.Fatal(err)
	}
	var s service
	if err := yaml.Unmarshal(b, &s); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var routes []string
	for _, event := range s.Functions["admin"].Events {
		node, ok := event["httpApi"]
		if !ok {
			continue
		}
		var route struct {
			Method, Path string
			Authorizer   struct{ Name string }
		}
		if node.Kind == yaml.ScalarNode {
			route.Method, route.Path, _ = strings.Cut(node.Value, " ")
		} else if err := node.Decode(&route); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		authorizer := s.Provider.HTTPAPI.Authorizers[route.Authorizer.Name]
		routes = append(routes, strings.Join([]string{
			route.Method, route.Path, authorizer.Type.Value, authorizer.IdentitySource.Value, s.Provider.HTTPAPI.Payload,
		}, " "))
	}
	slices.Sort(routes)
	return routes
}

// TestTheOfflineGatewayServesTheAdminRoutesThatAreDeployed, or its rows would show
// something of routes that nobody has.
func TestTheOfflineGatewayServesTheAdminRoutesThatAreDeployed(t *testing.T) {
	deployed := adminRoutes(t, "serverless.yml")
	if len(deployed) == 0 {
		t.Fatal("serverless.yml: the admin function has no routes")
	}
	if diff := cmp.Diff(deployed, adminRoutes(t, filepath.Join("deploy", "offline", "serverless.yml"))); diff != "" {
		t.Errorf("deployed (-), behind serverless-offline (+):\n%s", diff)
	}
}
