package admin_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"scopegate/mapping"
	"scopegate/store"
)

var errWire = errors.New("dial 10.0.0.7: refused")

// down is a store that cannot be reached.
type down struct{ store.Store }

func (down) Meta(context.Context, mapping.API) (store.Meta, error) { return store.Meta{}, errWire }
func (down) Load(context.Context, mapping.API) (store.Snapshot, error) {
	return store.Snapshot{}, errWire
}
func (down) Commit(context.Context, store.Change) (store.Meta, error) { return store.Meta{}, errWire }
func (down) APIs(context.Context) ([]mapping.API, error)              { return nil, errWire }
func (down) Audit(context.Context, mapping.API, string, int) ([]store.Record, error) {
	return nil, errWire
}
func (down) AuditDetail(context.Context, mapping.API, string) (store.Record, error) {
	return store.Record{}, errWire
}
func (down) RevocationsRevision(context.Context) (store.Revision, error) {
	return store.Revision{}, errWire
}
func (down) Revocations(context.Context) (store.Revocations, error) {
	return store.Revocations{}, errWire
}
func (down) Revoke(context.Context, store.RevocationChange) (store.Revision, error) {
	return store.Revision{}, errWire
}
func (down) RevocationAudit(context.Context, string, int) ([]store.RevocationRecord, error) {
	return nil, errWire
}

// noClients are callers who could own nothing.
var noClients = map[string]bool{"no-scope": true, "owner-no-scope": true, "foreign": true}

// TestAnOutageIsNoRefusalInAnyCall: who may, or might if the store said so, is told 503 of every call, and never
// that something is not there or not his; what is wrong with the store is for the
// log.
func TestAnOutageIsNoRefusalInAnyCall(t *testing.T) {
	w := newWorld(t)
	w.store.Store = down{w.count.Store}
	for _, r := range rows {
		if r.op == "healthz" {
			continue
		}
		for _, k := range kinds {
			want := 503
			switch ownersToo := r.owner != (each{403, 403, 403}); {
			case k.as == "no token":
				want = 401
			case k.as == "admin":
			case !ownersToo || noClients[k.token]:
				want = 403 // by the token alone: the store is not asked
			}
			a, _ := w.ask(t, r, k.token, "dev")
			if a.status != want {
				t.Errorf("%s %s by %s: %d %s, want %d", r.op, r.name, k.name, a.status, a.body, want)
			}
			if strings.Contains(a.body, "10.0.0.7") {
				t.Errorf("%s %s by %s tells of the store: %s", r.op, r.name, k.name, a.body)
			}
		}
	}
}
