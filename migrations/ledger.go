package migrations

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const (
	partition  = "migrations"
	stepPrefix = "step#"
)

func stepKey(number int) string { return fmt.Sprintf("%s%04d", stepPrefix, number) }

// ledger reads the numbers of the steps that a table has taken.
func ledger(ctx context.Context, client ReadClient, table string) (map[int]bool, error) {
	in := &dynamodb.QueryInput{
		TableName:              &table,
		ConsistentRead:         aws.Bool(true),
		KeyConditionExpression: aws.String("pk = :pk AND begins_with(sk, :step)"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":pk":   &types.AttributeValueMemberS{Value: partition},
			":step": &types.AttributeValueMemberS{Value: stepPrefix},
		},
	}
	done := map[int]bool{}
	for {
		out, err := client.Query(ctx, in)
		if isNoTable(err) {
			return nil, ErrNoTable
		}
		if err != nil {
			return nil, fmt.Errorf("read ledger: %w", err)
		}
		for _, it := range out.Items {
			number, err := stepNumber(it["sk"])
			if err != nil {
				return nil, err
			}
			done[number] = true
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			return done, nil
		}
	}
}

func stepNumber(sk types.AttributeValue) (int, error) {
	s, _ := sk.(*types.AttributeValueMemberS)
	if s == nil {
		return 0, fmt.Errorf("ledger: sort key: must be a string: %w", ErrMismatch)
	}
	number, err := strconv.Atoi(strings.TrimPrefix(s.Value, stepPrefix))
	if err != nil || number < 1 {
		return 0, fmt.Errorf("ledger: item %q: must be a step: %w", s.Value, ErrMismatch)
	}
	return number, nil
}

func newest(done map[int]bool) int {
	n := 0
	for number := range done {
		n = max(n, number)
	}
	return n
}

func isNoTable(err error) bool {
	var missing *types.ResourceNotFoundException
	return errors.As(err, &missing)
}
