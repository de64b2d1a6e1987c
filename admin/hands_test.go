package admin_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"scopegate/mapping"
	"scopegate/store"
)

// between is a store in which something happens once, before the next table is
// read whole.
type between struct {
	store.Store
	happens func()
}

func (b *between) Load(ctx context.Context, api mapping.API) (store.Snapshot, error) {
	if f := b.happens; f != nil {
		b.happens = nil
		f()
	}
	return b.Store.Load(ctx, api)
}

// TestTheTableThatIsReadDecidesWhoMayReadIt: it may change hands between the look
// at its head, which let the caller in, and the reading.
func TestTheTableThatIsReadDecidesWhoMayReadIt(t *testing.T) {
	w := newWorld(t)
	b := &between{Store: w.count.Store}
	w.count.Store = b
	asked := 0
	for _, r := range rows {
		if r.owner[0] != 200 && r.owner[0] != 201 && r.owner[0] != 409 {
			continue
		}
		w.refill(t)
		before := w.newest(t)
		b.happens = func() {
			asked++
			if a := w.call(t, "admin", "PUT", table, `{"arn": "`+arn+`", `+foes+`}`, "If-Match", "*"); a.status != 200 {
				t.Fatalf("%d %s", a.status, a.body)
			}
			before = w.newest(t)
		}
		a, read := w.ask(t, r, "owner", "dev")
		if b.happens != nil { // reads no table whole
			b.happens = nil
			continue
		}
		none := w.call(t, "owner", "GET", unknown, "")
		switch {
		case r.op == "listPermissions" && a.status == 200: // those of no table
			if a.body != `{"permissions":[]}`+"\n" {
				t.Errorf("%s %s: %s", r.op, r.name, a.body)
			}
		case a.status == http.StatusNotFound && strings.HasPrefix(r.path, oneOf): // as one that was not there
		case a.status != 403 || a.body != none.body:
			t.Errorf("%s %s after %s: %d %s, want %s", r.op, r.name, read, a.status, a.body, none.body)
		}
		if w.newest(t) != before {
			t.Errorf("%s %s: %d, and something was written", r.op, r.name, a.status)
		}
	}
	if asked < 15 {
		t.Errorf("%d calls read a table", asked)
	}
}

// TestAnAnswerThatGotLostOnceIsFoundOut: who asks is told that the change was made,
// and it is made once.
func TestAnAnswerThatGotLostOnceIsFoundOut(t *testing.T) {
	s := newServer(t)
	s.owned(t)
	l := &lostOnce{Store: s.store.Store}
	s.store.Store = l
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/v1/permissions", perm("dev", orders), 201},
		{"PUT", revoked, `{}`, 201},
		{"DELETE", revoked, "", 200},
		{"PUT", document, doc(`, ` + owners), 200},
		{"DELETE", table, "", 200},
	} {
		l.lost = false
		var headers []string
		if c.path != "/v1/permissions" {
			headers = []string{"If-Match", "*"}
		}
		if a := s.call(t, "admin", c.method, c.path, c.body, headers...); a.status != c.want || !l.lost {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.status, a.body)
		}
	}
	records, err := s.store.Audit(t.Context(), api, "", 10)
	if err != nil || len(records) != 4 {
		t.Errorf("%d records: %v", len(records), err)
	}
}

// TestWhoGoesAwayTakesNoRevocationBack: it is made once it was begun.
func TestWhoGoesAwayTakesNoRevocationBack(t *testing.T) {
	f := &recorded{result: scheduled()}
	s := newServer(t, flushing(f))
	ctx, cancel := context.WithCancel(t.Context())
	left := &leaves{Store: s.store.Store, leave: cancel}
	s.store.Store = left
	r := httptest.NewRequestWithContext(ctx, "PUT", revoked, strings.NewReader("{}"))
	r.Header.Set("Authorization", "Bearer admin")
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 201 || left.live != nil || len(f.taken()) != 2 {
		t.Errorf("%d %s, context %v", w.Code, w.Body, left.live)
	}
}

// leaves is a store whose client goes away while a revocation is made.
type leaves struct {
	store.Store
	leave func()
	live  error
}

func (l *leaves) Revoke(ctx context.Context, c store.RevocationChange) (store.Revision, error) {
	l.leave()
	l.live = ctx.Err()
	return l.Store.Revoke(ctx, c)
}

// lostOnce is a store whose next answer to a change gets lost.
type lostOnce struct {
	store.Store
	lost bool
}

func (l *lostOnce) lose(err error) error {
	if err == nil && !l.lost {
		l.lost = true
		return fmt.Errorf("the wire is cut: %w", store.ErrUnknown)
	}
	return err
}

func (l *lostOnce) Commit(ctx context.Context, c store.Change) (store.Meta, error) {
	m, err := l.Store.Commit(ctx, c)
	return m, l.lose(err)
}

func (l *lostOnce) Revoke(ctx context.Context, c store.RevocationChange) (store.Revision, error) {
	r, err := l.Store.Revoke(ctx, c)
	return r, l.lose(err)
}
