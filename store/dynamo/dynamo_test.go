package dynamo_test

import (
	"testing"

	"scopegate/internal/dynamotest"
	"scopegate/store"
	"scopegate/store/dynamo"
	"scopegate/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		client, wire := dynamotest.WireClient(t, dynamotest.Endpoint(t))
		table := dynamotest.TableOn(t, client)
		return storetest.Harness{
			Store:          dynamo.New(client, table),
			Reopen:         func() store.Store { return dynamo.New(dynamotest.Client(t), table) },
			BeforeRequest:  wire.Before,
			LoseNextAnswer: wire.LoseCommit,
			CutAfter:       wire.CutAfter,
		}
	})
}
