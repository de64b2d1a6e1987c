package main

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// truth is what was so, and when: answers are judged by it. Times are those before
// and after the change was asked for, since nobody knows better when it happened. It
// is safe for concurrent use.
type truth struct {
	promise promise

	mu        sync.RWMutex
	tables    [][]version
	revoked   map[string]span
	outages   []outage
	rotations []time.Time
}

// promise is how old what an answer was made of may be.
type promise struct {
	ttl, maxStale time.Duration // CACHE_TTL, CACHE_MAX_STALE
	// slack is what the machine may take on top of it: a call is held up, a timer late.
	slack time.Duration
}

// revocationsMaxStale is store.RevocationsMaxStale.
const revocationsMaxStale = time.Minute

// span is when something began and when it had surely happened; zero is not yet.
type span struct{ began, ended time.Time }

// version is one revision of a table.
type version struct {
	number uint64
	span
	open bool // whether the caller holds the route that is opened and closed
}

// outage is a time in which the store misbehaved.
type outage struct {
	span
	mode string
	// fails says that it lasts longer than what is known may be served: calls may
	// fail from then on, until a while after its end.
	fails bool
}

func newTruth(p promise, tables int) *truth {
	return &truth{promise: p, tables: make([][]version, tables), revoked: map[string]span{}}
}

// begin notes a revision that is about to be written.
func (t *truth) begin(table int, number uint64, open bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tables[table] = append(t.tables[table], version{number: number, open: open, span: span{began: time.Now()}})
}

// written notes that the newest revision of a table is the store's.
func (t *truth) written(table int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.tables[table]
	all[len(all)-1].ended = time.Now()
}

// newest is the revision that was begun last.
func (t *truth) newest(table int) version {
	t.mu.RLock()
	defer t.mu.RUnlock()
	all := t.tables[table]
	return all[len(all)-1]
}

func (t *truth) revoke(principal string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.revoked[principal] = span{began: time.Now()}
}

func (t *truth) revokedNow(principal string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.revoked[principal]
	s.ended = time.Now()
	t.revoked[principal] = s
}

func (t *truth) fail(mode string, fails bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.outages = append(t.outages, outage{span: span{began: time.Now()}, mode: mode, fails: fails})
}

func (t *truth) recovered() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.outages[len(t.outages)-1].ended = time.Now()
}

// rotate notes that a key is about to be replaced, and gives the generation of the
// next tokens.
func (t *truth) rotate() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rotations = append(t.rotations, time.Now())
	return len(t.rotations)
}

// generation is that of tokens minted now.
func (t *truth) generation() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.rotations)
}

// call is what was asked, and what came of it.
type call struct {
	span
	table      int
	path       string
	kind       kind
	principal  string
	generation int

	fault    string // of a call that failed
	revision uint64 // that the answer names
	allowed  bool
}

// kind of a token.
type kind int

const (
	good kind = iota
	forged
	expired
)

// unauthorized is the whole message of a refusal.
const unauthorized = "Unauthorized"

// verdict is what a call was.
type verdict struct {
	wrong    string // why it may not be; "" if it is right
	injected bool   // it failed as it may
	age      time.Duration
	quiet    bool // nothing was wrong with the store when it was made
}

// judge says whether a call came out as it may.
func (t *truth) judge(c call) (v verdict) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	v.quiet = !t.disturbed(c)
	switch {
	case c.kind != good:
		v.injected = c.fault != "" && c.fault != unauthorized && t.newKey(c)
		if c.fault != unauthorized && !v.injected {
			v.wrong = fmt.Sprintf("a token that must be refused: %s", c.text())
		}
	case c.fault == unauthorized:
		if !t.mayRefuse(c) && !t.newKey(c) {
			v.wrong = "a good token was refused"
		}
	case c.fault != "":
		v.injected = t.mayFail(c) || t.newKey(c)
		if !v.injected {
			v.wrong = "failed although nothing was injected: " + c.fault
		}
	case t.mustRefuse(c):
		v.wrong = "a revoked token was let in"
	default:
		v.wrong, v.age = t.compare(c)
	}
	return v
}

func (c call) text() string {
	if c.fault != "" {
		return c.fault
	}
	return fmt.Sprintf("allowed %v by revision %d", c.allowed, c.revision)
}

// disturbed reports whether an outage may have had a part in a call: it was on, or
// what was read last before the call was read in it.
func (t *truth) disturbed(c call) bool {
	return slices.ContainsFunc(t.outages, func(o outage) bool {
		return !o.began.After(c.ended) && (o.ended.IsZero() || o.ended.Add(t.promise.ttl+t.promise.slack).After(c.began))
	})
}

// mayFail: an outage was on that outlasts what is known, or had just ended.
func (t *truth) mayFail(c call) bool {
	return slices.ContainsFunc(t.outages, func(o outage) bool {
		return o.fails && !o.began.After(c.ended) && (o.ended.IsZero() || o.ended.Add(recovery+t.promise.slack).After(c.began))
	})
}

// recovery is how long after an outage a call may still wait for a read that was
// begun in it.
const recovery = 5 * time.Second

// mayRefuse: the principal's revocation had begun, or the provider no longer
// publishes the key of the token, of which it keeps two.
func (t *truth) mayRefuse(c call) bool {
	s, revoked := t.revoked[c.principal]
	return revoked && !s.began.After(c.ended) || t.unpublished(c)
}

// newKey: the key of the token is so new that it may not have been fetched yet, which
// takes a machine's time and none of what is promised.
func (t *truth) newKey(c call) bool {
	return c.generation > 0 && t.rotations[c.generation-1].Add(t.promise.slack).After(c.began)
}

func (t *truth) unpublished(c call) bool {
	after := c.generation + 1 // the rotation that takes it away
	return after < len(t.rotations) && !t.rotations[after].After(c.ended)
}

// mustRefuse: the revocation was surely known by then.
func (t *truth) mustRefuse(c call) bool {
	s, revoked := t.revoked[c.principal]
	bound := t.promise.ttl + t.promise.slack
	if t.disturbed(c) {
		bound += revocationsMaxStale
	}
	return revoked && !s.ended.IsZero() && s.ended.Add(bound).Before(c.began)
}

// compare holds an answer against the revision that it names, and that against the
// time. age is how long the revision had been replaced when the call was made.
func (t *truth) compare(c call) (wrong string, age time.Duration) {
	all := t.tables[c.table]
	i := slices.IndexFunc(all, func(v version) bool { return v.number == c.revision })
	if i < 0 {
		return fmt.Sprintf("the answer names revision %d, which was never written", c.revision), 0
	}
	v := all[i]
	if want := v.allows(c.path); c.allowed != want {
		return fmt.Sprintf("%s: allowed %v, by revision %d it is %v", c.path, c.allowed, c.revision, want), 0
	}
	if v.began.After(c.ended) {
		return fmt.Sprintf("revision %d was answered before it was written", c.revision), 0
	}
	if i+1 == len(all) || all[i+1].ended.IsZero() {
		return "", 0
	}
	bound := t.promise.ttl + t.promise.slack
	if t.disturbed(c) {
		bound += t.promise.maxStale
	}
	if age = c.began.Sub(all[i+1].ended); age > bound {
		wrong = fmt.Sprintf("revision %d had been replaced for %v, at most %v may be", c.revision, age, bound)
	}
	return wrong, max(0, age)
}

// Paths that are asked for.
const (
	pathHeld   = "orders/7" // always open to the caller
	pathToggle = "toggle"   // opened and closed
	pathNever  = "never"    // held by nobody here
)

func (v version) allows(path string) bool {
	return path == pathHeld || path == pathToggle && v.open
}
