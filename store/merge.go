package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"scopegate/mapping"
)

// Tables is what merging needs of a Store: it may as well be an admin API far
// away.
type Tables interface {
	Load(ctx context.Context, api mapping.API) (Snapshot, error)
	Commit(ctx context.Context, change Change) (Meta, error)
}

// Batch is what one table gets of a list of permissions.
type Batch struct {
	API         mapping.API
	Permissions []mapping.Permission // each once
}

// Batches deals a list of permissions out to their tables, in the order in which
// the list names them. A permission that stands there twice counts once; the
// error names every one that does so with different expiresAt or description,
// since one of them would be lost. Places are counted from 1.
func Batches(list []mapping.Permission) ([]Batch, error) {
	var batches []Batch
	var f faults
	type seen struct {
		place int
		text  string
	}
	known := map[string]seen{}
	for i, p := range list {
		text, err := wireText(p)
		if err != nil {
			return nil, fmt.Errorf("permission %d: %w", i+1, err)
		}
		if before, ok := known[p.ID()]; ok {
			if before.text != text {
				f.note(fmt.Errorf("permission %d: is permission %d with another expiresAt, description or parameter name: only one of them can be kept", i+1, before.place))
			}
			continue
		}
		known[p.ID()] = seen{i + 1, text}
		at := slices.IndexFunc(batches, func(b Batch) bool { return b.API == p.API })
		if at < 0 {
			at = len(batches)
			batches = append(batches, Batch{API: p.API})
		}
		batches[at].Permissions = append(batches[at].Permissions, p)
	}
	return batches, errors.Join(f...)
}

// MergeOptions say who merges, when, and what is known of the list.
type MergeOptions struct {
	By        string
	RequestID string
	Now       func() time.Time // nil means time.Now
	// Source, if not "", marks the table as listing every route of its API, and
	// says where the list came from.
	Source string
}

// Merged counts what became of the permissions of a batch.
type Merged struct {
	API       mapping.API
	Revision  Revision // of the table afterwards
	Added     int
	Changed   int // there before, with another expiresAt, description or parameter name
	Unchanged int
	// Completed says that the mark "complete" was set or its source replaced.
	Completed bool
}

// maxAttempts bounds how often Merge starts over. Each conflict means that
// somebody else's change was committed, so that many together get ahead.
const maxAttempts = 100

// Merge puts the permissions of a batch into their table, which it makes where
// there is none, in one change; others of the table stay. Nothing is written
// where all of it is there already. It starts over when the table moves on in
// between, and settles an unknown outcome by repeating the very same change.
// Errors are those of Load and Commit.
func Merge(ctx context.Context, tables Tables, b Batch, o MergeOptions) (Merged, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	var err error
	for range maxAttempts {
		var m Merged
		if m, err = mergeOnce(ctx, tables, b, o); !errors.Is(err, ErrConflict) {
			return m, err
		}
	}
	return Merged{}, fmt.Errorf("merge into table of %s: gave up after %d attempts: %w", b.API, maxAttempts, err)
}

func mergeOnce(ctx context.Context, tables Tables, b Batch, o MergeOptions) (Merged, error) {
	before, err := tables.Load(ctx, b.API)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Merged{}, err
	}
	change, merged, err := mergeChange(before, b, o)
	if err != nil || change.Empty() {
		return merged, err
	}
	after, err := CommitSettled(ctx, tables, change)
	merged.Revision = after.Revision
	return merged, err
}

// mergeChange works out what a batch changes in a table.
func mergeChange(before Snapshot, b Batch, o MergeOptions) (Change, Merged, error) {
	change := Change{ID: ulid.Make().String(), API: b.API, If: before.Revision, By: o.By, RequestID: o.RequestID, At: o.Now()}
	merged := Merged{API: b.API, Revision: before.Revision}
	d, err := Diff(before.Permissions, b.Permissions)
	if err != nil {
		return change, merged, err
	}
	change.Put, merged.Added, merged.Changed, merged.Unchanged = d.Put, d.Added, d.Changed, d.Unchanged
	if o.Source != "" && (before.Complete == nil || before.Complete.Source != o.Source) {
		change.Head = &Head{
			Name: before.Name, Owners: before.Owners, Trust: before.Trust,
			Complete: &Complete{Source: o.Source, By: o.By, At: change.At},
		}
		merged.Completed = true
	}
	return change, merged, nil
}

// Difference is what of a list is not in a table as it is, and the counts.
type Difference struct {
	Put                       []mapping.Permission
	Added, Changed, Unchanged int
}

// Diff finds what of a list is not among the permissions that are there, or is
// with another expiresAt, description or parameter name.
func Diff(there, list []mapping.Permission) (Difference, error) {
	known := make(map[string]string, len(there))
	for _, p := range there {
		text, err := wireText(p)
		if err != nil {
			return Difference{}, err
		}
		known[p.ID()] = text
	}
	var d Difference
	for _, p := range list {
		text, err := wireText(p)
		if err != nil {
			return Difference{}, err
		}
		switch was, ok := known[p.ID()]; {
		case !ok:
			d.Added++
		case was != text:
			d.Changed++
		default:
			d.Unchanged++
			continue
		}
		d.Put = append(d.Put, p)
	}
	return d, nil
}

// Empty reports whether a change changes nothing. A table that does not exist
// yet is made even by a change without permissions.
func (c Change) Empty() bool {
	return c.If != (Revision{}) && len(c.Put)+len(c.Remove)+len(c.PutRoutes)+len(c.RemoveRoutes) == 0 && c.Head == nil && !c.Delete
}

// maxRepeats bounds how often an unknown outcome is asked for again.
const maxRepeats = 3

// CommitSettled is Commit, repeated where its outcome is unknown: the same
// change under the same id is safe to repeat. Once it was unknown, it stays so
// until a repeat settles it: that a repeat could not even reach the store says
// nothing about the first try.
func CommitSettled(ctx context.Context, tables Tables, c Change) (Meta, error) {
	after, err := tables.Commit(ctx, c)
	if !errors.Is(err, ErrUnknown) {
		return after, err
	}
	unknown := err
	for range maxRepeats {
		if ctx.Err() != nil {
			break
		}
		after, err = tables.Commit(ctx, c)
		if err == nil || errors.Is(err, ErrConflict) || errors.Is(err, ErrInvalid) {
			return after, err
		}
	}
	return Meta{}, errors.Join(unknown, err)
}

// wireText is a permission as it is written: equal texts, equal permissions.
func wireText(p mapping.Permission) (string, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("write permission %s: %w", p.ID(), err)
	}
	return string(b), nil
}
