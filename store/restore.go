package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"scopegate/mapping"
)

// ErrIncomplete: the audit trail does not hold all that is asked of it, since a
// record is damaged, or older than the lists of bulk changes.
var ErrIncomplete = errors.New("the audit trail does not hold it")

// Trail is what At needs of a Store.
type Trail interface {
	Load(ctx context.Context, api mapping.API) (Snapshot, error)
	Audit(ctx context.Context, api mapping.API, before string, limit int) ([]Record, error)
	AuditDetail(ctx context.Context, api mapping.API, changeID string) (Record, error)
}

// ParseRevision reads what Revision.String wrote.
func ParseRevision(s string) (Revision, error) {
	if s == "none" {
		return Revision{}, nil
	}
	number, incarnation, _ := strings.Cut(s, "-")
	n, err := strconv.ParseUint(number, 10, 64)
	r := Revision{Number: n, Incarnation: incarnation}
	if err != nil || n == 0 || incarnation == "" || r.String() != s {
		return Revision{}, fmt.Errorf("revision %q: must be as a table's ETag has it, such as 12-5HEKZQ", s)
	}
	return r, nil
}

// At is the table as it was at an earlier revision, of an earlier life too: the
// table as it is, or as its deletion found it, with the changes since then undone
// from their audit records. Stamps are not known any more. ErrNotFound if the
// table never was at the revision, ErrIncomplete if the records do not say.
func At(ctx context.Context, t Trail, api mapping.API, revision Revision) (Snapshot, error) {
	s, err := at(ctx, t, api, revision)
	if err != nil {
		return Snapshot{}, fmt.Errorf("table of %s at revision %s: %w", api, revision, err)
	}
	return s, nil
}

func at(ctx context.Context, t Trail, api mapping.API, target Revision) (Snapshot, error) {
	if target == (Revision{}) {
		return Snapshot{}, ErrNotFound
	}
	now, err := loadOrNone(ctx, t, api)
	for err == nil {
		var h *history
		if h, err = readHistory(ctx, t, api, now.Revision, target); err != nil {
			break
		}
		s, incomplete := h.undo(ctx, t, now)
		if !errors.Is(incomplete, ErrIncomplete) {
			return s, incomplete
		}
		// Perhaps the table moved on between the two reads.
		before := now.Revision
		if now, err = loadOrNone(ctx, t, api); err == nil && now.Revision == before {
			err = incomplete
		}
	}
	return Snapshot{}, err
}

func loadOrNone(ctx context.Context, t Trail, api mapping.API) (Snapshot, error) {
	s, err := t.Load(ctx, api)
	if errors.Is(err, ErrNotFound) {
		return Snapshot{}, nil
	}
	return s, err
}

// history is the audit trail from a revision on.
type history struct {
	api      mapping.API
	now      Revision
	target   Revision
	found    bool
	byNumber map[uint64]Record // of the revision, or the tombstone, that a change made
	damaged  []string          // ids of changes
}

// number is that of the revision that a change made; a deletion counts as one.
func (r Record) number() uint64 {
	if r.Counts.Deleted {
		return r.Before.Number + 1
	}
	return r.After.Number
}

// readHistory reads the trail, newest first, until it has all that is needed or
// the trail ends. Ids of changes need not be in the order in which they were made.
func readHistory(ctx context.Context, t Trail, api mapping.API, now, target Revision) (*history, error) {
	h := &history{api: api, now: now, target: target, byNumber: map[uint64]Record{}}
	for before := ""; ; {
		page, err := t.Audit(ctx, api, before, MaxAuditLimit)
		if err != nil {
			return nil, err
		}
		for _, r := range page {
			h.note(r)
		}
		if _, _, missing := h.end(); h.found && missing == 0 || len(page) < MaxAuditLimit {
			return h, nil
		}
		before = page[len(page)-1].ChangeID
	}
}

func (h *history) note(r Record) {
	switch {
	case r.Damaged != "":
		h.damaged = append(h.damaged, r.ChangeID)
	case r.After == h.target:
		h.found = true
	case r.number() > h.target.Number:
		h.byNumber[r.number()] = r
	}
}

