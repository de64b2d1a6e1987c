package migrations_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"scopegate/internal/dynamotest"
	"scopegate/migrations"
)

// described answers as DynamoDB describes a table; an answer of nil is refused.
type described struct {
	table   *types.TableDescription
	ttl     *types.TimeToLiveDescription
	backups *types.ContinuousBackupsDescription
}

var errRefused error = &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "User … is not authorized"}

func (d described) DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error) {
	if d.table == nil {
		return nil, errRefused
	}
	return &dynamodb.DescribeTableOutput{Table: d.table}, nil
}

func (d described) DescribeTimeToLive(context.Context, *dynamodb.DescribeTimeToLiveInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTimeToLiveOutput, error) {
	if d.ttl == nil {
		return nil, errRefused
	}
	return &dynamodb.DescribeTimeToLiveOutput{TimeToLiveDescription: d.ttl}, nil
}

func (d described) DescribeContinuousBackups(context.Context, *dynamodb.DescribeContinuousBackupsInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeContinuousBackupsOutput, error) {
	if d.backups == nil {
		return nil, errRefused
	}
	return &dynamodb.DescribeContinuousBackupsOutput{ContinuousBackupsDescription: d.backups}, nil
}

// inOrder is a table as the template makes it.
func inOrder() described {
	return described{
		table: &types.TableDescription{
			BillingModeSummary:        &types.BillingModeSummary{BillingMode: types.BillingModePayPerRequest},
			DeletionProtectionEnabled: aws.Bool(true), SSEDescription: &types.SSEDescription{Status: types.SSEStatusEnabled},
		},
		ttl: &types.TimeToLiveDescription{TimeToLiveStatus: types.TimeToLiveStatusEnabled, AttributeName: aws.String(migrations.TTLAttribute)},
		backups: &types.ContinuousBackupsDescription{
			PointInTimeRecoveryDescription: &types.PointInTimeRecoveryDescription{PointInTimeRecoveryStatus: types.PointInTimeRecoveryStatusEnabled},
		},
	}
}

// TestEachSettingThatIsNotAsItShouldBeIsFound, alone, and nothing where all is in
// order.
func TestEachSettingThatIsNotAsItShouldBeIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*described)
		want  string
	}{
		"in order":                 {func(*described) {}, ""},
		"provisioned":              {func(d *described) { d.table.BillingModeSummary.BillingMode = types.BillingModeProvisioned }, "billing mode is provisioned"},
		"no billing mode":          {func(d *described) { d.table.BillingModeSummary = nil }, "billing mode is provisioned"},
		"not protected":            {func(d *described) { d.table.DeletionProtectionEnabled = nil }, "deletion protection is off"},
		"AWS's own key":            {func(d *described) { d.table.SSEDescription = nil }, "encryption (SSE) is by a key that AWS owns"},
		"a key being changed":      {func(d *described) { d.table.SSEDescription.Status = types.SSEStatusUpdating }, ""},
		"time to live off":         {func(d *described) { d.ttl.TimeToLiveStatus = types.TimeToLiveStatusDisabled }, "time to live is off"},
		"time to live by another":  {func(d *described) { d.ttl.AttributeName = aws.String("expiresAt") }, "time to live is by attribute expiresAt"},
		"time to live being set":   {func(d *described) { d.ttl.TimeToLiveStatus = types.TimeToLiveStatusEnabling }, ""},
		"time to live not told":    {func(d *described) { d.ttl = nil }, "time to live is not told (AccessDeniedException)"},
		"no recovery":              {func(d *described) { d.backups.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus = "DISABLED" }, "point-in-time recovery is off"},
		"recovery without answer":  {func(d *described) { d.backups.PointInTimeRecoveryDescription = nil }, "point-in-time recovery is off"},
		"recovery may not be read": {func(d *described) { d.backups = nil }, "point-in-time recovery is not told (AccessDeniedException)"},
	} {
		d := inOrder()
		c.spoil(&d)
		got, err := migrations.Settings(t.Context(), d, "t")
		switch {
		case err != nil || len(got) > 1 || (len(got) == 1) != (c.want != ""):
			t.Errorf("%s: %v, %v", name, got, err)
		case len(got) == 1 && !strings.HasPrefix(got[0].String(), c.want+": "):
			t.Errorf("%s: %s, want %s", name, got[0], c.want)
		}
	}
}

func TestATableThatCannotBeDescribedIsAnError(t *testing.T) {
	if _, err := migrations.Settings(t.Context(), described{}, "t"); !errors.Is(err, errRefused) {
		t.Errorf("%v", err)
	}
	if _, err := migrations.Settings(t.Context(), dynamotest.Client(t), dynamotest.TableName()); !errors.Is(err, migrations.ErrNoTable) {
		t.Errorf("%v, want ErrNoTable", err)
	}
}

// TestAStandInIsLookedAtToo: what it lacks are findings, and time to live, which
// the steps have switched on, is none.
func TestAStandInIsLookedAtToo(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	got, err := migrations.Settings(t.Context(), client, table)
	if err != nil {
		t.Fatal(err)
	}
	said := ""
	for _, f := range got {
		said += f.String() + "\n"
	}
	if !strings.Contains(said, "deletion protection is off") || strings.Contains(said, "time to live") {
		t.Errorf("%s", said)
	}
}

// TestTheFirstRecordOfASeedStays, and one of another document is another one.
func TestTheFirstRecordOfASeedStays(t *testing.T) {
	client, table := dynamotest.NewTable(t)
	if _, there, err := migrations.Seeded(t.Context(), client, table, "a"); err != nil || there {
		t.Fatalf("%v, %v", there, err)
	}
	first := migrations.Seed{ID: "a", By: "first", At: time.Unix(2e9, 0).UTC(), Permissions: 3}
	for _, s := range []migrations.Seed{first, {ID: "a", By: "second", At: time.Unix(3e9, 0), Permissions: 4}, {ID: "b", By: "other"}} {
		if err := migrations.RecordSeed(t.Context(), client, table, s); err != nil {
			t.Fatal(err)
		}
	}
	got, there, err := migrations.Seeded(t.Context(), client, table, "a")
	if diff := cmp.Diff(first, got); diff != "" || !there || err != nil {
		t.Errorf("%v, %v\n%s", there, err, diff)
	}
	if err := migrations.Check(t.Context(), client, table); err != nil {
		t.Errorf("a seed's record is in the way of the ledger: %v", err)
	}
}
