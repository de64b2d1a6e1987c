package migrations

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// SettingsClient is what Settings needs of *dynamodb.Client.
type SettingsClient interface {
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
	DescribeTimeToLive(context.Context, *dynamodb.DescribeTimeToLiveInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTimeToLiveOutput, error)
	DescribeContinuousBackups(context.Context, *dynamodb.DescribeContinuousBackupsInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeContinuousBackupsOutput, error)
}

// Finding is a setting of the table that is not as it should be. None of them
// keeps Scopegate from working.
type Finding struct {
	Setting string `json:"setting"`
	Is      string `json:"is"`
	Should  string `json:"should"`
}

// String is the finding as a sentence.
func (f Finding) String() string { return f.Setting + " is " + f.Is + ": " + f.Should }

// Settings looks at the settings that the template gives a table and that a
// person may have changed since, or a table made otherwise may lack. What cannot
// be asked, as on stand-ins or without the permission, is a finding too. It writes
// nothing. An error means that the table itself cannot be described.
func Settings(ctx context.Context, client SettingsClient, table string) ([]Finding, error) {
	out, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		if isNoTable(err) {
			err = ErrNoTable
		}
		return nil, fmt.Errorf("describe table %s: %w", table, err)
	}
	all := tableFindings(out.Table)
	all = append(all, ttlFindings(ctx, client, table)...)
	return append(all, backupFindings(ctx, client, table)...), nil
}

func tableFindings(t *types.TableDescription) []Finding {
	var all []Finding
	if b := t.BillingModeSummary; b == nil || b.BillingMode != types.BillingModePayPerRequest {
		all = append(all, Finding{"billing mode", "provisioned", "on demand never throttles an authorizer that starts anew"})
	}
	if !aws.ToBool(t.DeletionProtectionEnabled) {
		all = append(all, Finding{"deletion protection", "off", "without it one call deletes all permissions and the audit trail"})
	}
	if e := t.SSEDescription; e == nil || e.Status != types.SSEStatusEnabled && e.Status != types.SSEStatusUpdating {
		all = append(all, Finding{"encryption (SSE)", "by a key that AWS owns", "a KMS key of the account shows who uses it"})
	}
	return all
}

func ttlFindings(ctx context.Context, client SettingsClient, table string) []Finding {
	const should = "by attribute " + TTLAttribute + " it removes revocations that have ended"
	out, err := client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &table})
	if err != nil || out.TimeToLiveDescription == nil {
		return []Finding{untold("time to live", should, err)}
	}
	d := out.TimeToLiveDescription
	on := d.TimeToLiveStatus == types.TimeToLiveStatusEnabled || d.TimeToLiveStatus == types.TimeToLiveStatusEnabling
	switch name := aws.ToString(d.AttributeName); {
	case !on:
		return []Finding{{"time to live", "off", should}}
	case name != TTLAttribute:
		return []Finding{{"time to live", "by attribute " + name, should + "; by another one it removes what must stay"}}
	}
	return nil
}

func backupFindings(ctx context.Context, client SettingsClient, table string) []Finding {
	const setting, should = "point-in-time recovery", "with it a table that was damaged can be had back as it was"
	out, err := client.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: &table})
	if err != nil || out.ContinuousBackupsDescription == nil {
		return []Finding{untold(setting, should, err)}
	}
	p := out.ContinuousBackupsDescription.PointInTimeRecoveryDescription
	if p == nil || p.PointInTimeRecoveryStatus != types.PointInTimeRecoveryStatusEnabled {
		return []Finding{{setting, "off", should}}
	}
	return nil
}

func untold(setting, should string, err error) Finding {
	is := "not told"
	var refused smithy.APIError
	if errors.As(err, &refused) { // all of it is too long for a warning
		is += " (" + refused.ErrorCode() + ")"
	} else if err != nil {
		is += " (" + err.Error() + ")"
	}
	return Finding{setting, is, should}
}
