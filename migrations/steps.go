package migrations

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// exists reports whether the table is there, waiting until it is ready to use:
// another run may be making it.
func (r *run) exists(ctx context.Context) (bool, error) {
	for {
		table, err := r.describe(ctx)
		if isNoTable(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		switch table.TableStatus {
		case types.TableStatusActive, types.TableStatusUpdating:
			return true, nil
		case types.TableStatusCreating:
		default:
			return false, fmt.Errorf("table is %s: %w", table.TableStatus, ErrMismatch)
		}
		if err := r.o.sleep(ctx, time.Second); err != nil {
			return false, fmt.Errorf("wait for the table: %w", err)
		}
	}
}

func (r *run) describe(ctx context.Context) (*types.TableDescription, error) {
	out, err := r.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &r.table})
	if err != nil {
		return nil, fmt.Errorf("describe table: %w", err)
	}
	return out.Table, nil
}

// create makes the table: on demand, two string keys. Another run that was
// quicker is as good.
func (r *run) create(ctx context.Context) error {
	_, err := r.client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:                 &r.table,
		BillingMode:               types.BillingModePayPerRequest,
		DeletionProtectionEnabled: aws.Bool(r.o.Protect),
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: keys(),
	})
	var taken *types.ResourceInUseException
	if err != nil && !errors.As(err, &taken) {
		return fmt.Errorf("create table: %w", err)
	}
	exists, err := r.exists(ctx)
	for err == nil && !exists { // DescribeTable is eventually consistent
		if err = r.o.sleep(ctx, time.Second); err == nil {
			exists, err = r.exists(ctx)
		}
	}
	return err
}

func keys() []types.KeySchemaElement {
	return []types.KeySchemaElement{
		{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash},
		{AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange},
	}
}

// checkKeys is step 1: the table has the keys that the store uses, and is ours.
func checkKeys(ctx context.Context, w *work) error { return w.checkKeys(ctx) }

func (r *run) checkKeys(ctx context.Context) error {
	table, err := r.describe(ctx)
	if err != nil {
		return err
	}
	named := map[types.KeyType]string{}
	for _, k := range table.KeySchema {
		named[k.KeyType] = aws.ToString(k.AttributeName)
	}
	kinds := map[string]types.ScalarAttributeType{}
	for _, a := range table.AttributeDefinitions {
		kinds[aws.ToString(a.AttributeName)] = a.AttributeType
	}
	if named[types.KeyTypeHash] != "pk" || named[types.KeyTypeRange] != "sk" ||
		kinds["pk"] != types.ScalarAttributeTypeS || kinds["sk"] != types.ScalarAttributeTypeS {
		return fmt.Errorf("its keys must be the strings pk (partition) and sk (sort): %w", ErrMismatch)
	}
	return r.checkOwn(ctx)
}

// partitions begin the keys of everything that the store and this package write.
var partitions = []string{"meta#", "api#", "audit#", "auditparts#", "generations#", "apis", "revocations", "migrations"}

// checkOwn looks at a few items: pk and sk are the usual keys of other people's
// tables too, and the next step would have DynamoDB remove their items.
func (r *run) checkOwn(ctx context.Context) error {
	const few = 25
	out, err := r.client.Scan(ctx, &dynamodb.ScanInput{
		TableName: &r.table, Limit: aws.Int32(few), ConsistentRead: aws.Bool(true), ProjectionExpression: aws.String("pk"),
	})
	if err != nil {
		return fmt.Errorf("look at its items: %w", err)
	}
	for _, it := range out.Items {
		pk, _ := it["pk"].(*types.AttributeValueMemberS)
		ours := pk != nil && slices.ContainsFunc(partitions, func(p string) bool { return strings.HasPrefix(pk.Value, p) })
		if !ours {
			return fmt.Errorf("it holds items of something else, and no ledger of these steps: %w", ErrMismatch)
		}
	}
	return nil
}

// enableTTL is step 2: DynamoDB removes items whose time is past. Where it is
// already on, as a template may have set it, there is nothing to do; by another
// attribute it would remove what it must not.
func enableTTL(ctx context.Context, r *work) error {
	out, err := r.client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &r.table})
	if err != nil {
		return fmt.Errorf("describe time to live: %w", err)
	}
	if d := out.TimeToLiveDescription; d != nil {
		switch d.TimeToLiveStatus {
		case types.TimeToLiveStatusEnabled, types.TimeToLiveStatusEnabling:
			if name := aws.ToString(d.AttributeName); name != TTLAttribute {
				return fmt.Errorf("its time to live goes by attribute %s, must be %s: %w", name, TTLAttribute, ErrMismatch)
			}
			return nil
		}
	}
	_, err = r.client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName: &r.table,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{
			AttributeName: aws.String(TTLAttribute), Enabled: aws.Bool(true),
		},
	})
	if err != nil && !r.ttlIsOn(ctx) {
		return fmt.Errorf("enable time to live: %w", err)
	}
	return nil
}

// ttlIsOn reports whether another run, or a request sent twice, was quicker:
// DynamoDB refuses to switch on what is on.
func (r *run) ttlIsOn(ctx context.Context) bool {
	out, err := r.client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &r.table})
	if err != nil || out.TimeToLiveDescription == nil {
		return false
	}
	d := out.TimeToLiveDescription
	on := d.TimeToLiveStatus == types.TimeToLiveStatusEnabled || d.TimeToLiveStatus == types.TimeToLiveStatusEnabling
	return on && aws.ToString(d.AttributeName) == TTLAttribute
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
