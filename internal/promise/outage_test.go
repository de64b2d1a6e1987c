package promise_test

import (
	"net/http"
	"testing"
	"time"

	"scopegate/internal/flush"
	"scopegate/store"
)

// removed is the change that the outages are tried with: a permission, and a
// principal.
func removed(w *world) flush.Result { return changes[1].make(w) }
func revoked(w *world) flush.Result { return changes[0].make(w) }

// TestAnAnswerUnderWayIsForgottenToo: computed from the old table in its last
// moment, it takes the ten seconds that API Gateway waits for an authorizer.
func TestAnAnswerUnderWayIsForgottenToo(t *testing.T) {
	for _, o := range []options{{}, {noSecond: true}} {
		w, caller := allowed(t, o, changes[1])
		w.at(changedAt)
		removed(w)
		w.at(cacheTTL - time.Second)
		h := &hold{computed: make(chan struct{}), release: make(chan struct{})}
		w.hold.Store(h)
		w.asked.Store(1)
		answers := make(chan int, len(w.urls))
		for _, base := range w.urls {
			go func() {
				status := 0
				defer func() { answers <- status }() // also of a request that failed
				status, _, _ = w.send(http.MethodGet, base+"/dev/orders/7", caller, "", nil)
			}()
		}
		for range w.urls {
			<-h.computed
		}
		w.at(cacheTTL + 9*time.Second)
		close(h.release)
		for range w.urls {
			if status := <-answers; status != http.StatusOK {
				t.Errorf("computed from the old table: %d", status)
			}
		}
		w.hold.Store(nil)
		w.at(promised)
		if o.noSecond {
			w.want("without the second flush", 1, caller, http.StatusOK)
			continue
		}
		w.never(caller, http.StatusForbidden)
	}
}

// TestAnInstanceThatCannotReadItsTableAnswersFromItForMaxStale: what it then
// answers after the second flush, API Gateway keeps for its TTL. This is what
// README says lengthens the promise.
func TestAnInstanceThatCannotReadItsTableAnswersFromItForMaxStale(t *testing.T) {
	w, caller := allowed(t, options{}, changes[1])
	w.at(changedAt)
	removed(w)
	w.instances[1].noTables.Store(true)
	w.at(promised)
	w.want("through the other instance", 0, w.caller(3), http.StatusForbidden)
	last := cacheTTL + maxStale // since it read the table
	w.at(last - time.Second)
	w.want("from the old table", 1, caller, http.StatusOK)
	w.at(last)
	w.want("an instance that knows nothing", 1, w.caller(4), http.StatusInternalServerError)
	w.at(last - time.Second + authorizerTTL - time.Second)
	w.want("kept by API Gateway", 0, caller, http.StatusOK)
	w.instances[1].noTables.Store(false)
	w.at(last - time.Second + authorizerTTL)
	w.never(caller, http.StatusForbidden)
}

// TestAnInstanceCutOffFromTheStoreAnswersForAMinuteAtMost, however long
// CACHE_MAX_STALE is: it cannot know whom to refuse.
func TestAnInstanceCutOffFromTheStoreAnswersForAMinuteAtMost(t *testing.T) {
	for name, c := range map[string]struct {
		make     func(*world) flush.Result
		noTables bool
		status   int
	}{
		"from the store, a permission is removed":      {removed, true, http.StatusForbidden},
		"from the store, a principal is revoked":       {revoked, true, http.StatusUnauthorized},
		"from revocations alone, a principal":          {revoked, false, http.StatusUnauthorized},
		"from revocations alone, a permission is gone": {removed, false, http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			w, caller := allowed(t, options{}, changes[1])
			w.at(changedAt)
			c.make(w)
			b := w.instances[1]
			b.noTables.Store(c.noTables)
			b.noRevoked.Store(true)
			last := cacheTTL + store.RevocationsMaxStale // since it read them
			w.at(last - time.Second)
			want := http.StatusOK
			if !c.noTables && c.status == http.StatusForbidden {
				want = http.StatusForbidden // its table is a new one
			}
			w.want("in the last moment", 1, caller, want)
			w.at(last)
			for _, someone := range []string{w.caller(3), w.caller(4)} {
				w.want("afterwards", 1, someone, http.StatusInternalServerError)
			}
			b.noTables.Store(false)
			b.noRevoked.Store(false)
			w.at(last + time.Second)
			if c.status == http.StatusUnauthorized {
				w.want("back again", 1, w.caller(3), http.StatusOK)
			}
			w.at(last + authorizerTTL)
			w.never(caller, c.status)
		})
	}
}

// TestAnInstanceThatStartsWithoutTheStoreAnswersNobody, and recovers.
func TestAnInstanceThatStartsWithoutTheStoreAnswersNobody(t *testing.T) {
	w := newWorld(t, options{})
	w.grant()
	w.instances[0].noRevoked.Store(true)
	caller := w.caller(1)
	w.want("revocations never read", 0, caller, http.StatusInternalServerError)
	w.instances[0].noRevoked.Store(false)
	w.at(time.Second)
	w.want("read", 0, caller, http.StatusOK)
}
