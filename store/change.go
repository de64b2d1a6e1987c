package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"

	"scopegate/mapping"
)

// Limits of a change, in bytes unless said otherwise.
const (
	// MaxHead bounds the JSON of a Head: it is stored in one item together
	// with the audit record of its change (DynamoDB: 400 KB an item).
	MaxHead = 32 << 10
	// MaxRecordList bounds the lists that stand in an audit record itself, and
	// MaxListed how many permissions and routes they name together. Those of a
	// larger change are kept beside it (AuditDetail).
	MaxRecordList = 64 << 10
	MaxListed     = 100
	// MaxAuditLimit is how many records one call of Audit lists at most.
	MaxAuditLimit = 1000

	maxText = 1024 // of Change.By, RequestID and Head.Name
)

// CheckAPI reports whether a table of this API can exist. Its parts then hold
// no '#', so that back ends may join them with it.
func CheckAPI(api mapping.API) error {
	_, err := mapping.ParseAPI(api.ARN, api.Stage)
	return err
}

// CheckChangeID checks that an id is a ULID in its one canonical spelling.
func CheckChangeID(id string) error {
	u, err := ulid.ParseStrict(id)
	if err != nil || u.String() != id {
		return fmt.Errorf("change id %q: must be a ULID in upper case", id)
	}
	return nil
}

// CheckAudit checks the arguments of Audit. Its error wraps ErrInvalid.
func CheckAudit(before string, limit int) error {
	if limit < 1 || limit > MaxAuditLimit {
		return fmt.Errorf("audit limit %d: must be 1 to %d: %w", limit, MaxAuditLimit, ErrInvalid)
	}
	if before == "" {
		return nil
	}
	if err := CheckChangeID(before); err != nil {
		return fmt.Errorf("%w: %w", err, ErrInvalid)
	}
	return nil
}

// Canonical checks all of a change that can be checked without the table, and
// returns it in its canonical form (times in UTC, empty lists nil), sharing no
// slice with the argument. The error wraps ErrInvalid and joins every fault.
func (c Change) Canonical() (Change, error) {
	var f faults
	f.note(CheckChangeID(c.ID))
	f.note(CheckAPI(c.API))
	f.note(checkText("by", c.By, true))
	f.note(checkText("requestId", c.RequestID, false))
	f.note(checkTime("at", c.At))
	c.At = c.At.UTC().Round(0)
	if c.Delete {
		f.note(c.checkDelete())
		return c, f.err()
	}
	c.Put = c.canonicalPermissions(&f)
	c.PutRoutes = c.canonicalRoutes(&f)
	c.Remove = distinct(&f, "remove", c.Remove)
	c.RemoveRoutes = distinct(&f, "removeRoutes", c.RemoveRoutes)
	c.checkContradictions(&f)
	if c.Head != nil {
		head, err := c.Head.canonical()
		f.note(err)
		c.Head = &head
	}
	return c, f.err()
}

func (c Change) checkDelete() error {
	switch {
	case len(c.Put)+len(c.Remove)+len(c.PutRoutes)+len(c.RemoveRoutes) > 0 || c.Head != nil:
		return errors.New("delete: must stand alone")
	case c.If == Revision{}:
		return errors.New("delete: must name the revision it was decided on")
	}
	return nil
}

// canonicalPermissions parses each permission again: a struct put together by
// hand could hold anything.
func (c Change) canonicalPermissions(f *faults) []mapping.Permission {
	var all []mapping.Permission
	seen := map[string]bool{}
	for i, p := range c.Put {
		parsed, err := reparse(p)
		if err != nil {
			f.note(fmt.Errorf("put %d: %w", i+1, err))
			continue
		}
		id := parsed.ID()
		switch {
		case parsed.API != c.API:
			f.note(fmt.Errorf("put %d: permission of %s in a change of %s", i+1, parsed.API, c.API))
		case seen[id]:
			f.note(fmt.Errorf("put %d: permission %s is there twice", i+1, id))
		}
		seen[id] = true
		all = append(all, parsed)
	}
	return all
}

func reparse(p mapping.Permission) (mapping.Permission, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return mapping.Permission{}, err
	}
	return mapping.ParsePermission(b)
}

