// Package layout tells whether this code and a DynamoDB table fit. In goes the
// ledger that package migrations keeps in the table; out comes nil, or why this
// code must leave the table alone.
//
// It is apart from package migrations since the authorizer asks it too, which has
// no use for the steps themselves. It reads only: one Query.
//
// # The rules
//
// A step that leaves the table readable for older code needs no care, unless it
// changes what items mean: then it changes the revision of the table too, since
// authorizers read what is packed at that revision (decision 0016). One that
// does not is breaking: it is noted in the ledger, and [Settle] waited for, before
// anything is changed, and it changes the revision of every table and of the
// revocations, so that every authorizer asks anew when their TTL ends; one that does
// not know the step then finds its store failing (see store.RevocationsMaxStale).
// Code that does not know the step fails from then on, with an error that says so
// (500 on API Gateway); it never takes what it cannot read for "nothing granted".
package layout

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Keys and attributes of the ledger.
const (
	Partition  = "migrations" // pk of everything in the ledger
	StepPrefix = "step#"      // sk of a step, then its number in four digits

	NameAttribute     = "name"      // what the step is
	BreakingAttribute = "breaking"  // BOOL: older code cannot read the table
	BegunAttribute    = "startedAt" // RFC 3339
	DoneAttribute     = "appliedAt" // RFC 3339; there once the step is finished
)

// Settle is how long a breaking step waits between its note and its first change:
// longer than a request of the admin function may last, so that what older code
// began to read or write before the note is over. A step of an empty table, which has
// nothing to misread, waits for twice Remembered.
const Settle = 35 * time.Second

// Remembered is how long after its beginning an authorizer's reading of the ledger is
// good for what else it reads (store/dynamo): a small part of Settle, the rest of which
// is for clocks that run differently.
const Remembered = 5 * time.Second

// Errors to tell apart with errors.Is; others are outages or refusals of DynamoDB.
var (
	ErrAhead  = errors.New("the table is newer than this program: run a newer one")
	ErrBehind = errors.New("the table is older than this program: run scopegate migrate")
	// ErrMismatch: the ledger was changed by hand.
	ErrMismatch = errors.New("the table cannot be used")
)

// Code is what a program knows of the layout. The zero Code knows no step and
// needs none.
type Code struct {
	Newest int // newest step that it knows
	Needs  int // newest step that a table must have taken for it to be read; 0: none
}

// Current is this program. Newest is raised with each step that package
// migrations gets, Needs with those that reading cannot do without.
var Current = Code{Newest: 2, Needs: 0}

// Entry is a step in the ledger.
type Entry struct {
	Number   int
	Name     string
	Breaking bool
	Done     bool // else it has begun, and a run may be at it
}

// Check reports whether the code can read a table with this ledger, and write it:
// nil, ErrAhead or ErrBehind. A newer step that is not breaking does no harm.
func (c Code) Check(ledger []Entry) error {
	needed := c.Needs == 0
	for _, e := range ledger {
		if e.Breaking && e.Number > c.Newest {
			return fmt.Errorf("step %d (%s) of the table is unknown here: %w", e.Number, e.Name, ErrAhead)
		}
		needed = needed || e.Done && e.Number == c.Needs
	}
	if !needed {
		return fmt.Errorf("step %d of the table is missing: %w", c.Needs, ErrBehind)
	}
	return nil
}

// Client is what Read needs of *dynamodb.Client.
type Client interface {
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
}

// Read reads the ledger, in the order of the numbers; a table without one has
// none. Errors are the client's, or ErrMismatch.
func Read(ctx context.Context, client Client, table string) ([]Entry, error) {
	in := &dynamodb.QueryInput{
		TableName:              &table,
		ConsistentRead:         aws.Bool(true),
		KeyConditionExpression: aws.String("pk = :pk AND begins_with(sk, :step)"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":pk":   &types.AttributeValueMemberS{Value: Partition},
			":step": &types.AttributeValueMemberS{Value: StepPrefix},
		},
	}
	var ledger []Entry
	for {
		out, err := client.Query(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("read ledger: %w", err)
		}
		for _, it := range out.Items {
			e, err := entry(it)
			if err != nil {
				return nil, err
			}
			ledger = append(ledger, e)
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			return ledger, nil
		}
	}
}

func entry(it map[string]types.AttributeValue) (Entry, error) {
	sk, _ := it["sk"].(*types.AttributeValueMemberS)
	if sk == nil {
		return Entry{}, fmt.Errorf("ledger: sort key: must be a string: %w", ErrMismatch)
	}
	number, err := strconv.Atoi(strings.TrimPrefix(sk.Value, StepPrefix))
	if err != nil || number < 1 {
		return Entry{}, fmt.Errorf("ledger: item %q: must be a step: %w", sk.Value, ErrMismatch)
	}
	e := Entry{Number: number, Name: "unnamed"}
	if name, ok := it[NameAttribute].(*types.AttributeValueMemberS); ok {
		e.Name = name.Value
	}
	_, e.Done = it[DoneAttribute]
	if value, given := it[BreakingAttribute]; given {
		said, ok := value.(*types.AttributeValueMemberBOOL)
		e.Breaking = !ok || said.Value // what it cannot read is no leave to go on
	}
	return e, nil
}

// Fits reads the ledger and checks it: what Read and Check say.
func (c Code) Fits(ctx context.Context, client Client, table string) error {
	ledger, err := Read(ctx, client, table)
	if err != nil {
		return err
	}
	return c.Check(ledger)
}
