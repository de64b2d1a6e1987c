package world

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"scopegate/mapping"
	"scopegate/migrations"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// Tables of the two kinds of authorizers.
type Tables struct {
	Scopegate string // as migrations makes it
	// Peers holds the same permissions as others keep them: in partition PeersKey an
	// item "{scope}#{n}" for each, with its fields as attributes, and in one item,
	// "document", all of them as JSON.
	Peers string
	// Document is a file of that JSON.
	Document string
}

// PeersKey is the partition of Tables.Peers.
var PeersKey = API.ARN + "#" + API.Stage

// Permissions are those of a caller's tables: ten that one meets in any API, one of
// them for One; and, in Hundred's, a hundred for that one.
func (c Caller) Permissions() ([]byte, []mapping.Permission, error) {
	var lines []string
	add := func(verb, resource, scope string) {
		lines = append(lines, fmt.Sprintf(`{"arn":%q,"stage":%q,"httpVerb":%q,"resource":%q,"scope":%q}`, API.ARN, API.Stage, verb, resource, scope))
	}
	add("GET", One.Template, One.Scope)
	for _, line := range [][3]string{
		{"GET", "orders", "orders.list"}, {"POST", "orders", "orders.write"}, {"PUT", "orders/{id}", "orders.write"}, {"DELETE", "orders/{id}", "orders.delete"},
		{"GET", "orders/export", "orders.export"}, {"GET", "customers", "customers.read"}, {"GET", "customers/{id}", "customers.read"},
		{"GET", "customers/{id}/orders", "customers.read"}, {"POST", "customers", "customers.write"},
	} {
		add(line[0], line[1], line[2])
	}
	for i := range c.More {
		add("GET", fmt.Sprintf("r%d", i), Hundred.Scope)
	}
	document := []byte("[" + strings.Join(lines, ",\n") + "]")
	list, err := mapping.ParsePermissions(document)
	return document, list, err
}

// Seed makes and fills tables for a caller, named after a prefix of their own.
func (w *World) Seed(ctx context.Context, prefix string, c Caller) (Tables, error) {
	t := Tables{Scopegate: prefix + "-scopegate", Peers: prefix + "-peers", Document: w.path(prefix + ".json")}
	document, list, err := c.Permissions()
	if err != nil {
		return t, err
	}
	if err := os.WriteFile(t.Document, document, 0o644); err != nil {
		return t, err
	}
	if _, err := migrations.Run(ctx, w.Client, t.Scopegate, migrations.Options{Create: true}); err != nil {
		return t, err
	}
	if _, err := store.Merge(ctx, dynamo.New(w.Client, t.Scopegate), store.Batch{API: API, Permissions: list}, store.MergeOptions{By: "bench"}); err != nil {
		return t, err
	}
	return t, w.seedPeers(ctx, t.Peers, document)
}

func (w *World) seedPeers(ctx context.Context, table string, document []byte) error {
	key := func(name string, kind types.KeyType) types.KeySchemaElement {
		return types.KeySchemaElement{AttributeName: aws.String(name), KeyType: kind}
	}
	attribute := func(name string) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: aws.String(name), AttributeType: types.ScalarAttributeTypeS}
	}
	if _, err := w.Client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: &table, BillingMode: types.BillingModePayPerRequest,
		KeySchema:            []types.KeySchemaElement{key("pk", types.KeyTypeHash), key("sk", types.KeyTypeRange)},
		AttributeDefinitions: []types.AttributeDefinition{attribute("pk"), attribute("sk")},
	}); err != nil {
		return fmt.Errorf("make the peers' table: %w", err)
	}
	var permissions []map[string]string
	if err := json.Unmarshal(document, &permissions); err != nil {
		return err
	}
	items := []map[string]string{{"sk": "document", "document": string(document)}}
	for i, p := range permissions {
		p["sk"] = fmt.Sprintf("%s#%d", p["scope"], i)
		items = append(items, p)
	}
	for _, it := range items {
		in := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: PeersKey}}
		for name, value := range it {
			in[name] = &types.AttributeValueMemberS{Value: value}
		}
		if _, err := w.Client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: in}); err != nil {
			return fmt.Errorf("fill the peers' table: %w", err)
		}
	}
	return nil
}

// Drop deletes the tables: the server may be one that stays.
func (w *World) Drop(ctx context.Context, t Tables) error {
	for _, name := range []string{t.Scopegate, t.Peers} {
		if _, err := w.Client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &name}); err != nil {
			return fmt.Errorf("delete table %s: %w", name, err)
		}
	}
	return nil
}

// KeyFile writes the provider's public key (PEM, PKIX) and gives the file's name.
func (w *World) KeyFile() (string, error) {
	der, err := x509.MarshalPKIXPublicKey(w.Provider.PublicKey())
	if err != nil {
		return "", fmt.Errorf("write the provider's key: %w", err)
	}
	name := w.path("key.pem")
	return name, os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644)
}

// Floor are the settings of bench/peers/floor, beside AWS's and trust.
func (w *World) Floor(t Tables) []string {
	return []string{
		"ISSUER=" + w.Issuer(), "AUDIENCE=" + w.Provider.Audience(),
		"JWKS_URL=" + w.Provider.Authority() + "/" + w.Provider.TenantID() + "/discovery/v2.0/keys",
		"PEERS_TABLE=" + t.Peers, "PEERS_KEY=" + PeersKey,
	}
}

// Issuer is that of the provider's v2 tokens.
func (w *World) Issuer() string {
	return w.Provider.Authority() + "/" + w.Provider.TenantID() + "/v2.0"
}
