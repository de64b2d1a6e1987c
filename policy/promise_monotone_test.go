package policy_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

// TestTakingAPermissionAwayOpensNothing: without a permission, whose route stays
// registered, the policy allows on known routes what it allowed before and
// nothing else, but for what a reported collision refused before. Within a
// budget, where the two may be made smaller in different ways, what Permits
// allowed before is the bound.
func TestTakingAPermissionAwayOpensNothing(t *testing.T) {
	checkFewer(t, 4, func(t *rapid.T) {
		before := tabletest.DrawWorld(t)
		if len(before.Source.Permissions) == 0 {
			return
		}
		after := before
		gone := rapid.IntRange(0, len(before.Source.Permissions)-1).Draw(t, "gone")
		after.Source = without(before.Source, gone)
		checkOpensNothing(t, before, after.Settle())
	})
}

// without is a source with one permission less. Its route stays registered.
func without(s mapping.Source, gone int) mapping.Source {
	if route, ok := s.Permissions[gone].Route(); ok {
		s.Routes = append(slices.Clone(s.Routes), route)
	}
	s.Permissions = slices.Delete(slices.Clone(s.Permissions), gone, gone+1)
	return s
}

// TestAnExpiryOpensNothing: a permission that ends at once instead of later, or
// never, is as one that was taken away.
func TestAnExpiryOpensNothing(t *testing.T) {
	checkFewer(t, 4, func(t *rapid.T) {
		before := tabletest.DrawWorld(t)
		after := before
		after.Source.Permissions = slices.Clone(before.Source.Permissions)
		for i, p := range after.Source.Permissions {
			if !p.Registered && rapid.IntRange(0, 2).Draw(t, "ends") == 0 {
				after.Source.Permissions[i].ExpiresAt = tabletest.Now
			}
		}
		checkOpensNothing(t, before, after.Settle())
	})
}

// TestLosingAScopeOpensNothing: a caller with fewer scopes is allowed no more.
func TestLosingAScopeOpensNothing(t *testing.T) {
	checkFewer(t, 6, func(t *rapid.T) {
		before := tabletest.DrawWorld(t)
		after := before
		after.Caller.Scopes = slices.Clone(before.Caller.Scopes)
		for i := range after.Caller.Scopes {
			after.Caller.Scopes = slices.Delete(after.Caller.Scopes, i, i+1)
			break
		}
		checkOpensNothing(t, before, after.Settle())
	})
}

func checkOpensNothing(t *rapid.T, before, after tabletest.World) {
	exact, less := compiled(before, 0), compiled(after, 0)
	small := compiled(after, drawBudgetOf(t, after))
	var collisions []policy.Collision
	for range 16 {
		method, path := before.DrawPlainRequest(t)
		for _, at := range before.Instants() {
			held := exact.heldAt(at)
			known := before.Table.Decide(mapping.Held{}, method, path).Route != nil
			permitted := before.Table.Decide(held, method, path).Allowed
			if known && !permitted && small.says(method, path, at) == policy.Allowed {
				t.Fatalf("%s %q at %v was not permitted, and is allowed\n%s", method, path, at, small.dump(small.kept))
			}
			if !known || less.says(method, path, at) != policy.Allowed || exact.says(method, path, at) == policy.Allowed {
				continue
			}
			if collisions == nil {
				collisions = exact.compiled.Report().Collisions
			}
			if !permitted || !isReported(collisions, arnOf(before, method, path), at) {
				t.Fatalf("%s %q at %v was not allowed, and is\nbefore %s\nafter %s", method, path, at, exact.dump(exact.kept), less.dump(less.kept))
			}
		}
	}
}

// TestAPolicyMadeLaterAllowsTheSame: compiled at an instant, a policy without a
// budget says of it what one says that was compiled before, but for what either
// reports as a collision.
func TestAPolicyMadeLaterAllowsTheSame(t *testing.T) {
	checkFewer(t, 4, func(t *rapid.T) {
		w := tabletest.DrawWorld(t)
		at := rapid.SampledFrom(w.Instants()).Draw(t, "later")
		early := compiled(w, 0)
		held := w.Table.Held(w.Caller, at)
		late := policy.Prepare(w.Table).Compile(held, at, 0)
		kept := late.Document(policy.Request{End: w.End})
		for range 24 {
			method, path := w.DrawPlainRequest(t)
			one, other := early.says(method, path, at), evaluate(kept, method, path, at)
			known := w.Table.Decide(mapping.Held{}, method, path).Route != nil
			if known && one != other && (one == policy.Allowed || other == policy.Allowed) {
				arn := arnOf(w, method, path)
				if !isReported(early.compiled.Report().Collisions, arn, at) && !isReported(late.Report().Collisions, arn, at) {
					t.Fatalf("%s %q at %v: %v, made then: %v\n%s\n%s", method, path, at, one, other, minifiedText(early.kept), minifiedText(kept))
				}
			}
		}
	})
}
