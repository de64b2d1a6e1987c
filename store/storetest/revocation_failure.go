package storetest

import (
	"context"
	"errors"
	"testing"

	"scopegate/store"
)

// settleRevocation checks that the change is made whole or not at all, that the
// answer says which, and that the same change again is made, once.
func settleRevocation(t *testing.T, s store.Store, c store.RevocationChange, n int, err error) {
	t.Helper()
	made := len(revocationTrail(t, s)) == n+1
	switch {
	case err == nil && !made:
		t.Error("answered as made, and there is no audit record")
	case made && err != nil && !errors.Is(err, store.ErrUnknown):
		t.Errorf("answered %v, and the change is made", err)
	case made:
		wantRevocationChain(t, s, n+1)
	default:
		wantRevocationChain(t, s, n)
	}
	revoke(t, s, c)
	wantRevocationChain(t, s, n+1)
}

// revocationChanges are changes one after the other, each possible after it.
func revocationChanges() []store.RevocationChange {
	return []store.RevocationChange{revoking("a:b"), revoking("a:b"), revoking("a:c"), unrevoking("a:b"), revoking("a:b")}
}

func revocationCrashes(t *testing.T, h Harness) {
	if h.CutAfter == nil {
		for i, c := range revocationChanges() {
			_, err := h.Store.Revoke(t.Context(), c)
			h.Store = h.Reopen()
			settleRevocation(t, h.Store, c, i, err)
		}
		return
	}
	made := 0
	for _, lost := range []bool{false, true} {
		for n, cut := 0, true; cut; n++ {
			cut = false
			for _, c := range revocationChanges() {
				restore := h.CutAfter(n, lost)
				_, err := h.Store.Revoke(t.Context(), c)
				cut = restore() || cut
				settleRevocation(t, h.Store, c, made, err)
				made++
			}
		}
	}
}

func revocationCancelled(t *testing.T, h Harness) {
	made := 0
	for n, came := 0, true; came; n++ {
		came = false
		for _, c := range revocationChanges() {
			ctx, cancel := context.WithCancel(t.Context())
			burn := func() { came = true; cancel() }
			if h.BeforeRequest != nil {
				h.BeforeRequest(n, burn)
			} else {
				ctx = &fuse{Context: ctx, burn: burn, left: int64(n)}
			}
			_, err := h.Store.Revoke(ctx, c)
			cancel()
			if h.BeforeRequest != nil {
				h.BeforeRequest(0, func() {})
			}
			if errors.Is(err, store.ErrUnknown) || n == 0 && err == nil {
				t.Errorf("request %d cancelled: %v", n, err)
			}
			settleRevocation(t, h.Store, c, made, err)
			made++
		}
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.Store.Revocations(over)
	wantErr(t, err, context.Canceled)
	_, err = h.Store.RevocationsRevision(over)
	wantErr(t, err, context.Canceled)
	_, err = h.Store.RevocationAudit(over, "", 1)
	wantErr(t, err, context.Canceled)
}

func revocationsReopened(t *testing.T, h Harness) {
	c := revoking("a:b")
	first := revoke(t, h.Store, c)
	s := h.Reopen()
	wantSame(t, first, revoke(t, s, c))
	wantRevocationChain(t, s, 1)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
