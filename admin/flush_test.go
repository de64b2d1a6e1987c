package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"scopegate/admin"
	"scopegate/internal/flush"
	"scopegate/mapping"
	"scopegate/store"
)

// recorded is a Flusher that notes what is asked of it.
type recorded struct {
	mu     sync.Mutex
	calls  []string
	result flush.Result
}

func (r *recorded) note(call string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, call)
}

func (r *recorded) taken() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.calls
	r.calls = nil
	return taken
}

// Begin implements flush.Flusher.
func (r *recorded) Begin(_ context.Context, owner string, apis ...mapping.API) flush.Pending {
	stages := []string{}
	for _, api := range apis {
		stages = append(stages, api.Stage)
	}
	what := "all"
	if len(stages) > 0 {
		what = strings.Join(stages, " ")
	}
	r.note("begin " + what + " for " + owner)
	return r
}

// Done implements flush.Pending.
func (r *recorded) Done(context.Context) flush.Result {
	r.note("done")
	return r.result
}

func scheduled() flush.Result {
	by := epoch.Add(time.Minute)
	return flush.Result{Flush: "scheduled", EffectiveBy: &by}
}

func flushing(f flush.Flusher) func(*admin.Config) {
	return func(c *admin.Config) { c.Flusher = f }
}

// toldOf is what an answer says of flushing.
func toldOf(t *testing.T, a answer) flush.Result {
	t.Helper()
	var r flush.Result
	if err := json.Unmarshal([]byte(a.body), &r); err != nil {
		t.Errorf("%s: %v", a.body, err)
	}
	return r
}

// TestEachChangeIsFlushedIfItCanChangeADecision, once it is made and not before,
// and its answer says what became of that.
func TestEachChangeIsFlushedIfItCanChangeADecision(t *testing.T) {
	f := &recorded{result: scheduled()}
	s := newServer(t, flushing(f))
	named := func(more string) string { return `{"arn": "` + arn + `"` + more + `}` }
	begun := []string{"begin dev for t:ada", "done"}
	everything := []string{"begin all for t:ada", "done"}
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		want                     []string
	}{
		{"an empty table permits nobody anything", "PUT", table, named(""), 201, nil},
		{"a name", "PUT", table, named(`, "name": "n"`), 200, nil},
		{"owners", "PUT", table, named(`, "name": "n", ` + owners), 200, nil},
		{"trust", "PUT", table, named(`, "name": "n", ` + trust), 200, begun},
		{"the same again", "PUT", table, named(`, "name": "n", ` + trust), 200, nil},
		{"permissions", "PUT", document, doc(`, "name": "n", `+trust, orders), 200, begun},
		{"the same document", "PUT", document, doc(`, "name": "n", `+trust, orders), 200, nil},
		{"a name by a document", "PUT", document, doc(`, "name": "m", `+trust, orders), 200, nil},
		{"complete", "PUT", document, doc(`, "complete": {"source": "s"}, "name": "m", `+trust, orders), 200, begun},
		{"another source of the same", "PUT", document, doc(`, "complete": {"source": "t"}, "name": "m", `+trust, orders), 200, nil},
		{"not complete", "PUT", document, doc(`, "name": "m", `+trust, orders), 200, begun},
		{"a plan", "PUT", document + "?dryRun=true", doc(""), 200, nil},
		{"a permission", "POST", "/v1/permissions", perm("dev", `"httpVerb": "GET", "resource": "x", "scope": "s"`), 201, begun},
		{"a fault", "PUT", document, doc("", `"httpVerb": "GET", "resource": "?", "scope": "s"`), 422, nil},
		{"no permission any more", "PUT", document, doc(`, "name": "m", ` + trust), 200, begun},
		{"a revocation", "PUT", "/v1/revocations/t:o", `{}`, 201, everything},
		{"the end of it", "DELETE", "/v1/revocations/t:o", "", 200, everything},
		{"the end of none", "DELETE", "/v1/revocations/t:o", "", 404, nil},
		{"the table's deletion", "DELETE", table, "", 200, begun},
	} {
		headers := []string{"If-Match", "*"}
		if c.status == 201 {
			headers = nil
		}
		a := s.call(t, "admin", c.method, c.path, c.body, headers...)
		if a.status != c.status {
			t.Fatalf("%s: %d %s", c.name, a.status, a.body)
		}
		if got := f.taken(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: flushes %q, want %q", c.name, got, c.want)
		}
		if a.status >= 300 {
			continue
		}
		want := flush.Result{}
		if c.want != nil {
			want = scheduled()
		}
		if got := toldOf(t, a); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: told %+v, want %+v: %s", c.name, got, want, a.body)
		}
	}
}