// end is the number of the newest change to be undone: the deletion of the
// target's life, which found the table whole, or else the newest of the table as it
// is. missing is one on the way that has not been read, 0 if there is none.
func (h *history) end() (last uint64, deletion bool, missing uint64) {
	for n := h.target.Number + 1; ; n++ {
		if h.now.Incarnation == h.target.Incarnation && n > h.now.Number {
			return n - 1, false, 0
		}
		switch r, ok := h.byNumber[n]; {
		case !ok:
			return n, false, n
		case r.Counts.Deleted:
			return n, true, 0
		}
	}
}

// check is why the trail is not enough.
func (h *history) check() error {
	_, _, missing := h.end()
	switch {
	case h.found && missing == 0 && (h.now.Incarnation != h.target.Incarnation || h.now.Number >= h.target.Number):
		return nil
	case len(h.damaged) > 0:
		return fmt.Errorf("%w: these records cannot be read: %s", ErrIncomplete, strings.Join(h.damaged, ", "))
	case !h.found:
		return ErrNotFound
	}
	return fmt.Errorf("%w: there is no record of change number %d", ErrIncomplete, max(missing, h.now.Number+1))
}

// undo goes back from the table as it is, or was deleted, to the target.
func (h *history) undo(ctx context.Context, t Trail, now Snapshot) (Snapshot, error) {
	if err := h.check(); err != nil {
		return Snapshot{}, err
	}
	last, deletion, _ := h.end()
	back := newRewind(now)
	if deletion {
		back = newRewind(Snapshot{})
	}
	for n := last; n > h.target.Number; n-- {
		r := h.byNumber[n]
		if r.Unlisted {
			var err error
			if r, err = t.AuditDetail(ctx, h.api, r.ChangeID); err != nil {
				return Snapshot{}, err
			}
		}
		if err := back.undo(h.api, r); err != nil {
			return Snapshot{}, fmt.Errorf("undo change %s: %w", r.ChangeID, err)
		}
	}
	return back.snapshot(h.api, h.target), nil
}

// rewind is a table on its way back.
type rewind struct {
	head        Head
	permissions map[string]mapping.Permission
	routes      map[string]mapping.Route
}

func newRewind(s Snapshot) *rewind {
	b := &rewind{head: s.head(), permissions: map[string]mapping.Permission{}, routes: map[string]mapping.Route{}}
	for _, p := range s.Permissions {
		b.permissions[p.ID()] = p
	}
	for _, r := range s.Routes {
		b.routes[r.ID()] = r
	}
	return b
}

func (b *rewind) undo(api mapping.API, r Record) error {
	if r.Unlisted {
		return fmt.Errorf("%w: its record does not list what it did", ErrIncomplete)
	}
	for _, p := range r.Added {
		if _, ok := b.permissions[p.ID()]; !ok {
			return fmt.Errorf("%w: permission %s, which it added, is not there", ErrIncomplete, p.ID())
		}
		delete(b.permissions, p.ID())
	}
	for _, p := range r.Removed {
		b.permissions[p.ID()] = p
	}
	for _, text := range r.RoutesAdded {
		route, err := parseRoute(api, text)
		if err != nil {
			return err
		}
		delete(b.routes, route.ID())
	}
	for _, text := range r.RoutesRemoved {
		route, err := parseRoute(api, text)
		if err != nil {
			return err
		}
		b.routes[route.ID()] = route
	}
	if r.HeadBefore != nil {
		b.head = *r.HeadBefore
	}
	return nil
}

func (b *rewind) snapshot(api mapping.API, at Revision) Snapshot {
	s := Snapshot{Meta: Meta{API: api, Revision: at, Name: b.head.Name, Complete: b.head.Complete,
		Owners: b.head.Owners, Trust: b.head.Trust}}
	for _, id := range slices.Sorted(maps.Keys(b.permissions)) {
		s.Permissions = append(s.Permissions, b.permissions[id])
	}
	for _, id := range slices.Sorted(maps.Keys(b.routes)) {
		s.Routes = append(s.Routes, b.routes[id])
	}
	return s
}

// parseRoute reads what mapping.Route's String wrote.
func parseRoute(api mapping.API, text string) (mapping.Route, error) {
	verb, resource, _ := strings.Cut(text, " ")
	r, err := mapping.NewRoute(api, verb, resource)
	if err == nil && r.String() != text {
		err = fmt.Errorf("is %s", r)
	}
	if err != nil {
		return mapping.Route{}, fmt.Errorf("%w: route %q: %w", ErrIncomplete, text, err)
	}
	return r, nil
}
