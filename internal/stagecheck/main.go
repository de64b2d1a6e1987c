// Command stagecheck reads the settings of a packaged template as the functions
// will when they start. In goes the template; out comes nothing, or every fault of
// every function: a function that does not start answers each request with 500, and
// would be found out only then.
//
//	stagecheck build/package/scopegate/cloudformation-template-update-stack.json
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"scopegate/internal/config"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: stagecheck TEMPLATE.json")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "stagecheck:", err)
		os.Exit(1)
	}
}

func run(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return check(text)
}

// adminID is the logical id of the admin function, as osls makes it of its name in
// serverless.yml. Every other function is an authorizer.
const adminID = "AdminLambdaFunction"

type template struct {
	Resources map[string]struct {
		Type       string
		Properties struct {
			Environment struct{ Variables map[string]json.RawMessage }
		}
	}
}

// check loads the environment of each function of a template.
func check(text []byte) error {
	var t template
	if err := json.Unmarshal(text, &t); err != nil {
		return fmt.Errorf("read the template: %w", err)
	}
	var faults []error
	functions := 0
	for _, id := range slices.Sorted(maps.Keys(t.Resources)) {
		r := t.Resources[id]
		if r.Type != "AWS::Lambda::Function" {
			continue
		}
		functions++
		role := config.Authorizer
		if id == adminID {
			role = config.AdminAPI
		}
		if _, err := config.Load(environ(r.Properties.Environment.Variables), role); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", id, err))
		}
	}
	if functions == 0 {
		return errors.New("the template has no function")
	}
	return errors.Join(faults...)
}

// environ is the environment as far as it is known before there is a stack.
func environ(variables map[string]json.RawMessage) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		var value string
		if json.Unmarshal(variables[name], &value) != nil {
			value = ofStack(name)
		}
		// A layer's file is not on this machine.
		if name == "OIDC_JWKS_FILE" && strings.HasPrefix(value, "/opt/") {
			continue
		}
		out = append(out, name+"="+value)
	}
	return out
}

// ofStack stands in for what CloudFormation fills in.
func ofStack(name string) string {
	if name == "FLUSH_QUEUE_URL" {
		return "https://sqs.us-east-1.amazonaws.com/123456789012/queue"
	}
	return "of-the-stack"
}
