package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"scopegate/store"
)

const object = "11111111-2222-4333-8444-555555555555"

// revocationCases are the promises of store.RevocationStore.
var revocationCases = []testCase{
	{"a revocation is read back, sorted by principal, until it is taken away", revocationRoundTrip},
	{"an invalid revocation is ErrInvalid and writes nothing", revocationInvalid},
	{"the same revocation twice is made once", revocationTwice},
	{"a revocation lets in nobody whom the one before keeps out", revocationAgain},
	{"the audit trail of revocations is complete, newest first, in pages", revocationAudit},
	{"revocations at once lose nothing", revocationsAtOnce},
	{"a reader of revocations never sees half a change", revocationsTorn},
	{"a revocation that breaks off anywhere is made whole or not at all", revocationCrashes},
	{"a revocation cancelled anywhere is made whole or not at all", revocationCancelled},
	{"revocations are there after reopening", revocationsReopened},
}

// revoking is a change that revokes a principal's tokens.
func revoking(principal string) store.RevocationChange {
	return store.RevocationChange{
		ID: newID(), By: "tid:oid", RequestID: "request-1", At: when,
		Put: &store.Revocation{PrincipalID: principal, At: when, Until: when.Add(store.MinRevocation), Reason: "laptop “lost”", By: "tid:oid"},
	}
}

// unrevoking is a change that takes a principal's revocation away.
func unrevoking(principal string) store.RevocationChange {
	return store.RevocationChange{ID: newID(), By: "tid:oid", At: when, Remove: principal}
}

func revoke(t testing.TB, s store.Store, c store.RevocationChange) store.Revision {
	t.Helper()
	r, err := s.Revoke(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func revocations(t testing.TB, s store.Store) store.Revocations {
	t.Helper()
	all, err := s.Revocations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.RevocationsRevision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, all.Revision, r)
	return all
}

func revocationTrail(t testing.TB, s store.Store) []store.RevocationRecord {
	t.Helper()
	var all []store.RevocationRecord
	for before := ""; ; before = all[len(all)-1].ChangeID {
		page, err := s.RevocationAudit(t.Context(), before, store.MaxAuditLimit)
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, page...); len(page) < store.MaxAuditLimit {
			return all
		}
	}
}

// wantRevocationChain checks that the audit trail has n records, whose revisions
// follow on each other from none, each of the state that the one before it left,
// and that the last of them left what is there now.
func wantRevocationChain(t testing.TB, s store.Store, n int) {
	t.Helper()
	trail := revocationTrail(t, s)
	if len(trail) != n {
		t.Errorf("%d audit records, want %d", len(trail), n)
	}
	byBefore := map[store.Revision]store.RevocationRecord{}
	for _, r := range trail {
		byBefore[r.Before] = r
	}
	var at store.Revision
	state := map[string]store.Revocation{}
	for range trail {
		r, ok := byBefore[at]
		if !ok || r.After.Number != at.Number+1 || at.Number > 0 && r.After.Incarnation != at.Incarnation {
			t.Fatalf("no audit record leads from revision %s to the next", at)
		}
		at = r.After
		principal := ""
		if r.Is != nil {
			principal = r.Is.PrincipalID
		} else if r.Was != nil {
			principal = r.Was.PrincipalID
		}
		var was *store.Revocation
		if there, ok := state[principal]; ok {
			was = &there
		}
		wantSame(t, was, r.Was)
		if delete(state, principal); r.Is != nil {
			state[principal] = *r.Is
		}
	}
	want := store.Revocations{Revision: at}
	for _, r := range state {
		want.List = append(want.List, r)
	}
	slices.SortFunc(want.List, func(a, b store.Revocation) int { return strings.Compare(a.PrincipalID, b.PrincipalID) })
	wantSame(t, want, revocations(t, s))
}

