package migrations_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"scopegate/internal/dynamotest"
	"scopegate/internal/layout"
	"scopegate/migrations"
)

var all = len(migrations.Steps())

func numbers(steps []migrations.Step) []int {
	var n []int
	for _, s := range steps {
		n = append(n, s.Number)
	}
	return n
}

func TestStepsAreNumberedFromOne(t *testing.T) {
	for i, n := range numbers(migrations.Steps()) {
		if n != i+1 {
			t.Errorf("step %d has number %d", i+1, n)
		}
	}
}

func TestAMissingTableIsMadeOnlyOnRequest(t *testing.T) {
	client, table := dynamotest.Client(t), dynamotest.TableName()
	if err := migrations.Check(t.Context(), client, table); !errors.Is(err, migrations.ErrNoTable) {
		t.Errorf("Check: %v, want ErrNoTable", err)
	}
	if _, err := migrations.Run(t.Context(), client, table, migrations.Options{}); !errors.Is(err, migrations.ErrNoTable) {
		t.Errorf("Run without Create: %v, want ErrNoTable", err)
	}
	var said []string
	options := migrations.Options{Create: true, Progress: func(s string) { said = append(said, s) }}
	report, err := migrations.Run(t.Context(), client, table, options)
	if err != nil {
		t.Fatal(err)
	}
	if !report.Created || report.Version != all || len(report.Applied) != all {
		t.Errorf("report %+v", report)
	}
	if len(said) != all+1 || !strings.Contains(said[0], table) {
		t.Errorf("progress %q", said)
	}
	if err := migrations.Check(t.Context(), client, table); err != nil {
		t.Errorf("Check: %v", err)
	}
}

func TestTheTableIsAsTheStoreNeedsIt(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	out, err := client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, k := range out.Table.KeySchema {
		got[*k.AttributeName] = string(k.KeyType)
	}
	if diff := cmp.Diff(map[string]string{"pk": "HASH", "sk": "RANGE"}, got); diff != "" {
		t.Error(diff)
	}
	if b := out.Table.BillingModeSummary; b == nil || b.BillingMode != types.BillingModePayPerRequest {
		t.Errorf("billing mode %+v, want on demand", b)
	}
	ttl, err := client.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: &table})
	if err != nil {
		t.Fatal(err)
	}
	if name := aws.ToString(ttl.TimeToLiveDescription.AttributeName); name != migrations.TTLAttribute {
		t.Errorf("time to live by %q", name)
	}
}

func TestASecondRunDoesNothing(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	before := ledger(t, client, table)
	later := migrations.Options{Create: true, Now: func() time.Time { return time.Now().Add(time.Hour) }}
	report, err := migrations.Run(t.Context(), client, table, later)
	if err != nil || report.Created || len(report.Applied) != 0 || report.Version != all {
		t.Errorf("%+v, %v", report, err)
	}
	if diff := cmp.Diff(before, ledger(t, client, table)); diff != "" {
		t.Error("the ledger changed:", diff)
	}
}

func TestADryRunWritesNothing(t *testing.T) {
	client, table := dynamotest.Client(t), dynamotest.TableName()
	report, err := migrations.Run(t.Context(), client, table, migrations.Options{Create: true, DryRun: true})
	if err != nil || !report.Created || len(report.Applied) != all {
		t.Errorf("%+v, %v", report, err)
	}
	if err := migrations.Check(t.Context(), client, table); !errors.Is(err, migrations.ErrNoTable) {
		t.Errorf("after the dry run: %v, want ErrNoTable", err)
	}
	bare(t, client, table, "pk", "sk")
	report, err = migrations.Run(t.Context(), client, table, migrations.Options{DryRun: true})
	if err != nil || report.Created || len(report.Applied) != all {
		t.Errorf("%+v, %v", report, err)
	}
	if err := migrations.Check(t.Context(), client, table); !errors.Is(err, migrations.ErrBehind) {
		t.Errorf("after the dry run: %v, want ErrBehind", err)
	}
}

func TestATableMadeByATemplateIsBroughtUpToDate(t *testing.T) {
	client, table := dynamotest.Client(t), dynamotest.TableName()
	bare(t, client, table, "pk", "sk")
	if err := migrations.Check(t.Context(), client, table); !errors.Is(err, migrations.ErrBehind) {
		t.Errorf("Check: %v, want ErrBehind", err)
	}
	report, err := migrations.Run(t.Context(), client, table, migrations.Options{})
	if err != nil || report.Created || len(report.Applied) != all {
		t.Errorf("%+v, %v", report, err)
	}
	if err := migrations.Check(t.Context(), client, table); err != nil {
		t.Error(err)
	}
}

func TestATableWithOtherKeysIsRefused(t *testing.T) {
	client, table := dynamotest.Client(t), dynamotest.TableName()
	bare(t, client, table, "id", "sk")
	_, err := migrations.Run(t.Context(), client, table, migrations.Options{Create: true})
	if err == nil {
		t.Fatal("a table with the keys id and sk was taken")
	}
}

