package policy_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/policy"
)

// written is what Append appends: the document as encoding/json writes it.
func written(t interface{ Fatal(...any) }, doc policy.Document) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimRight(buf.Bytes(), "\n")
}

// drawEnd draws the end of a token: none, whenever the caller's ends, before,
// between and after the expiries of permissions, or far away.
func drawEnd(t *rapid.T, w tabletest.World) time.Time {
	instants := append(w.Instants(), w.End, time.Time{}, tabletest.Now.Add(-time.Hour), time.Unix(0, 0), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC))
	end := rapid.SampledFrom(instants).Draw(t, "end")
	if end.IsZero() {
		return end
	}
	zone := rapid.SampledFrom([]*time.Location{time.UTC, time.FixedZone("", 3600)}).Draw(t, "zone")
	return end.Add(rapid.SampledFrom([]time.Duration{0, 0, 1, 999_999_999}).Draw(t, "fraction")).In(zone)
}

// Whatever the table, the caller, the budget, the request and the instant:
// Append writes Document, and Decide reads it as Evaluate does.
func TestAppendAndDecideAreOfTheDocument(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		api := tabletest.API
		api.Stage = rapid.SampledFrom([]string{"dev", "$default"}).Draw(t, "stage")
		w := tabletest.DrawWorldOf(t, api)
		p := compiled(w, drawBudgetOf(t, w))
		for range 8 {
			method, path := w.DrawRequest(t)
			r := policy.Request{
				ARN: arnOf(w, method, path), Denied: rapid.Bool().Draw(t, "denied"), End: drawEnd(t, w),
				ExplicitDeny: rapid.IntRange(0, 4).Draw(t, "explicit") == 0,
			}
			if rapid.IntRange(0, 9).Draw(t, "another ARN") == 0 {
				r.ARN = rapid.SampledFrom([]string{"", "x", r.ARN[1:], "arn:aws:s3:::b/" + path, r.ARN + "\xff"}).Draw(t, "ARN")
			}
			agree(t, p.compiled, r, rapid.SampledFrom(w.Instants()).Draw(t, "now"))
		}
	})
}

func agree(t *rapid.T, c *policy.Compiled, r policy.Request, now time.Time) {
	doc := c.Document(r)
	before := []byte("before")
	if got, want := c.Append(before, r), "before"+string(written(t, doc)); string(got) != want {
		t.Fatalf("Append of %+v:\n%s, want\n%s", r, got, want)
	}
	if got, want := c.Decide(r, now), policy.Evaluate(doc, r.ARN, now, netip.Addr{}); got != want {
		t.Fatalf("Decide of %+v at %v: %v, want %v of\n%s", r, now, got, want, written(t, doc))
	}
}
