package wiring_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"scopegate/gateway"
	"scopegate/internal/config"
	"scopegate/internal/dynamotest"
	"scopegate/internal/idp"
	"scopegate/internal/wiring"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// TestATableOfALaterVersionIsAFailureAndNeverADenial: a migration notes a step that
// this code cannot go on with. What was read before goes on for as long as nothing
// changes, since it was read rightly. What is to be read anew fails, with 500 and an
// entry in the log that says why: a table, one that this code does not find, and
// revocations. Once the newer code is there, or the step is not, it recovers.
func TestATableOfALaterVersionIsAFailureAndNeverADenial(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	s := dynamo.New(client, table)
	load(t, s, `[`+document("dev", "GET", "a", "read")+`]`)
	r := newRig(t, s, gateway.Config{Flavour: gateway.RESTToken, Stages: []string{"dev", "cold"}}, "CACHE_TTL=30s", "CACHE_MAX_STALE=1m")
	raw := r.mint(idp.Spec{Scopes: []string{"read"}, Life: 3 * time.Hour})
	r.want("GET", "/dev/a", raw, http.StatusOK)
	r.want("GET", "/cold/a", raw, http.StatusForbidden) // no such table: a denial

	note := map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "migrations"}, "sk": &types.AttributeValueMemberS{Value: "step#9000"},
		"name": &types.AttributeValueMemberS{Value: "of tomorrow"}, "breaking": &types.AttributeValueMemberBOOL{Value: true},
	}
	if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: note}); err != nil {
		t.Fatal(err)
	}
	r.at(time.Hour)
	r.want("GET", "/dev/a", raw, http.StatusOK)
	r.want("GET", "/cold/a", raw, http.StatusInternalServerError)

	delete(note, "name")
	delete(note, "breaking")
	if _, err := client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: note}); err != nil {
		t.Fatal(err)
	}
	r.at(2 * time.Hour)
	r.want("GET", "/cold/a", raw, http.StatusForbidden)
}

// TestAColdStartOnATableOfALaterVersionSaysSo: it starts, since that may pass, and
// every call fails.
func TestAColdStartOnATableOfALaterVersionSaysSo(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	s := dynamo.New(client, table)
	load(t, s, `[`+document("dev", "GET", "a", "read")+`]`)
	_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "migrations"}, "sk": &types.AttributeValueMemberS{Value: "step#9000"},
		"name": &types.AttributeValueMemberS{Value: "of tomorrow"}, "breaking": &types.AttributeValueMemberBOOL{Value: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, s, gateway.Config{Flavour: gateway.RESTToken, Stages: []string{"dev"}})
	r.want("GET", "/dev/a", r.mint(idp.Spec{Scopes: []string{"read"}}), http.StatusInternalServerError)

	core, logged := observer.New(zap.WarnLevel)
	settings, err := config.Load([]string{
		"ENTRA_TENANT_IDS=" + r.provider.TenantID(), "ENTRA_AUTHORITY=" + r.provider.Authority(), "ENTRA_STS=" + r.provider.STS(), "OIDC_AUDIENCES=" + r.provider.Audience(),
	}, config.Authorizer)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := wiring.New(settings, dynamo.NewReader(client, table), zap.New(core), r.now)
	if err != nil {
		t.Fatal(err)
	}
	parts.Prefetch(t.Context())
	said := 0
	for _, e := range logged.All() {
		if why, ok := e.ContextMap()["error"].(string); ok && strings.Contains(why, "step 9000 (of tomorrow) of the table is unknown here: the table is newer than this program") {
			said++
		}
	}
	if said != 2 { // tables, revocations
		t.Errorf("the log says why %d times: %v", said, logged.All())
	}
}

// TestABreakingStepEndsWhatOlderInstancesServe: such a step changes the revision of
// every table and of the revocations. An instance that had read all of it before goes
// on as through an outage, and not for longer.
func TestABreakingStepEndsWhatOlderInstancesServe(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	s := dynamo.New(client, table)
	load(t, s, `[`+document("dev", "GET", "a", "read")+`]`)
	r := newRig(t, s, gateway.Config{Flavour: gateway.RESTToken, Stages: []string{"dev"}}, "CACHE_TTL=30s", "CACHE_MAX_STALE=1h")
	raw := r.mint(idp.Spec{Scopes: []string{"read"}, Life: 3 * time.Hour})
	r.want("GET", "/dev/a", raw, http.StatusOK)
	text := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	for _, it := range []map[string]types.AttributeValue{
		{"pk": text("migrations"), "sk": text("step#9000"), "breaking": &types.AttributeValueMemberBOOL{Value: true}},
		{"pk": text("revocations"), "sk": text("meta"), "revision": &types.AttributeValueMemberN{Value: "1"}, "incarnation": text("of tomorrow"), "fence": text("")},
	} {
		if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: it}); err != nil {
			t.Fatal(err)
		}
	}
	r.at(31 * time.Second)
	r.want("GET", "/dev/a", raw, http.StatusOK) // as through an outage
	r.at(30*time.Second + store.RevocationsMaxStale + time.Second)
	r.want("GET", "/dev/a", raw, http.StatusInternalServerError)
}
