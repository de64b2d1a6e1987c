package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"scopegate/mapping"
	"scopegate/migrations"
	"scopegate/store"
)

// Tables is what is read of a store, or of the admin API.
type Tables interface {
	APIs(context.Context) ([]mapping.API, error)
	Load(context.Context, mapping.API) (store.Snapshot, error)
}

// ReadTables reads every table there is. A table that cannot be read though the
// store answers fails its API's calls. outage tells errors of the store from those
// of what is in it.
func ReadTables(ctx context.Context, tables Tables, outage func(error) bool) []Row {
	const list = "every table can be read"
	apis, err := tables.APIs(ctx)
	if err != nil {
		return []Row{failed(fmt.Errorf("list tables: %w", err)).row(PartTables, "list", "the store tells its tables")}
	}
	if len(apis) == 0 {
		return []Row{noted("no table", "every call is denied", "register an API: scopegate import, or scopegate apply").row(PartTables, "list", "at least one table")}
	}
	var rows []Row
	for _, api := range apis {
		v := readTable(ctx, tables, api, outage)
		rows = append(rows, v.row(PartTables, fmt.Sprintf("%s stage %s", api.ARN, api.Stage), list))
	}
	return rows
}

func readTable(ctx context.Context, tables Tables, api mapping.API, outage func(error) bool) verdict {
	s, err := tables.Load(ctx, api)
	switch {
	case err == nil:
		return fine(fmt.Sprintf("revision %s, permissions: %d", s.Revision, len(s.Permissions)))
	case errors.Is(err, store.ErrNotFound):
		return noted("deleted meanwhile", "none", "none")
	case errors.Is(err, store.ErrEdited):
		return found(err.Error(), "authorizers decide by the table as it was last changed with this program",
			"the items, where they are wrong; then any change of the table with this program, a description will do")
	case ctx.Err() != nil || outage(err):
		return failed(err)
	}
	return found(err.Error(), "calls of this API fail (500)", "the item that is named, in the table itself; or use the scopegate of the version that wrote it")
}

// Fit says what migrations.Check found.
func Fit(err error) Row {
	const check, expected = "layout", "the table has taken the steps that this version knows, and no later one that it must not read"
	v := fine("they fit")
	switch {
	case err == nil:
	case errors.Is(err, migrations.ErrNoTable):
		v = found(err.Error(), "every call fails (500)", "TABLE_NAME and AWS_REGION, or scopegate migrate --create")
	case errors.Is(err, migrations.ErrBehind):
		v = found(err.Error(), "what this version keeps in the table may be missing", "scopegate migrate")
	case errors.Is(err, migrations.ErrAhead):
		v = found(err.Error(), "this command may not understand the table", "use the scopegate of the version that is deployed")
	case errors.Is(err, migrations.ErrMismatch):
		v = found(err.Error(), "the table is none of ours, or was changed by hand", "TABLE_NAME")
	default:
		v = failed(err)
	}
	return v.row(PartTable, check, expected)
}

// tableSettings are those that migrations.Settings looks at. What is only a matter
// of taste or cost is a note.
var tableSettings = []struct {
	name, expected, change string
	note                   bool
}{
	{"time to live", "by the attribute " + migrations.TTLAttribute, "scopegate migrate; by another attribute: switch that off first", false},
	{"point-in-time recovery", "on", "PointInTimeRecoveryEnabled of the table: true", false},
	{"deletion protection", "on", "DeletionProtectionEnabled of the table: true", false},
	{"billing mode", "on demand", "BillingMode of the table: PAY_PER_REQUEST", true},
	{"encryption (SSE)", "by a KMS key of the account", "SSEEnabled of the table: true", true},
}

// Table judges how a DynamoDB table is set up, by what migrations.Settings found. Of
// a stand-in on this machine (local) only the time to live counts: nobody restores
// that, and what cannot be asked of it is nothing amiss.
func Table(findings []migrations.Finding, local bool) []Row {
	seen := map[string]migrations.Finding{}
	for _, f := range findings {
		seen[f.Setting] = f
	}
	var rows []Row
	for _, s := range tableSettings {
		f, wrong := seen[s.name]
		untold := strings.HasPrefix(f.Is, "not told")
		v := fine("so it is")
		switch {
		case local && (untold || s.name != tableSettings[0].name):
			continue
		case untold:
			v = failed(errors.New(f.Is))
		case wrong && s.note:
			v = noted(f.Is, f.Should, s.change)
		case wrong:
			v = found(f.Is, f.Should, s.change)
		}
		rows = append(rows, v.row(PartTable, s.name, s.expected))
	}
	return rows
}

// judge is fine where what is so is as it should be.
func judge(right bool, seen, otherwise, consequence, change string) verdict {
	if right {
		return fine(seen)
	}
	return found(otherwise, consequence, change)
}

// QueueFacts is how the queue of second flushes is set up.
type QueueFacts struct {
	Visibility  time.Duration
	DeadLetters bool // it has a dead-letter queue
}

// Queue judges the queue. timeout is the admin function's.
func Queue(f QueueFacts, timeout time.Duration) []Row {
	const expected = "visibility at least the admin function's time-out (AWS: six times it)"
	seen := f.Visibility.String()
	visibility := fine(seen)
	switch {
	case f.Visibility < timeout:
		visibility = found(seen, "a flush comes again while it is being made", fmt.Sprintf("VisibilityTimeout of the queue: %d", 6*int(timeout/time.Second)))
	case f.Visibility < 6*timeout:
		visibility = noted(seen, "a function that is throttled may find a flush in the dead-letter queue", fmt.Sprintf("VisibilityTimeout of the queue: %d", 6*int(timeout/time.Second)))
	}
	return []Row{
		visibility.row(PartFlush, "queue: visibility", expected),
		judge(f.DeadLetters, "there is one", "none", "a flush that fails for ever is tried for ever, or is lost unseen", "RedrivePolicy of the queue").row(PartFlush, "queue: dead letters", "a dead-letter queue"),
	}
}
