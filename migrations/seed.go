package migrations

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// SeedClient is what seeds' records need of *dynamodb.Client.
type SeedClient interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
}

// Seed is the record of a document of permissions that was merged into a table
// with its migration. A document is merged once: what was taken away since must
// not come back with the next deployment.
type Seed struct {
	ID          string // hash of the document
	By          string
	At          time.Time
	Permissions int // in the document
}

const seedPrefix = "seed#"

// Seeded reports whether a document has been merged, and when.
func Seeded(ctx context.Context, client SeedClient, table, id string) (Seed, bool, error) {
	out, err := client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: key(seedPrefix + id), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return Seed{}, false, fmt.Errorf("read record of seed %s: %w", id, err)
	}
	if out.Item == nil {
		return Seed{}, false, nil
	}
	s := Seed{ID: id, By: textOf(out.Item[byAttribute])}
	// A record that is damaged is one all the same.
	s.At, _ = time.Parse(time.RFC3339, textOf(out.Item["appliedAt"]))
	if n, ok := out.Item["permissions"].(*types.AttributeValueMemberN); ok {
		s.Permissions, _ = strconv.Atoi(n.Value)
	}
	return s, true, nil
}

// RecordSeed notes that a document has been merged; the first record stays.
func RecordSeed(ctx context.Context, client SeedClient, table string, s Seed) error {
	_, err := client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &table, Key: key(seedPrefix + s.ID),
		UpdateExpression: aws.String("SET #by = if_not_exists(#by, :by), #at = if_not_exists(#at, :at), #n = if_not_exists(#n, :n)"),
		ExpressionAttributeNames: map[string]string{
			"#by": byAttribute, "#at": "appliedAt", "#n": "permissions",
		},
		ExpressionAttributeValues: item{
			":by": text(s.By), ":at": stamp(s.At), ":n": &types.AttributeValueMemberN{Value: strconv.Itoa(s.Permissions)},
		},
	})
	if err != nil {
		return fmt.Errorf("record seed %s: %w", s.ID, err)
	}
	return nil
}