func revocationRoundTrip(t *testing.T, h Harness) {
	s := h.Store
	if got := revocations(t, s); got.Revision != (store.Revision{}) || got.List != nil {
		t.Errorf("of an empty store: %+v", got)
	}
	_, err := s.Revoke(t.Context(), unrevoking("nobody:here"))
	wantErr(t, err, store.ErrNotFound)
	wantRevocationChain(t, s, 0)

	ended := revoking("issuer.example:8443:" + strings.Repeat("x", store.MaxPrincipal-20))
	ended.Put.At, ended.Put.Until = when.AddDate(-10, 0, 0), when.AddDate(-9, 0, 0)
	ended.Put.Reason = ""
	ended.At = elsewhere(when)
	changes := []store.RevocationChange{revoking(strings.ToUpper(tenant + ":" + object)), revoking("a.example:統一|x y#z"), ended}
	var at store.Revision
	for i, c := range changes {
		at = revoke(t, s, c)
		if at.Number != uint64(i+1) || at.Incarnation == "" {
			t.Errorf("revision %+v of change %d", at, i+1)
		}
	}
	guid := *changes[0].Put
	guid.PrincipalID = tenant + ":" + object
	want := store.Revocations{Revision: at, List: []store.Revocation{guid, *changes[1].Put, *ended.Put}}
	wantSame(t, want, revocations(t, s))

	longer := revoking(tenant + ":" + object)
	longer.Put.Until, longer.Put.By = when.AddDate(1, 0, 0), "other"
	want.Revision, want.List[0] = revoke(t, s, longer), *longer.Put
	wantSame(t, want, revocations(t, s))
	want.Revision, want.List = revoke(t, s, unrevoking(strings.ToUpper(tenant+":"+object))), want.List[1:]
	wantSame(t, want, revocations(t, s))
	_, err = s.Revoke(t.Context(), unrevoking(tenant+":"+object))
	wantErr(t, err, store.ErrNotFound)
	wantRevocationChain(t, s, 5)
	// Tables know nothing of it.
	if apis, err := s.APIs(t.Context()); err != nil || len(apis) != 0 {
		t.Errorf("APIs: %v, %v", apis, err)
	}
}

func revocationInvalid(t *testing.T, h Harness) {
	for _, b := range []struct {
		says  string
		spoil func(*store.RevocationChange)
	}{
		{"change id", func(c *store.RevocationChange) { c.ID = "x" }},
		{"by", func(c *store.RevocationChange) { c.By = "" }},
		{"requestId", func(c *store.RevocationChange) { c.RequestID = "\xff" }},
		{"at", func(c *store.RevocationChange) { c.At = time.Time{} }},
		{"put one or remove one", func(c *store.RevocationChange) { c.Put = nil }},
		{"put one or remove one", func(c *store.RevocationChange) { c.Remove = "a:b" }},
		{"principalId", func(c *store.RevocationChange) { c.Put, c.Remove = nil, "nobody" }},
		{"principalId", func(c *store.RevocationChange) { c.Put.PrincipalID = "" }},
		{"principalId", func(c *store.RevocationChange) { c.Put.PrincipalID = "a:b\n" }},
		{"principalId", func(c *store.RevocationChange) { c.Put.PrincipalID = "a:" + strings.Repeat("b", store.MaxPrincipal) }},
		{"at", func(c *store.RevocationChange) { c.Put.At = time.Time{} }},
		{"until", func(c *store.RevocationChange) { c.Put.Until = c.Put.At.Add(store.MinRevocation - 1) }},
		{"until", func(c *store.RevocationChange) { c.Put.Until = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }},
		{"reason", func(c *store.RevocationChange) { c.Put.Reason = strings.Repeat("x", 1025) }},
		{"by", func(c *store.RevocationChange) { c.Put.By = "" }},
	} {
		c := revoking("a:b")
		b.spoil(&c)
		_, err := h.Store.Revoke(t.Context(), c)
		wantErr(t, err, store.ErrInvalid)
		if err != nil && !strings.Contains(err.Error(), b.says) {
			t.Errorf("error %q does not say %q", err, b.says)
		}
	}
	wantRevocationChain(t, h.Store, 0)
	for _, limit := range []int{0, -1, store.MaxAuditLimit + 1} {
		_, err := h.Store.RevocationAudit(t.Context(), "", limit)
		wantErr(t, err, store.ErrInvalid)
	}
	_, err := h.Store.RevocationAudit(t.Context(), "x", 1)
	wantErr(t, err, store.ErrInvalid)
}