func TestATableWithAnotherTimeToLiveIsRefused(t *testing.T) {
	client, table := dynamotest.Client(t), dynamotest.TableName()
	bare(t, client, table, "pk", "sk")
	_, err := client.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{
		TableName:               &table,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("expiresAt"), Enabled: aws.Bool(true)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = migrations.Run(t.Context(), client, table, migrations.Options{}); !errors.Is(err, migrations.ErrMismatch) {
		t.Errorf("%v, want ErrMismatch", err)
	}
}

// TestATableNewerThanTheCode is refused where the newer step is breaking, begun or
// done; else there is nothing to do in it.
func TestATableNewerThanTheCode(t *testing.T) {
	for _, finished := range []bool{false, true} {
		client, table := dynamotest.NewTable(t)
		newer(t, client, table, all+1, false, finished)
		if err := migrations.Check(t.Context(), client, table); err != nil {
			t.Errorf("Check beside a step that breaks nothing: %v", err)
		}
		report, err := migrations.Run(t.Context(), client, table, migrations.Options{})
		if err != nil || len(report.Applied) != 0 || finished && report.Version != all+1 {
			t.Errorf("Run beside a step that breaks nothing: %+v, %v", report, err)
		}
		newer(t, client, table, all+1, true, finished)
		if err := migrations.Check(t.Context(), client, table); !errors.Is(err, migrations.ErrAhead) {
			t.Errorf("Check: %v, want ErrAhead", err)
		}
		if _, err := migrations.Run(t.Context(), client, table, migrations.Options{}); !errors.Is(err, migrations.ErrAhead) {
			t.Errorf("Run: %v, want ErrAhead", err)
		}
	}
}

func newer(t *testing.T, client *dynamodb.Client, table string, number int, breaking, finished bool) {
	t.Helper()
	it := map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "migrations"}, "sk": &types.AttributeValueMemberS{Value: fmt.Sprintf("step#%04d", number)},
		"breaking": &types.AttributeValueMemberBOOL{Value: breaking},
	}
	if finished {
		it["appliedAt"] = &types.AttributeValueMemberS{Value: "2030-01-01T00:00:00Z"}
	}
	if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: it}); err != nil {
		t.Fatal(err)
	}
}

// TestEveryStepIsKnownToTheCodeThatReads: else a program would refuse its own table.
func TestEveryStepIsKnownToTheCodeThatReads(t *testing.T) {
	if layout.Current.Newest != all || layout.Current.Needs > all {
		t.Errorf("layout.Current is %+v, there are %d steps", layout.Current, all)
	}
}

func TestALedgerThatCannotBeReadIsRefused(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	write(t, client, table, "step#one")
	if err := migrations.Check(t.Context(), client, table); !errors.Is(err, migrations.ErrMismatch) {
		t.Errorf("Check: %v, want ErrMismatch", err)
	}
}

func TestTwoRunsAtOnceBothSucceed(t *testing.T) {
	client, table := dynamotest.Client(t), dynamotest.TableName()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if _, err := migrations.Run(t.Context(), client, table, migrations.Options{Create: true}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if err := migrations.Check(t.Context(), client, table); err != nil {
		t.Error(err)
	}
}

// bare makes a table without any step taken.
func bare(t *testing.T, client *dynamodb.Client, table, hash, sort string) {
	t.Helper()
	_, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &table, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: &hash, AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: &sort, AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: &hash, KeyType: types.KeyTypeHash}, {AttributeName: &sort, KeyType: types.KeyTypeRange},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, client *dynamodb.Client, table, sort string) {
	t.Helper()
	_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "migrations"}, "sk": &types.AttributeValueMemberS{Value: sort},
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// ledger is the ledger as text, for comparing.
func ledger(t *testing.T, client *dynamodb.Client, table string) []string {
	t.Helper()
	out, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, it := range out.Items {
		line := ""
		for _, name := range []string{"pk", "sk", "name", "appliedAt"} {
			line += it[name].(*types.AttributeValueMemberS).Value + " "
		}
		lines = append(lines, line)
	}
	return lines
}

// TestSomebodyElsesTableIsLeftAlone: pk and sk are common keys, and time to live
// would remove items that were never ours.
func TestSomebodyElsesTableIsLeftAlone(t *testing.T) {
	client, table := dynamotest.Client(t), dynamotest.TableName()
	bare(t, client, table, "pk", "sk")
	if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "ORDER#1"}, "sk": &types.AttributeValueMemberS{Value: "x"}, "ttl": &types.AttributeValueMemberN{Value: "1"},
	}}); err != nil {
		t.Fatal(err)
	}
	for _, dry := range []bool{true, false} {
		if _, err := migrations.Run(t.Context(), client, table, migrations.Options{DryRun: dry}); !errors.Is(err, migrations.ErrMismatch) {
			t.Errorf("dry run %v: %v, want ErrMismatch", dry, err)
		}
	}
	items, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)})
	if err != nil || len(items.Items) != 1 {
		t.Errorf("there are %d items of one, %v", len(items.Items), err)
	}
	out, err := client.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: &table})
	if err != nil || out.TimeToLiveDescription.TimeToLiveStatus != types.TimeToLiveStatusDisabled {
		t.Errorf("time to live is %+v, %v", out.TimeToLiveDescription, err)
	}
}
