package main

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets a sixteenth apart: however many there are, it
// takes no more room, and no percentile is off by more than 6 %. The zero histogram is
// ready. It is not safe for concurrent use.
type histogram struct {
	counts [1024]int64
	n      int64
	most   time.Duration
}

const fine = 4 // bits below the highest that tell buckets apart

func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < 1<<fine {
		return int(v)
	}
	high := bits.Len64(v) - 1 - fine
	return (high+1)<<fine + int(v>>high)&(1<<fine-1)
}

// upper is the end of a bucket.
func upper(i int) time.Duration {
	if i < 1<<fine {
		return time.Duration(i)
	}
	high := i>>fine - 1
	return time.Duration((uint64(1)<<fine|uint64(i&(1<<fine-1)))<<high + 1<<high - 1)
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucket(d)]++
	h.n++
	h.most = max(h.most, d)
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.n += o.n
	h.most = max(h.most, o.most)
}

// at is the duration that a share of all are within.
func (h *histogram) at(share float64) time.Duration {
	left := int64(share * float64(h.n))
	for i, n := range h.counts {
		if left -= n; left < 0 {
			return min(upper(i), h.most)
		}
	}
	return h.most
}
