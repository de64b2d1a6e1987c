package world_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"scopegate/bench/peers/hand"
	"scopegate/bench/world"
	"scopegate/internal/dynamotest"
	"scopegate/internal/lambdaruntime"
)

// TestTheFloorStartsInThisWorld: over TLS, with one root and with the system's, it
// reads keys and permissions and answers rightly.
func TestTheFloorStartsInThisWorld(t *testing.T) {
	w, err := world.New(t.TempDir(), world.Options{Replay: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := w.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	tables, err := w.Seed(t.Context(), dynamotest.TableName(), world.Hundred)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Drop(context.WithoutCancel(t.Context()), tables); err != nil {
			t.Error(err)
		}
	})
	binary, err := lambdaruntime.Build(t.Context(), t.TempDir(), "scopegate/bench/peers/floor")
	if err != nil {
		t.Fatal(err)
	}
	for name, trust := range map[string][]string{"one root": w.OneRoot(), "full bundle": w.FullBundle()} {
		r, err := lambdaruntime.Start(t.Context(), binary, append(append(w.AWS(), trust...), w.Floor(tables)...), lambdaruntime.Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		asks(t, w, r, world.One, 1)
		asks(t, w, r, world.Hundred, 100)
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if got := w.Front.Calls(); got["GetItem"] != 2 || len(got) != 2 { // the other is Ready's, of no name
		t.Errorf("DynamoDB was asked %v", got)
	}
}

func asks(t *testing.T, w *world.World, r *lambdaruntime.Runtime, c world.Caller, statements int) {
	t.Helper()
	spec := c.Spec(1)
	for _, spec.Forged = range []bool{false, true} {
		raw, err := w.Provider.Mint(spec)
		if err != nil {
			t.Fatal(err)
		}
		event, err := c.Event(raw)
		if err != nil {
			t.Fatal(err)
		}
		if len(raw) < 1200 || len(raw) > 1800 || len(event) < 6000 || len(event) > 10000 {
			t.Errorf("token of %d bytes, event of %d", len(raw), len(event))
		}
		b, err := r.Invoke(t.Context(), event)
		if spec.Forged {
			if err == nil || err.Error() != "Unauthorized" {
				t.Errorf("a forged token: %s, %v", b, err)
			}
			continue
		}
		var answer hand.Answer
		if err != nil || json.Unmarshal(b, &answer) != nil || len(answer.PolicyDocument.Statement) != statements {
			t.Errorf("%s: %v, %s", c.Scope, err, b)
		}
	}
}

// TestTheStandInsTrustIsItsOwn: a program that is not told to trust it does not.
func TestTheStandInsTrustIsItsOwn(t *testing.T) {
	w, err := world.New(t.TempDir(), world.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := http.Get(w.DynamoDB); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a client of this machine's trust: %v", err)
	}
}