func (c Change) canonicalRoutes(f *faults) []mapping.Route {
	var all []mapping.Route
	seen := map[string]bool{}
	for i, r := range c.PutRoutes {
		parsed, err := mapping.NewRoute(c.API, string(r.Verb), r.Resource.String())
		if err != nil {
			f.note(fmt.Errorf("putRoutes %d: %w", i+1, err))
			continue
		}
		id := parsed.ID()
		switch {
		case r.API != c.API:
			f.note(fmt.Errorf("putRoutes %d: route of %s in a change of %s", i+1, r.API, c.API))
		case seen[id]:
			f.note(fmt.Errorf("putRoutes %d: route %s is there twice", i+1, parsed))
		}
		seen[id] = true
		all = append(all, parsed)
	}
	return all
}

// checkContradictions finds what a change both puts and takes away.
func (c Change) checkContradictions(f *faults) {
	put := map[string]bool{}
	for _, p := range c.Put {
		put[p.ID()] = true
	}
	for _, r := range c.PutRoutes {
		put[r.ID()] = true
	}
	for _, id := range c.Remove {
		if put[id] {
			f.note(fmt.Errorf("remove: permission %s is put by the same change", id))
		}
	}
	for _, id := range c.RemoveRoutes {
		if put[id] {
			f.note(fmt.Errorf("removeRoutes: route %s is put by the same change", id))
		}
	}
}

func (h Head) canonical() (Head, error) {
	var f faults
	f.note(checkText("name", h.Name, false))
	if h.Complete != nil {
		complete := *h.Complete
		f.note(checkText("complete.source", complete.Source, true))
		f.note(checkText("complete.by", complete.By, true))
		f.note(checkTime("complete.at", complete.At))
		complete.At = complete.At.UTC().Round(0)
		h.Complete = &complete
	}
	h.Owners = append([]Owner(nil), h.Owners...)
	for i, o := range h.Owners {
		f.note(o.check(i))
	}
	h.Trust = append([]mapping.Trust(nil), h.Trust...)
	for i, t := range h.Trust {
		if err := t.Validate(); err != nil {
			f.note(fmt.Errorf("trust %d: %w", i+1, err))
		}
		h.Trust[i].Audiences = append([]string(nil), t.Audiences...)
	}
	if err := errors.Join(f...); err != nil {
		return h, err
	}
	b, err := json.Marshal(h)
	if err == nil && len(b) > MaxHead {
		err = fmt.Errorf("head: must be at most %d bytes, is %d", MaxHead, len(b))
	}
	return h, err
}

// check refuses an owner without role and group: that would be everybody of
// the tenant.
func (o Owner) check(i int) error {
	switch {
	case !mapping.IsGUID(o.Tenant):
		return fmt.Errorf("owner %d: tenant %q: must be a tenant id (GUID) in lower case", i+1, o.Tenant)
	case o.Role == "" && o.Group == "":
		return fmt.Errorf("owner %d: must name a role or a group", i+1)
	}
	return errors.Join(checkText("role", o.Role, false), checkText("group", o.Group, false))
}

func checkText(field, s string, required bool) error {
	switch {
	case s == "" && required:
		return fmt.Errorf("%s: must be given", field)
	case len(s) > maxText:
		return fmt.Errorf("%s: must be at most %d bytes, is %d", field, maxText, len(s))
	case !utf8.ValidString(s):
		return fmt.Errorf("%s: must be valid UTF-8", field)
	}
	return nil
}

// checkTime keeps to the years that RFC 3339 can write.
func checkTime(field string, t time.Time) error {
	switch year := t.UTC().Year(); {
	case t.IsZero():
		return fmt.Errorf("%s: must be given", field)
	case year < 1 || year > 9999:
		return fmt.Errorf("%s: must be in the years 1 to 9999", field)
	}
	return nil
}

func distinct(f *faults, field string, ids []string) []string {
	seen := map[string]bool{}
	for _, id := range ids {
		if seen[id] {
			f.note(fmt.Errorf("%s: %s is there twice", field, id))
		}
		seen[id] = true
	}
	return append([]string(nil), ids...)
}

// faults collects what is wrong with a change.
type faults []error

func (f *faults) note(err error) {
	if err != nil {
		*f = append(*f, err)
	}
}

func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrInvalid, errors.Join(f...))
}
