package dynamo

import (
	"testing"

	"go.uber.org/goleak"
)

// The one goroutine that stays reads what the shared server says.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("scopegate/internal/dynamotest.ready.func1"))
}
