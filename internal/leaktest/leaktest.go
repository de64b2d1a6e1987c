// Package leaktest ends a test binary: in comes the exit code of its tests, out
// goes that one, or 1 where goroutines are left behind.
package leaktest

import (
	"fmt"
	"os"
	"time"

	"go.uber.org/goleak"
)

// patience is how long a goroutine may take to end. goleak alone waits for half a
// second, and on a busy machine the end of a connection may take longer.
const patience = 30 * time.Second

// Exit is the last call of a TestMain: leaktest.Exit(m.Run()).
func Exit(code int, ignored ...goleak.Option) {
	if code == 0 {
		if err := find(ignored); err != nil {
			fmt.Fprintf(os.Stderr, "the tests passed and left goroutines: %v\n", err)
			code = 1
		}
	}
	os.Exit(code)
}

func find(ignored []goleak.Option) error {
	for until := time.Now().Add(patience); ; {
		if err := goleak.Find(ignored...); err == nil || time.Now().After(until) {
			return err
		}
	}
}
