package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const tenant = "8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11"

func of(authorizer, admin string) string {
	return `{"Resources":{
		"Table":{"Type":"AWS::DynamoDB::Table","Properties":{}},
		"AuthorizerLambdaFunction":{"Type":"AWS::Lambda::Function","Properties":{"Environment":{"Variables":{
			"TABLE_NAME":{"Ref":"Table"},"ENTRA_TENANT_IDS":"` + tenant + `","OIDC_AUDIENCES":"api://orders"` + authorizer + `}}}},
		"AdminLambdaFunction":{"Type":"AWS::Lambda::Function","Properties":{"Environment":{"Variables":{
			"TABLE_NAME":{"Ref":"Table"},"FLUSH_QUEUE_URL":{"Ref":"FlushQueue"},"ADMIN_TENANT_IDS":"` + tenant + `","ADMIN_AUDIENCES":"x"` + admin + `}}}}}}`
}

func TestSettingsThatStartPass(t *testing.T) {
	for name, text := range map[string]string{
		"least":          of("", ""),
		"more":           of(`,"CACHE_TTL":"10s","INVALID_TOKEN":"deny"`, `,"CACHE_TTL":"10s","ADMIN_ROLE":"Chief"`),
		"a layer's keys": of(`,"OIDC_JWKS_FILE":"/opt/keys.json"`, ""),
	} {
		if err := check([]byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFaultsOfEveryFunctionAreListed: those that would stop its start.
func TestFaultsOfEveryFunctionAreListed(t *testing.T) {
	err := check([]byte(of(`,"CACHE_TTL":"30","CACHE_TLL":"1s"`, `,"ADMIN_SCOPE":""`)))
	if err == nil {
		t.Fatal("passed")
	}
	for _, want := range []string{"AuthorizerLambdaFunction", `CACHE_TTL "30"`, "CACHE_TLL", "AdminLambdaFunction", "ADMIN_SCOPE"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "TABLE_NAME") || strings.Contains(err.Error(), "FLUSH_QUEUE_URL") {
		t.Errorf("what CloudFormation fills in is a fault:\n%v", err)
	}
}

func TestWhatIsNoTemplateIsAnError(t *testing.T) {
	for _, text := range []string{"", "{", "{}", `{"Resources":{"Table":{"Type":"AWS::DynamoDB::Table"}}}`} {
		if check([]byte(text)) == nil {
			t.Errorf("%q passed", text)
		}
	}
	if err := run(filepath.Join(t.TempDir(), "missing.json")); !os.IsNotExist(err) {
		t.Errorf("a missing file: %v", err)
	}
}
