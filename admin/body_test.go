package admin_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"scopegate/mapping"
	"scopegate/store"
)

// TestABodysTypeIsReadTheSameByEveryCall: names of media types know no case (RFC
// 9110, 8.3.1), JSON is UTF-8 (RFC 8259, 8.1), a patch is no whole, and what is
// no JSON for one call is none for another.
func TestABodysTypeIsReadTheSameByEveryCall(t *testing.T) {
	w := newWorld(t)
	seen := map[string]bool{}
	for _, r := range rows {
		if r.body == "" || strings.Contains(r.path, "dryRun") || r.name != "" || seen[r.op] {
			continue
		}
		seen[r.op] = true
		for _, c := range []struct {
			contentType string
			taken       bool
		}{
			{"application/json", true}, {"Application/JSON", true}, {"application/json; charset=UTF-8", true}, {`application/json;charset="utf-8"`, true},
			{"application/json; charset=utf-16", false}, {"application/merge-patch+json", false}, {"application/cbor", false}, {"text/json", false},
			{"multipart/form-data; boundary=x", false}, {"json", false}, {"application/json, text/plain", false}, {"application/json; charset", false}, {"/", false},
		} {
			w.ofType = c.contentType
			a, _ := w.ask(t, r, "admin", "dev")
			w.ofType = ""
			if taken := a.status < 300; taken != c.taken || !taken && a.status != 415 {
				t.Errorf("%s as %s: %d %s", r.op, c.contentType, a.status, a.body)
			}
			if !c.taken && strings.Contains(a.body, arn) {
				t.Errorf("%s as %s: the body is repeated: %s", r.op, c.contentType, a.body)
			}
			if w.newest(t) != w.mark {
				w = newWorld(t)
			}
		}
	}
	if len(seen) != 7 {
		t.Errorf("%d calls with a body: %v", len(seen), seen)
	}
}

// TestADeadlineForTheBodyEndsWithTheBody: net/http would take it for the client's
// going away, and a plan of five seconds for an outage.
func TestADeadlineForTheBodyEndsWithTheBody(t *testing.T) {
	w := newWorld(t)
	served := w.Handler
	for _, r := range rows {
		if r.body == "" {
			continue
		}
		var d *deadlines
		w.Handler = http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			d = &deadlines{ResponseWriter: rw}
			served.ServeHTTP(d, req)
		})
		asked, late := 0, 0
		w.store.Store = noticing{w.count, func() {
			asked++
			if !d.last.IsZero() {
				late++
			}
		}}
		a, _ := w.ask(t, r, "admin", "dev")
		if asked == 0 || late > 0 || d.set == 0 || !d.first.After(time.Now().Add(-time.Minute)) {
			t.Errorf("%s %s: %d; %d of %d looks at the store had a deadline for the body, set %d times", r.op, r.name, a.status, late, asked, d.set)
		}
	}
}

// deadlines notes until when a body may be read.
type deadlines struct {
	http.ResponseWriter
	set         int
	first, last time.Time
}

func (d *deadlines) SetReadDeadline(until time.Time) error {
	if d.set++; d.set == 1 {
		d.first = until
	}
	d.last = until
	return nil
}

// noticing is a store that tells when it is asked something.
type noticing struct {
	store.Store
	asked func()
}

func (n noticing) Meta(ctx context.Context, api mapping.API) (store.Meta, error) {
	n.asked()
	return n.Store.Meta(ctx, api)
}

func (n noticing) Load(ctx context.Context, api mapping.API) (store.Snapshot, error) {
	n.asked()
	return n.Store.Load(ctx, api)
}

func (n noticing) Revocations(ctx context.Context) (store.Revocations, error) {
	n.asked()
	return n.Store.Revocations(ctx)
}