// TestAChangeWhoseFlushFailsIsMadeAndSaysSo.
func TestAChangeWhoseFlushFailsIsMadeAndSaysSo(t *testing.T) {
	f := &recorded{result: flush.Result{Flush: "failed", Reason: "throttled"}}
	s := newServer(t, flushing(f))
	tag := s.registered(t)
	a := s.call(t, "admin", "PUT", document, doc("", orders), "If-Match", tag)
	if a.status != 200 || !reflect.DeepEqual(toldOf(t, a), f.result) {
		t.Errorf("document: %d %s", a.status, a.body)
	}
	if read := s.call(t, "admin", "GET", document, ""); read.header.Get("ETag") != a.header.Get("ETag") || !strings.Contains(read.body, `"orders/{id}"`) {
		t.Errorf("the change is gone: %s", read.body)
	}
	a = s.call(t, "admin", "PUT", "/v1/revocations/t:o", "")
	if a.status != 201 || !reflect.DeepEqual(toldOf(t, a), f.result) {
		t.Errorf("revocation: %d %s", a.status, a.body)
	}
	if read := s.call(t, "admin", "GET", "/v1/revocations/t:o", ""); read.status != 200 {
		t.Errorf("the revocation is gone: %d", read.status)
	}
}

// TestAChangeThatIsNotMadeIsNotSaidToBeFlushed: its second flush was begun, which
// does no harm.
func TestAChangeThatIsNotMadeIsNotSaidToBeFlushed(t *testing.T) {
	f := &recorded{result: scheduled()}
	s := newServer(t, flushing(f))
	s.registered(t)
	s.store.Store = commitFails{s.store.Store}
	for _, c := range []struct{ path, body string }{{document, doc("", orders)}, {"/v1/revocations/t:o", "{}"}} {
		a := s.call(t, "admin", "PUT", c.path, c.body, "If-Match", "*")
		if a.status != 503 || strings.Contains(a.body, "10.0.0.7") {
			t.Errorf("%s: %d %s", c.path, a.status, a.body)
		}
		if got := f.taken(); len(got) != 1 || !strings.HasPrefix(got[0], "begin") {
			t.Errorf("%s: flushes %q", c.path, got)
		}
	}
}

// TestAChangeThatMayHaveBeenMadeIsFlushed: whoever asks for it again is told that
// there is nothing to change, and then nothing is flushed; and what was begun
// may be too early for a commit that took long.
func TestAChangeThatMayHaveBeenMadeIsFlushed(t *testing.T) {
	f := &recorded{result: scheduled()}
	s := newServer(t, flushing(f))
	s.registered(t)
	s.store.Store = outcomeUnknown{s.store.Store}
	for _, c := range []struct{ method, path, body string }{
		{"PUT", document, doc("", orders)},
		{"POST", "/v1/permissions", perm("dev", `"httpVerb": "GET", "resource": "x", "scope": "s"`)},
		{"PUT", "/v1/revocations/t:o", "{}"},
	} {
		a := s.call(t, "admin", c.method, c.path, c.body, "If-Match", "*")
		if a.status != 503 {
			t.Errorf("%s: %d %s", c.path, a.status, a.body)
		}
		if got := f.taken(); len(got) != 2 || got[1] != "done" {
			t.Errorf("%s: flushes %q", c.path, got)
		}
	}
}

// outcomeUnknown is a store that changes, and cannot say so.
type outcomeUnknown struct{ store.Store }

func (s outcomeUnknown) Commit(ctx context.Context, c store.Change) (store.Meta, error) {
	m, err := s.Store.Commit(ctx, c)
	return m, errors.Join(store.ErrUnknown, err)
}

func (s outcomeUnknown) Revoke(ctx context.Context, c store.RevocationChange) (store.Revision, error) {
	r, err := s.Store.Revoke(ctx, c)
	return r, errors.Join(store.ErrUnknown, err)
}

// commitFails is a store that can be read alone.
type commitFails struct{ store.Store }

func (commitFails) Commit(context.Context, store.Change) (store.Meta, error) {
	return store.Meta{}, errors.New("dial 10.0.0.7: refused")
}

func (commitFails) Revoke(context.Context, store.RevocationChange) (store.Revision, error) {
	return store.Revision{}, errors.New("dial 10.0.0.7: refused")
}

// TestAUserHasOneBudgetOfFlushesThroughEveryApp: the app is named in the audit
// trail, and not in whose flushes are counted together.
func TestAUserHasOneBudgetOfFlushesThroughEveryApp(t *testing.T) {
	f := &recorded{result: scheduled()}
	s := newServer(t, flushing(f))
	s.call(t, "admin-through-app", "PUT", table, `{"arn": "`+arn+`"}`)
	s.call(t, "admin-through-app", "POST", "/v1/permissions", perm("dev", `"httpVerb": "GET", "resource": "x", "scope": "s"`))
	a := s.call(t, "admin-through-app", "PUT", "/v1/revocations/t:o", `{}`)
	if got, want := f.taken(), []string{"begin dev for t:ada", "done", "begin all for t:ada", "done"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if by := revocationOf(t, a).By; by != "t:ada/cli" {
		t.Errorf("revoked by %s", by)
	}
}
