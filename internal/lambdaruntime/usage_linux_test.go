package lambdaruntime_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"scopegate/internal/lambdaruntime"
)

func TestUsageIsThatOfTheChild(t *testing.T) {
	r := start(t, lambdaruntime.Options{Timeout: time.Minute})
	a, err := invoke(t, r, `{}`)
	if err != nil {
		t.Fatal(err)
	}
	if ids := r.PIDs(); !slices.Equal(ids, []int{a.PID}) {
		t.Errorf("process %v, the child says %d", ids, a.PID)
	}
	before, err := r.CPU()
	if err != nil || before <= 0 || before > 30*time.Second {
		t.Errorf("%v, %v", before, err)
	}
	idle, err := r.Memory()
	if err != nil || idle.Now < 1<<20 || idle.Peak < idle.Now {
		t.Errorf("%+v, %v", idle, err)
	}
	if _, err := invoke(t, r, fmt.Sprintf(`{"large":%d}`, 6000000)); err != nil { // is made, and encoded
		t.Fatal(err)
	}
	after, err := r.CPU()
	if err != nil || after <= before {
		t.Errorf("%v after %v, %v", after, before, err)
	}
	large, err := r.Memory()
	if err != nil || large.Peak < idle.Peak+6000000 {
		t.Errorf("%+v after %+v, %v", large, idle, err)
	}
}

func TestUsageOfAnEndedChildIsAnError(t *testing.T) {
	r := start(t, lambdaruntime.Options{})
	if _, err := invoke(t, r, `{"exit":true}`); err == nil {
		t.Fatal("no error")
	}
	if err := r.Close(); err != nil { // waits for the child's end
		t.Fatal(err)
	}
	if ids := r.PIDs(); len(ids) != 0 {
		t.Errorf("processes %v", ids)
	}
	if d, err := r.CPU(); err == nil {
		t.Errorf("%v of processor time", d)
	}
	if m, err := r.Memory(); err == nil {
		t.Errorf("%+v", m)
	}
}
