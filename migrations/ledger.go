package migrations

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"scopegate/internal/layout"
)

// item is one item of the table.
type item = map[string]types.AttributeValue

const (
	byAttribute     = "by"
	cursorAttribute = "cursor" // how far a step has come that works in parts
)

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func textOf(v types.AttributeValue) string {
	if s, ok := v.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

func key(sk string) item { return item{"pk": text(layout.Partition), "sk": text(sk)} }

func stepKey(number int) item { return key(fmt.Sprintf("%s%04d", layout.StepPrefix, number)) }

func stamp(t time.Time) types.AttributeValue { return text(t.UTC().Format(time.RFC3339)) }

// Ledger reads the steps that a table has begun or taken, ErrNoTable if there is
// no table.
func Ledger(ctx context.Context, client ReadClient, table string) ([]layout.Entry, error) {
	ledger, err := layout.Read(ctx, client, table)
	if isNoTable(err) {
		return nil, ErrNoTable
	}
	return ledger, err
}

// done tells which steps are finished.
func done(ledger []layout.Entry) map[int]bool {
	taken := map[int]bool{}
	for _, e := range ledger {
		taken[e.Number] = e.Done
	}
	return taken
}

// version is the number of the newest step that a table has finished.
func version(ledger []layout.Entry) int {
	n := 0
	for _, e := range ledger {
		if e.Done {
			n = max(n, e.Number)
		}
	}
	return n
}

func isNoTable(err error) bool {
	var missing *types.ResourceNotFoundException
	return errors.As(err, &missing)
}

// get reads one item of the ledger, nil if it is not there.
func (r *run) get(ctx context.Context, k item) (item, error) {
	out, err := r.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &r.table, Key: k, ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}
