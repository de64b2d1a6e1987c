package dynamo

import (
	"testing"

	"go.uber.org/goleak"

	"scopegate/internal/leaktest"
)

// The one goroutine that stays reads what the shared server says.
func TestMain(m *testing.M) {
	leaktest.Exit(m.Run(), goleak.IgnoreAnyFunction("scopegate/internal/dynamotest.ready.func1"))
}
