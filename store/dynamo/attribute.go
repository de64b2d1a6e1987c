package dynamo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// toItem turns a value that encodes as a JSON object into attributes of the
// same names.
func toItem(v any) (item, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return jsonToItem(b)
}

func jsonToItem(b []byte) (item, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber() // a float64 would round revision numbers
	var members map[string]any
	if err := dec.Decode(&members); err != nil {
		return nil, err
	}
	it := make(item, len(members)+2)
	for name, m := range members {
		it[name] = toAttribute(m)
	}
	return it, nil
}

func toAttribute(v any) types.AttributeValue {
	switch v := v.(type) {
	case string:
		return &types.AttributeValueMemberS{Value: v}
	case json.Number:
		return &types.AttributeValueMemberN{Value: v.String()}
	case bool:
		return &types.AttributeValueMemberBOOL{Value: v}
	case []any:
		list := make([]types.AttributeValue, len(v))
		for i := range v {
			list[i] = toAttribute(v[i])
		}
		return &types.AttributeValueMemberL{Value: list}
	case map[string]any:
		m := make(item, len(v))
		for name := range v {
			m[name] = toAttribute(v[name])
		}
		return &types.AttributeValueMemberM{Value: m}
	}
	return &types.AttributeValueMemberNULL{Value: true}
}

// fromItem reads the named attributes, those that are there, into v as
// encoding/json does. The others are not looked at.
func fromItem(it item, names []string, v any) error {
	b, err := itemToJSON(it, names)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// annotation begins the names of attributes that say nothing about who gets in.
// Any other unknown one of a permission might restrict it: to pass it over would
// open more than was meant.
const annotation = "x-"

// checkRestrictions refuses a permission's item with attributes that this code
// does not understand.
func checkRestrictions(it item) error {
	for name := range it {
		known := name == pk || name == sk || strings.HasPrefix(name, annotation) || slices.Contains(wireNames, name)
		if !known {
			return fmt.Errorf("attribute %s is unknown here and might restrict the permission", name)
		}
	}
	return nil
}

func itemToJSON(it item, names []string) ([]byte, error) {
	members := make(map[string]any, len(names))
	for _, name := range names {
		if a, ok := it[name]; ok {
			v, err := fromAttribute(a)
			if err != nil {
				return nil, fmt.Errorf("attribute %s: %w", name, err)
			}
			members[name] = v
		}
	}
	return json.Marshal(members)
}

func fromAttribute(a types.AttributeValue) (any, error) {
	switch a := a.(type) {
	case *types.AttributeValueMemberS:
		return a.Value, nil
	case *types.AttributeValueMemberN:
		return json.Number(a.Value), nil
	case *types.AttributeValueMemberBOOL:
		return a.Value, nil
	case *types.AttributeValueMemberNULL:
		return nil, nil
	case *types.AttributeValueMemberL:
		list := make([]any, len(a.Value))
		for i := range a.Value {
			v, err := fromAttribute(a.Value[i])
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return list, nil
	case *types.AttributeValueMemberM:
		m := make(map[string]any, len(a.Value))
		for name := range a.Value {
			v, err := fromAttribute(a.Value[name])
			if err != nil {
				return nil, err
			}
			m[name] = v
		}
		return m, nil
	}
	return nil, fmt.Errorf("type %T: must be a string, number, boolean, null, list or map", a)
}
