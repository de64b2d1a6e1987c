package mapping_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
)

// verdicts is Decide as it reads, for one method: routes are filtered and
// compared, paths split and decoded, patterns listed.
type verdicts struct {
	held      mapping.Held
	templates []*mapping.Template
	patterns  []mapping.Permission
}

func slowDecide(table *mapping.Table, h mapping.Held, method, path string) mapping.Verdict {
	verb := mapping.Verb(method)
	if !slices.Contains(mapping.Methods, verb) {
		return mapping.Verdict{Reason: mapping.UnknownMethod}
	}
	raw, rooted := strings.CutPrefix(path, "/")
	if !rooted || bad(raw) || bad(strings.NewReplacer("%2e", ".", "%2E", ".").Replace(raw)) {
		return mapping.Verdict{Reason: mapping.MalformedPath}
	}
	v := verdicts{h, table.Templates(verb), table.Patterns(h, verb)}
	verdict := v.raw(raw)
	decoded := lenientDecode(raw)
	switch {
	case !strings.Contains(raw, "%"):
		return verdict
	case bad(decoded):
		return mapping.Verdict{Reason: mapping.MalformedPath}
	case !verdict.Allowed:
		return verdict
	}
	for _, text := range []string{decoded, strings.TrimSuffix(decoded, "/")} {
		if route := v.find(text); route != nil && !v.held.Holds(route) && !v.matches(text) {
			return mapping.Verdict{Reason: mapping.OtherReading, Route: route}
		}
	}
	return verdict
}

func (v verdicts) raw(text string) mapping.Verdict {
	route, byPattern := v.find(text), v.matches(text)
	if route != nil && !v.held.Holds(route) && !byPattern {
		return mapping.Verdict{Reason: mapping.NotHeld, Route: route}
	}
	var bare *mapping.Template
	if without, slash := strings.CutSuffix(text, "/"); slash {
		bare = v.find(without)
		if bare != nil && !v.held.Holds(bare) && !v.matches(without) {
			return mapping.Verdict{Reason: mapping.NotHeld, Route: bare}
		}
	}
	switch {
	case v.held.Holds(route):
		return mapping.Verdict{Allowed: true, Reason: mapping.HeldRoute, Route: route}
	case byPattern:
		return mapping.Verdict{Allowed: true, Reason: mapping.HeldPattern, Route: cmp.Or(route, bare)}
	case bare == nil:
		return mapping.Verdict{Reason: mapping.NoRoute}
	case v.held.Holds(bare) && strings.HasSuffix(bare.Resource.Shape(), "}"):
		return mapping.Verdict{Allowed: true, Reason: mapping.HeldRoute, Route: bare}
	}
	return mapping.Verdict{Reason: mapping.SlashSpelling, Route: bare}
}

func (v verdicts) find(text string) *mapping.Template {
	var best *mapping.Template
	kind := func(x, y mapping.Segment) int { return cmp.Compare(x.Kind, y.Kind) }
	for _, t := range v.templates {
		if fits(t.Resource, text) && (best == nil || slices.CompareFunc(t.Resource.Segments(), best.Resource.Segments(), kind) < 0) {
			best = t
		}
	}
	return best
}

func (v verdicts) matches(text string) bool {
	return slices.ContainsFunc(v.patterns, func(p mapping.Permission) bool { return mapping.Match(p.Resource.String(), text) })
}

// Decide gives what its slow reading gives, the reason and the route too: over
// hostile paths, and over those with more segments than there is room for.
func TestDecideIsWhatItReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := tabletest.DrawWorld(t)
		for range 10 {
			method, path := w.DrawRequest(t)
			if rapid.IntRange(0, 4).Draw(t, "deep") == 0 {
				path += strings.Repeat(rapid.SampledFrom([]string{"/a", "/x", "/1", "/%61"}).Draw(t, "segment"), rapid.IntRange(28, 40).Draw(t, "times"))
			}
			got, want := w.Table.Decide(w.Held, method, path), slowDecide(w.Table, w.Held, method, path)
			if got != want {
				t.Fatalf("%s %q: %+v, want %+v", method, path, got, want)
			}
		}
	})
}
