package gateway

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// answers is the authorizer cache: the answer to a stage's identity, for every
// method and path (AWS: "Use API Gateway Lambda authorizers"). All methods are
// safe for concurrent use.
type answers struct {
	ttl time.Duration

	mu     sync.Mutex
	lru    *simplelru.LRU[cacheKey, cached]
	epochs map[string]uint64 // by stage; a flush begins a new one
}

type cacheKey struct {
	stage    string
	identity [sha256.Size]byte
}

type cached struct {
	answer  *answer
	since   time.Time
	expires time.Time
}

func newAnswers(ttl time.Duration, size int) (*answers, error) {
	lru, err := simplelru.NewLRU[cacheKey, cached](size, nil)
	return &answers{ttl: ttl, lru: lru, epochs: map[string]uint64{}}, err
}

// get returns the answer that is valid at now, or nil. epoch goes back to put.
func (a *answers) get(k cacheKey, now time.Time) (found *answer, epoch uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	epoch = a.epochs[k.stage]
	e, ok := a.lru.Get(k)
	if !ok {
		return nil, epoch
	}
	// A clock that was set back must not lengthen an answer's life.
	if now.Before(e.since) || !now.Before(e.expires) {
		a.lru.Remove(k)
		return nil, epoch
	}
	return e.answer, epoch
}

// put keeps an answer unless its stage was flushed since get gave epoch: what
// was asked before a flush must not survive it.
func (a *answers) put(k cacheKey, epoch uint64, v *answer, now time.Time) {
	if a.ttl == 0 {
		return
	}
	// Round(0) drops the monotonic reading: expiry goes by the wall clock.
	now = now.Round(0)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.epochs[k.stage] == epoch {
		a.lru.Add(k, cached{answer: v, since: now, expires: now.Add(a.ttl)})
	}
}

func (a *answers) flush(stage string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.epochs[stage]++
	for _, k := range a.lru.Keys() {
		if k.stage == stage {
			a.lru.Remove(k)
		}
	}
}
