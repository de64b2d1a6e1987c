package admin

import (
	"context"
	"reflect"

	"scopegate/internal/flush"
	"scopegate/mapping"
	"scopegate/store"
)

// flusherOf is whom a change asks to empty caches: nobody, where no decision can
// become another by it.
func (s *service) flusherOf(w write) flush.Flusher {
	if decides(w.before.Meta, w.change) {
		return s.Flusher
	}
	return unflushed{}
}

// decides reports whether a change can make some decision another. Nobody's
// access hangs on the name and the owners of a table.
func decides(before store.Meta, c store.Change) bool {
	if c.Delete || touchesItems(c) {
		return true
	}
	if c.Head == nil {
		return false
	}
	was, is := headOf(before), normal(*c.Head)
	return !reflect.DeepEqual(was.Trust, is.Trust) || (was.Complete == nil) != (is.Complete == nil)
}

// unflushed is a change for which nothing is to be emptied.
type unflushed struct{}

// Begin implements flush.Flusher.
func (unflushed) Begin(context.Context, string, ...mapping.API) flush.Pending { return unflushed{} }

// Done implements flush.Pending.
func (unflushed) Done(context.Context) flush.Result { return flush.Result{} }
