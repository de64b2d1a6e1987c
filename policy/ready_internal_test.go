package policy

import (
	"runtime"
	"testing"
	"time"

	"pgregory.net/rapid"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
)

// Every policy that fits and allows something takes the short way, whatever the
// table: else Append and Decide would be right and slow.
func TestEveryPolicyThatAllowsIsReadyForRequests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		api := tabletest.API
		api.Stage = rapid.SampledFrom([]string{"dev", "$default"}).Draw(t, "stage")
		w := tabletest.DrawWorldOf(t, api)
		c := Prepare(w.Table).Compile(w.Held, tabletest.Now, rapid.SampledFrom([]int{0, 1, 2000}).Draw(t, "budget"))
		allows := len(c.rules().allows) > 0
		if want := allows && !c.tooLarge; (c.ready != nil) != want {
			t.Fatalf("ready: %v, want %v", c.ready != nil, want)
		}
	})
}

// A table of a stage that nobody could have written down in an ARN: the globs of
// its policies do not begin alike.
func TestAnAPIWithWildcardsGoesTheLongWay(t *testing.T) {
	for _, arn := range []string{"arn:*", "arn:é", "arn:${a}"} {
		p := tabletest.Permission("GET", "a", "s1")
		p.API = mapping.API{ARN: arn, Stage: "dev"}
		table, err := mapping.NewTable(mapping.Source{API: p.API, Permissions: []mapping.Permission{p}, Trust: tabletest.Trust})
		if err != nil {
			t.Fatal(err)
		}
		c := Compile(table, table.Held(tabletest.Caller("s1"), tabletest.Now), tabletest.Now)
		r := Request{ARN: arn + "/dev/GET/a", End: tabletest.Now.AddDate(0, 0, 1)}
		if c.ready != nil {
			t.Errorf("%s: ready for requests", arn)
		}
		if got, want := string(c.Append(nil, r)), string(appendSlowly(nil, c.Document(r))); got != want {
			t.Errorf("%s: %s, want %s", arn, got, want)
		}
	}
}

// What is kept of a policy must not keep its table: after a thousand edits of a
// large table its policies would be all that fits into an instance's memory.
func TestWhatIsKeptOfAPolicyHoldsNoTable(t *testing.T) {
	list := []mapping.Permission{tabletest.Permission("GET", "a/{id}", "s1"), tabletest.Permission("GET", "a/b", "s2"), tabletest.Permission("GET", "a/*", "s3")}
	dropped := make(chan struct{})
	kept := func() *Kept {
		table := tabletest.Table(list...)
		prepared := Prepare(table)
		runtime.AddCleanup(prepared, func(c chan struct{}) { close(c) }, dropped)
		return prepared.Compile(table.Held(tabletest.Caller("s1", "s3"), tabletest.Now), tabletest.Now, 0).Keep()
	}()
	for deadline := time.Now().Add(time.Minute); ; {
		runtime.GC()
		select {
		case <-dropped:
		case <-time.After(time.Millisecond):
			if time.Now().Before(deadline) {
				continue
			}
			t.Error("the prepared table is still there after a minute of collections")
		}
		break
	}
	arn := tabletest.API.ARN + "/dev/GET/a/1"
	if got := kept.Decide(Request{ARN: arn, End: tabletest.Now.Add(time.Hour)}, tabletest.Now); got != Allowed {
		t.Errorf("%s is %v", arn, got)
	}
}
