package dynamo

import "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

// itemSize estimates the bytes DynamoDB counts for an item, rather too high
// (AWS: "DynamoDB item sizes and formats").
func itemSize(it item) int {
	n := 100
	for name, a := range it {
		n += len(name) + attributeSize(a)
	}
	return n
}

func attributeSize(a types.AttributeValue) int {
	const overhead = 3
	switch a := a.(type) {
	case *types.AttributeValueMemberS:
		return overhead + len(a.Value)
	case *types.AttributeValueMemberN:
		return overhead + len(a.Value)
	case *types.AttributeValueMemberB:
		return overhead + len(a.Value)
	case *types.AttributeValueMemberSS:
		return overhead + listSize(a.Value, func(s string) int { return len(s) })
	case *types.AttributeValueMemberNS:
		return overhead + listSize(a.Value, func(s string) int { return len(s) })
	case *types.AttributeValueMemberBS:
		return overhead + listSize(a.Value, func(b []byte) int { return len(b) })
	case *types.AttributeValueMemberL:
		return overhead + listSize(a.Value, attributeSize)
	case *types.AttributeValueMemberM:
		return overhead + itemSize(a.Value)
	}
	return overhead + 1
}

func listSize[T any](list []T, size func(T) int) int {
	n := 0
	for _, v := range list {
		n += 3 + size(v)
	}
	return n
}

// sizeOf estimates what the actions of a transaction count together.
func sizeOf(actions []types.TransactWriteItem) int {
	n := 0
	for _, a := range actions {
		switch {
		case a.Put != nil:
			n += itemSize(a.Put.Item)
		case a.Update != nil:
			n += itemSize(a.Update.Key) + itemSize(a.Update.ExpressionAttributeValues)
		case a.Delete != nil:
			n += itemSize(a.Delete.Key)
		}
	}
	return n
}
