package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"scopegate/mapping"
	"scopegate/store"
	"scopegate/store/dynamo"
)

// documented are the loads of docs/benchmarks.md.
var documented = []Load{
	{Callers: 200, Every: 10 * time.Second, Instances: 2, Gateway: 0, Table: 30 * time.Second},
	{Callers: 200, Every: 10 * time.Second, Instances: 2, Gateway: time.Minute, Table: 30 * time.Second},
	{Callers: 200, Every: 10 * time.Second, Instances: 2, Gateway: 5 * time.Minute, Table: 30 * time.Second},
	{Callers: 200, Every: 10 * time.Second, Instances: 2, Gateway: time.Hour, Table: 30 * time.Second},
	{Callers: 200, Every: 10 * time.Second, Instances: 2, Gateway: 5 * time.Minute, Table: 5 * time.Second},
	{Callers: 200, Every: 10 * time.Second, Instances: 2, Gateway: 5 * time.Minute, Table: 5 * time.Minute},
	{Callers: 200, Every: 10 * time.Second, Instances: 1, Gateway: 5 * time.Minute, Table: 30 * time.Second},
	{Callers: 200, Every: 10 * time.Second, Instances: 20, Gateway: 5 * time.Minute, Table: 30 * time.Second},
	{Callers: 20, Every: time.Minute, Instances: 2, Gateway: 5 * time.Minute, Table: 30 * time.Second},
}

// BenchmarkCost counts the documented loads: 20,000 requests of each, or as many as
// come within the gateway's TTL; half of that where each is a call.
func BenchmarkCost(b *testing.B) {
	for _, l := range documented {
		b.Run(fmt.Sprintf("callers=%d/every=%v/instances=%d/gateway=%v/table=%v", l.Callers, l.Every, l.Instances, l.Gateway, l.Table), func(b *testing.B) {
			w := newWorld(b)
			warm := l.Gateway + l.Table + 5*l.Every
			requests := 20_000
			if l.Gateway == 0 {
				requests /= 2
			}
			until := warm + max(l.Gateway, time.Duration(requests/l.Callers)*l.Every)
			var got counted
			for b.Loop() {
				got = w.count(l, warm, until)
			}
			b.ReportMetric(got.calls, "calls/1M")
			b.ReportMetric(l.Calls(), "calls-reckoned/1M")
			b.ReportMetric(got.reads, "GetItems/1M")
			b.ReportMetric(l.Reads(), "GetItems-reckoned/1M")
		})
	}
}

// size is what calls and reads must not depend on.
type size struct{ mappings, scopes int }

// grow gives the table so many mappings in all, and each caller so many scopes.
func (w *world) grow(s size) {
	w.t.Helper()
	var lines []string
	for i := 1; i < s.mappings; i++ {
		lines = append(lines, fmt.Sprintf(`{"arn":%q,"stage":%q,"httpVerb":"GET","resource":"customers/{id}/things-%d","scope":"things-%d.read"}`, api.ARN, api.Stage, i, i))
	}
	list, err := mapping.ParsePermissions([]byte("[" + strings.Join(lines, ",") + "]"))
	w.must(err)
	_, err = store.Merge(w.t.Context(), dynamo.New(w.client, w.table), store.Batch{API: api, Permissions: list}, store.MergeOptions{By: "test"})
	w.must(err)
	for i := 1; i < s.scopes; i++ {
		w.more = append(w.more, fmt.Sprintf("other-%d.read", i))
	}
}

// countSized counts a load in a world of some size.
func countSized(t testing.TB, l Load, s size, requests int) counted {
	w := newWorld(t)
	w.grow(s)
	warm := 2*l.Gateway + l.Table + 5*l.Every
	return w.count(l, warm, warm+time.Duration(requests/l.Callers)*l.Every)
}

// TestScopesAndMappingsCostNoReads: the same requests are as many calls of the
// authorizer and as many reads of DynamoDB, to the last one.
func TestScopesAndMappingsCostNoReads(t *testing.T) {
	l := small[0]
	want := countSized(t, l, size{mappings: 10, scopes: 1}, 600)
	for _, s := range []size{{10, 200}, {1000, 1}} {
		if got := countSized(t, l, s, 600); got != want {
			t.Errorf("%+v: counted %+v; with 10 mappings and 1 scope it was %+v", s, got, want)
		}
	}
}

// BenchmarkSize counts the load of README's table with few and with many mappings and
// scopes.
func BenchmarkSize(b *testing.B) {
	for _, s := range []size{{10, 1}, {10, 200}, {10_000, 1}, {10_000, 200}} {
		b.Run(fmt.Sprintf("mappings=%d/scopes=%d", s.mappings, s.scopes), func(b *testing.B) {
			var got counted
			for b.Loop() {
				got = countSized(b, Load{Callers: 200, Every: 10 * time.Second, Instances: 2, Gateway: time.Minute, Table: 30 * time.Second}, s, 20_000)
			}
			b.ReportMetric(got.calls, "calls/1M")
			b.ReportMetric(got.reads, "GetItems/1M")
		})
	}
}
