package mapping

import (
	"math/bits"
	"slices"
	"time"
)

// Held is the set of a table's permissions that a caller holds at one instant.
// It belongs to the table that made it. The zero Held holds nothing.
type Held struct {
	words []uint64 // bit i is permission i of the table
}

func (h Held) has(i int) bool {
	return i/64 < len(h.words) && h.words[i/64]&(1<<(i%64)) != 0
}

// hasAny reports whether one of the permissions is held.
func (h Held) hasAny(permissions []int) bool {
	for _, i := range permissions {
		if h.has(i) {
			return true
		}
	}
	return false
}

// Len counts the permissions held.
func (h Held) Len() int {
	n := 0
	for _, w := range h.words {
		n += bits.OnesCount64(w)
	}
	return n
}

// Key is the set as a comparable value: two sets of one table are equal exactly
// if their keys are.
func (h Held) Key() string {
	b := make([]byte, 0, 8*len(h.words))
	for _, w := range h.words {
		for range 8 {
			b = append(b, byte(w))
			w >>= 8
		}
	}
	return string(b)
}

func (h *Held) add(i, of int) {
	if h.words == nil {
		h.words = make([]uint64, (of+63)/64)
	}
	h.words[i/64] |= 1 << (i % 64)
}

// each calls f for every permission held, in order.
func (h Held) each(f func(i int)) {
	for w, word := range h.words {
		for ; word != 0; word &= word - 1 {
			f(w*64 + bits.TrailingZeros64(word))
		}
	}
}

// Held finds the permissions that the caller holds at the instant now: none if
// the table does not trust the caller. It looks at the permissions that name
// something the caller brings, not at all of them.
func (t *Table) Held(c Caller, now time.Time) Held {
	var h Held
	if !t.Trusts(c) {
		return h
	}
	try := func(candidates []int) {
		for _, i := range candidates {
			if t.permissions[i].HeldBy(c, now) {
				h.add(i, len(t.permissions))
			}
		}
	}
	for _, s := range c.Scopes {
		try(t.byScope[s])
	}
	for _, r := range c.Roles {
		try(t.byRole[r])
	}
	for _, g := range c.Groups {
		try(t.byGroup[g])
	}
	try(t.authenticated)
	return h
}

// MissesGroups reports whether the table has permissions that the caller might
// hold, had its token listed its groups.
func (t *Table) MissesGroups(c Caller) bool { return c.GroupsUnknown && t.needsGroups }

// Trusts reports whether the table believes the caller's issuer and audience.
func (t *Table) Trusts(c Caller) bool {
	return slices.ContainsFunc(t.trust, func(e Trust) bool { return e.covers(c) })
}

// Permissions lists the permissions of a set, in the order of their ids.
func (t *Table) Permissions(h Held) []Permission {
	var list []Permission
	h.each(func(i int) { list = append(list, t.permissions[i]) })
	return list
}

// At is what is left of the set at a later instant.
func (t *Table) At(h Held, now time.Time) Held {
	var left Held
	h.each(func(i int) {
		if t.permissions[i].current(now) {
			left.add(i, len(t.permissions))
		}
	})
	return left
}

// Ends lists the instants at which permissions of the set expire, in order.
func (t *Table) Ends(h Held) []time.Time {
	var ends []time.Time
	h.each(func(i int) {
		if at := t.permissions[i].ExpiresAt; !at.IsZero() {
			ends = append(ends, at)
		}
	})
	slices.SortFunc(ends, time.Time.Compare)
	return slices.CompactFunc(ends, time.Time.Equal)
}

// HeldUntil is the first instant at which a permission of the set expires, the
// first of [Table.Ends]: until then the caller goes on holding the set. It is zero
// if none ever expires. It allocates nothing.
func (t *Table) HeldUntil(h Held) time.Time {
	var first time.Time
	h.each(func(i int) {
		at := t.permissions[i].ExpiresAt
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	})
	return first
}

// Deciding is the part of the set that a verdict about one request rests on:
// the permissions that name a route of one of its readings, and the patterns
// that match one.
func (t *Table) Deciding(h Held, v Verdict, method, path string) Held {
	var part Held
	if !v.Allowed {
		return part
	}
	verb := Verb(method)
	take := func(from []int, matches func(Permission) bool) {
		for _, i := range from {
			if h.has(i) && matches(t.permissions[i]) {
				part.add(i, len(t.permissions))
			}
		}
	}
	every := func(Permission) bool { return true }
	if v.Route != nil {
		take(v.Route.permissions, every)
	}
	for _, r := range readings(path) {
		if route := t.root(verb).find(r.segments, r.slash); route != nil {
			take(route.permissions, every)
		}
		if m := t.methods[verb]; m != nil {
			take(m.patterns, func(p Permission) bool { return Match(p.Resource.String(), r.text) })
		}
	}
	return part
}
