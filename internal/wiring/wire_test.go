package wiring_test

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"

	"scopegate/internal/config"
	"scopegate/internal/dynamotest"
	"scopegate/internal/idp"
	"scopegate/internal/wiring"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// TestWhatAnAuthorizerAsksOfDynamoDB, on the wire: GetItem and Query alone; within
// CACHE_TTL nothing, and after it one GetItem for the table and one for
// revocations, unless one of them has changed.
func TestWhatAnAuthorizerAsksOfDynamoDB(t *testing.T) {
	r := &rig{t: t, clock: new(atomic.Int64)}
	r.provider = r.serveProvider()
	settings, err := config.Load([]string{
		"ENTRA_TENANT_IDS=" + r.provider.TenantID(), "ENTRA_AUTHORITY=" + r.provider.Authority(), "ENTRA_STS=" + r.provider.STS(),
		"OIDC_AUDIENCES=" + r.provider.Audience(), "CACHE_TTL=30s",
	}, config.Authorizer)
	if err != nil {
		t.Fatal(err)
	}
	endpoint := dynamotest.Endpoint(t)
	client, _ := dynamotest.WireClient(t, endpoint)
	table := dynamotest.TableOn(t, client)
	writer := dynamo.New(client, table)
	load(t, writer, `[`+document("dev", "GET", "a", "read")+`]`)
	watched, wire := dynamotest.WireClient(t, endpoint)
	asked := make(chan string, 100)
	wire.Watch(func(operation string) { asked <- operation })
	reader := dynamo.NewReader(watched, table)
	reader.SetClock(r.now)
	parts, err := wiring.New(settings, reader, zap.NewNop(), r.now)
	if err != nil {
		t.Fatal(err)
	}
	token := r.mint(idp.Spec{Scopes: []string{"read"}, ObjectID: "9a0d4e6e-7b1f-4a0c-8a5e-2f6b7c8d9e00", Life: time.Hour})
	event := []byte(`{"type":"TOKEN","methodArn":"` + api + `/dev/GET/a","authorizationToken":"` + token + `"}`)
	wants := func(when string, want ...string) {
		t.Helper()
		for range 5 {
			if _, err := parts.Authorizer.Invoke(t.Context(), event); err != nil {
				t.Fatalf("%s: %v", when, err)
			}
		}
		var got []string
		for len(asked) > 0 {
			got = append(got, <-asked)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: DynamoDB is asked %q, want %q", when, got, want)
		}
	}
	// What is read anew asks the ledger once: is the table for this code? Heads and
	// packed tables come in one Query.
	wants("cold, and nobody was ever revoked", "GetItem", "Query", "Query")
	wants("warm")
	r.at(30 * time.Second)
	wants("after CACHE_TTL", "GetItem", "GetItem")
	revoked := store.Revocation{PrincipalID: "someone:else", At: epoch, Until: epoch.Add(store.MinRevocation), By: "test"}
	if _, err := writer.Revoke(t.Context(), store.RevocationChange{ID: ulid.Make().String(), Put: &revoked, By: "test", At: epoch}); err != nil {
		t.Fatal(err)
	}
	wants("within CACHE_TTL of a revocation")
	r.at(60 * time.Second)
	wants("after a revocation", "GetItem", "GetItem", "GetItem", "GetItem", "Query", "Query")
	load(t, writer, `[`+document("dev", "GET", "b", "read")+`]`)
	r.at(90 * time.Second)
	wants("after a change of the table", "GetItem", "GetItem", "Query", "Query")
	r.at(120 * time.Second)
	wants("after that", "GetItem", "GetItem")
}
