//go:build deploy

package deploytest

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// checkTemplate is everything that can be told from the template alone.
func checkTemplate(template object) []error {
	var errs []error
	for _, find := range []func(object) []error{
		checkProperties, checkReferences, checkRoles, checkTracing, checkTable, checkLogs, checkFunctions, checkQueue, checkAdminAPI, checkCallers, checkExports, checkBucket, checkPartitions,
	} {
		errs = append(errs, find(template)...)
	}
	return errs
}

func wantNone(t *testing.T, errs []error) {
	t.Helper()
	for _, err := range errs {
		t.Error(err)
	}
}

// TestTypesAndPropertiesOfTheTemplatesAreKnown, of the examples' too.
func TestTypesAndPropertiesOfTheTemplatesAreKnown(t *testing.T) {
	for _, folder := range append(Examples(t), ".", filepath.Join("deploy", "probe")) {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			template := Package(t, folder)
			wantNone(t, checkProperties(template))
			wantNone(t, checkReferences(template))
		})
	}
}

// TestTheTemplateIsAsItMustBe of a clean clone.
func TestTheTemplateIsAsItMustBe(t *testing.T) {
	template := Package(t, ".")
	wantNone(t, checkTemplate(template))
	for _, r := range resources(template, "AWS::Lambda::Function") {
		if mode := Part(r.properties, "TracingConfig", "Mode"); mode == "Active" {
			t.Errorf("%s: is traced, unasked", r.id)
		}
	}
}

const (
	otherAccount = "444455556666"
	topic        = "arn:aws:sns:eu-central-1:111122223333:on-call"
)

// everything is the template of a stage that switches everything on.
func everything(t testing.TB) object {
	t.Helper()
	return Package(t, ".", mine("region="+region, "tableName=kept", "accounts="+otherAccount, "simple=on", "tracing=on", "alarmTopicArn="+topic, "CACHE_TTL=10s")...)
}

// TestTheTemplateIsAsItMustBeWithEverythingOn, and does what was asked for.
func TestTheTemplateIsAsItMustBeWithEverythingOn(t *testing.T) {
	template := everything(t)
	wantNone(t, checkTemplate(template))
	s := newStack(template, "aws")
	for _, name := range append(s.authorizers(), "admin") {
		environ, err := s.environment(name)
		if err != nil || !slices.Contains(environ, "TABLE_NAME=kept") {
			t.Errorf("%s: environment %v (%v): must have TABLE_NAME=kept", name, environ, err)
		}
	}
	callers := map[string]bool{}
	for _, r := range resources(template, "AWS::Lambda::Permission") {
		p, err := s.resolved(r)
		if err != nil {
			t.Fatal(err)
		}
		callers[targetOf(r.properties["FunctionName"])+" "+strings.Split(fmt.Sprint(p["SourceArn"]), ":")[4]] = true
	}
	for _, name := range []string{"AuthorizerLambdaFunction", "AuthorizerSimpleLambdaFunction"} {
		if !callers[name+" "+account] || !callers[name+" "+otherAccount] {
			t.Errorf("%s: called by %v: must be by both accounts", name, callers)
		}
	}
	if callers["AdminLambdaFunction "+otherAccount] {
		t.Error("another account calls the admin function")
	}
	for _, r := range resources(template, "AWS::CloudWatch::Alarm") {
		if !slices.Equal(r.properties["AlarmActions"].([]any), []any{topic}) {
			t.Errorf("%s: AlarmActions %v: must be the topic", r.id, r.properties["AlarmActions"])
		}
	}
}
