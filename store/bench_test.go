package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"scopegate/mapping"
)

// held is a store of equal tables without permissions.
type held struct{}

var heldRevision = Revision{Number: 1, Incarnation: "a"}

func (held) Meta(_ context.Context, api mapping.API) (Meta, error) {
	return Meta{API: api, Revision: heldRevision}, nil
}

func (h held) Load(ctx context.Context, api mapping.API) (Snapshot, error) {
	meta, err := h.Meta(ctx, api)
	return Snapshot{Meta: meta}, err
}

func (held) RevocationsRevision(context.Context) (Revision, error) { return Revision{}, nil }

func (held) Revocations(context.Context) (Revocations, error) {
	return Revocations{List: []Revocation{{PrincipalID: "t:somebody", At: time.Now(), Until: time.Now().Add(MinRevocation)}}}, nil
}

// warm makes caches that know so many tables, and the revocations.
func warm(t testing.TB, tables int) (*Cache, *RevocationCache, []mapping.API) {
	t.Helper()
	tablesCache, err := NewCache(held{}, CacheConfig{TTL: time.Hour, Size: 256})
	if err != nil {
		t.Fatal(err)
	}
	revocations := NewRevocationCache(held{}, RevocationConfig{TTL: time.Hour})
	if err := revocations.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	apis := make([]mapping.API, tables)
	for i := range apis {
		apis[i] = mapping.API{ARN: fmt.Sprintf("arn:aws:execute-api:us-east-1:219852565112:%010d", i), Stage: "dev"}
		if _, err := tablesCache.Table(t.Context(), apis[i]); err != nil {
			t.Fatal(err)
		}
	}
	return tablesCache, revocations, apis
}

// ask is what one call asks while nothing is due.
func ask(ctx context.Context, c *Cache, r *RevocationCache, api mapping.API) error {
	r.Refresh(ctx)
	if _, err := c.Table(ctx, api); err != nil {
		return err
	}
	_, err := r.Revoked(ctx, "t:somebody-else", time.Time{})
	return err
}

// TestWhatIsKnownIsServedWithoutAllocating: each call asks for a table and about a
// revocation.
func TestWhatIsKnownIsServedWithoutAllocating(t *testing.T) {
	c, r, apis := warm(t, 256)
	i := 0
	got := testing.AllocsPerRun(1000, func() {
		if err := ask(t.Context(), c, r, apis[i%len(apis)]); err != nil {
			t.Error(err)
		}
		i++
	})
	if got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkHit(b *testing.B) {
	for _, tables := range []int{1, 256} {
		b.Run(fmt.Sprintf("tables=%d", tables), func(b *testing.B) {
			c, r, apis := warm(b, tables)
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				for i := 0; p.Next(); i++ {
					if err := ask(b.Context(), c, r, apis[i%len(apis)]); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
