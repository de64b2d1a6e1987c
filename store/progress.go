package store

import "context"

type progressKey struct{}

// WithProgress has f called while a change too large for one transaction is
// written: done of total items are, so far. It begins anew where the change is
// tried again. Calls never overlap and must return soon; none comes of a change
// that is small, or in a store that writes at once.
func WithProgress(ctx context.Context, f func(done, total int)) context.Context {
	return context.WithValue(ctx, progressKey{}, f)
}

// Progress is what WithProgress was given, for back ends; never nil.
func Progress(ctx context.Context) func(done, total int) {
	if f, ok := ctx.Value(progressKey{}).(func(done, total int)); ok && f != nil {
		return f
	}
	return func(int, int) {}
}