func revocationTwice(t *testing.T, h Harness) {
	s := h.Store
	for i, c := range []store.RevocationChange{revoking("a:b"), revoking("a:c"), unrevoking("a:b")} {
		if h.LoseNextAnswer != nil {
			h.LoseNextAnswer()
		}
		first := revoke(t, s, c)
		wantSame(t, first, revoke(t, s, c))
		wantSame(t, first, revocations(t, s).Revision)
		wantRevocationChain(t, s, i+1)
	}
	// A removal that was made is still made, though there is nothing to remove.
	again := revoking("a:d")
	answers := make([]store.Revision, 8)
	var group sync.WaitGroup
	for i := range answers {
		group.Go(func() {
			var err error
			if answers[i], err = s.Revoke(t.Context(), again); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, a := range answers {
		wantSame(t, answers[0], a)
	}
	wantRevocationChain(t, s, 4)
}

// revocationAgain: two who revoke at once know nothing of each other, and both
// were told that it is done.
func revocationAgain(t *testing.T, h Harness) {
	long, late := revoking("a:b"), revoking("a:b")
	long.Put.Until = when.Add(1000 * time.Hour)
	late.Put.At = when.Add(time.Second)
	late.Put.Until = late.Put.At.Add(store.MinRevocation)
	for _, order := range [][]store.RevocationChange{{long, late}, {late, long}} {
		for _, c := range order {
			c.ID = newID()
			revoke(t, h.Store, c)
		}
		is := revocations(t, h.Store).List[0]
		wantSame(t, store.Revocation{PrincipalID: "a:b", At: late.Put.At, Until: long.Put.Until, Reason: late.Put.Reason, By: "tid:oid"}, is)
		revoke(t, h.Store, unrevoking("a:b"))
	}
	wantRevocationChain(t, h.Store, 6)
}

func revocationAudit(t *testing.T, h Harness) {
	const n = 11
	var want []store.RevocationRecord
	start := ulid.Timestamp(when)
	for i := range n {
		c := revoking(fmt.Sprintf("a:%d", i%3))
		c.ID = ulid.MustNew(start+uint64(i), ulid.DefaultEntropy()).String()
		r := store.RevocationRecord{ChangeID: c.ID, By: c.By, RequestID: c.RequestID, At: c.At, Is: c.Put}
		if i > 0 {
			r.Before = want[0].After
		}
		if i > 2 {
			r.Was = want[2].Is
		}
		r.After = revoke(t, h.Store, c)
		want = slices.Insert(want, 0, r)
	}
	for _, limit := range []int{1, 4, n, n + 1} {
		var got []store.RevocationRecord
		for before := ""; len(got) < n; before = got[len(got)-1].ChangeID {
			page, err := h.Store.RevocationAudit(t.Context(), before, limit)
			if err != nil || len(page) == 0 || len(page) > limit {
				t.Fatalf("%d records of at most %d, %v", len(page), limit, err)
			}
			got = append(got, page...)
		}
		wantSame(t, want, got)
	}
}

// revocationsAtOnce has 50 at once change the revocations of 10 principals.
func revocationsAtOnce(t *testing.T, h Harness) {
	const writers = 50
	var group sync.WaitGroup
	for i := range writers {
		group.Go(func() {
			c := revoking(fmt.Sprintf("a:%d", i%10))
			c.Put.Reason = fmt.Sprint(i)
			if _, err := h.Store.Revoke(t.Context(), c); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	wantRevocationChain(t, h.Store, writers)
}

// revocationsTorn puts a change in between any two requests of a read: each
// takes one revocation away and the next puts it back, so that all that is read
// follows from the revision.
func revocationsTorn(t *testing.T, h Harness) {
	s := h.Store
	long := strings.Repeat("x", 900)
	const n = 330 // of 4 KB each: more than a page of DynamoDB's
	if h.BeforeRequest == nil {
		revoke(t, s, revoking("z:moving"))
		for range 4 {
			var group sync.WaitGroup
			group.Go(func() { revoke(t, s, unrevoking("z:moving")); revoke(t, s, revoking("z:moving")) })
			got, err := s.Revocations(t.Context())
			if err != nil || len(got.List) != int(got.Revision.Number%2) {
				t.Errorf("%d at revision %s, %v", len(got.List), got.Revision, err)
			}
			group.Wait()
		}
		return
	}
	for i := range n {
		c := revoking(fmt.Sprintf("m:%d.%s", i, long))
		c.Put.Reason, c.Put.By = long, long
		revoke(t, s, c)
	}
	moving := func(edge string, there bool) store.RevocationChange {
		if there {
			return unrevoking(edge)
		}
		return revoking(edge)
	}
	there, number := false, n
	for request := 0; ; request++ {
		came := false
		h.BeforeRequest(request, func() {
			came = true
			revoke(t, s, moving("a:first", there))
			revoke(t, s, moving("z:last", there))
			there, number = !there, number+2
		})
		got, err := s.Revocations(t.Context())
		if !came {
			h.BeforeRequest(0, func() {})
			if request < 4 {
				t.Errorf("a read of several pages made %d requests", request)
			}
			return
		}
		want := n
		if there {
			want += 2
		}
		if err != nil || len(got.List) != want || got.Revision.Number != uint64(number) {
			t.Errorf("request %d: %d revocations at revision %s, want %d at %d, %v", request, len(got.List), got.Revision, want, number, err)
		}
	}
}
