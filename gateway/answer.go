package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"scopegate/policy"
)

// answer is an authorizer's answer once it has been found valid.
type answer struct {
	principal string
	context   map[string]any // string, json.Number, bool; on HTTP APIs nested values too
	document  policy.Document
	simple    bool // answered with isAuthorized instead of a document
	permitted bool // the isAuthorized of a simple answer
}

type object = map[string]json.RawMessage

// parseAnswer checks an authorizer's answer as API Gateway does: what it would
// answer with 500 is an error here. Names are compared exactly, which decoding
// into a struct would not do. Faults name members, never values.
func parseAnswer(f Flavour, b []byte) (*answer, error) {
	if len(b) > MaxAnswer {
		return nil, fmt.Errorf("the answer has %d bytes, more than %d", len(b), MaxAnswer)
	}
	o, err := parseObject(b)
	if err != nil {
		return nil, fmt.Errorf("the answer: %w", err)
	}
	a := &answer{simple: f == HTTPv2Simple}
	if a.context, err = parseContext(f, o); err != nil {
		return nil, err
	}
	if a.simple {
		a.permitted, err = parseIsAuthorized(o)
		return a, err
	}
	if a.principal, err = parsePrincipal(o); err != nil {
		return nil, err
	}
	a.document, err = parseDocument(o["policyDocument"])
	return a, err
}

func parseObject(b json.RawMessage) (object, error) {
	var o object
	if json.Unmarshal(b, &o) != nil || o == nil {
		return nil, errors.New("not a JSON object")
	}
	return o, nil
}

func parseIsAuthorized(o object) (bool, error) {
	switch string(o["isAuthorized"]) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errors.New("isAuthorized: missing, or not true or false")
}

func parsePrincipal(o object) (string, error) {
	v, ok := decode(o["principalId"]).(string)
	if !ok || v == "" {
		return "", errors.New("principalId: missing, empty or not a string")
	}
	if raw, given := o["usageIdentifierKey"]; given {
		if _, ok := decode(raw).(string); !ok {
			return "", errors.New("usageIdentifierKey: not a string")
		}
	}
	return v, nil
}

// parseContext reads the optional context: on REST and WebSocket APIs its
// values are strings, numbers or booleans (AWS: "Output from an API Gateway
// Lambda authorizer").
func parseContext(f Flavour, o object) (map[string]any, error) {
	raw, given := o["context"]
	if !given {
		return nil, nil
	}
	values, err := parseObject(raw)
	if err != nil {
		return nil, fmt.Errorf("context: %w", err)
	}
	out := make(map[string]any, len(values))
	for name, raw := range values {
		out[name] = decode(raw)
		switch out[name].(type) {
		case string, json.Number, bool:
			continue
		}
		if !f.isHTTP() {
			return nil, errors.New("context: a value is neither string, number nor boolean")
		}
	}
	return out, nil
}

func parseDocument(raw json.RawMessage) (policy.Document, error) {
	o, err := parseObject(raw)
	if err != nil {
		return policy.Document{}, fmt.Errorf("policyDocument: %w", err)
	}
	if err := onlyMembers(o, "Version", "Id", "Statement"); err != nil {
		return policy.Document{}, fmt.Errorf("policyDocument: %w", err)
	}
	version, ok := decode(o["Version"]).(string)
	if !ok || version != policy.Version && version != "2008-10-17" {
		return policy.Document{}, errors.New("policyDocument: Version is missing or unknown")
	}
	statements, err := parseStatements(o["Statement"])
	return policy.Document{Version: version, Statement: statements}, err
}

// parseStatements takes a list, or one statement by itself.
func parseStatements(raw json.RawMessage) ([]policy.Statement, error) {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		list = []json.RawMessage{raw}
	}
	if len(list) == 0 {
		return nil, errors.New("policyDocument: no Statement")
	}
	out := make([]policy.Statement, 0, len(list))
	for i, raw := range list {
		s, err := parseStatement(raw)
		if err != nil {
			return nil, fmt.Errorf("policyDocument: statement %d: %w", i, err)
		}
		out = append(out, s)
	}
	return out, nil
}

func parseStatement(raw json.RawMessage) (s policy.Statement, err error) {
	o, err := parseObject(raw)
	if err != nil {
		return s, err
	}
	if err := onlyMembers(o, "Sid", "Effect", "Action", "Resource", "NotResource", "Condition"); err != nil {
		return s, err
	}
	s.Effect, _ = decode(o["Effect"]).(string)
	if s.Effect != policy.Allow && s.Effect != policy.Deny {
		return s, errors.New("member Effect: must be Allow or Deny")
	}
	if s.Action, err = parseStrings(o, "Action"); err != nil {
		return s, err
	}
	if err := parseResources(o, &s); err != nil {
		return s, err
	}
	s.Condition, err = parseCondition(o)
	return s, err
}

func parseResources(o object, s *policy.Statement) (err error) {
	_, without := o["NotResource"]
	if _, with := o["Resource"]; with == without {
		return errors.New("one of Resource and NotResource is needed")
	}
	var resources policy.Strings
	if without {
		resources, err = parseStrings(o, "NotResource")
		s.NotResource = resources
	} else {
		resources, err = parseStrings(o, "Resource")
		s.Resource = resources
	}
	for _, r := range resources {
		if n := utf8.RuneCountInString(r); n > policy.MaxResource {
			return fmt.Errorf("a resource has %d characters, more than %d", n, policy.MaxResource)
		}
		if r != "*" && !strings.HasPrefix(r, "arn:") {
			return errors.New("a resource is neither an ARN nor *")
		}
	}
	return err
}

// parseCondition refuses null wherever it stands, as API Gateway is reported to.
func parseCondition(o object) (policy.Condition, error) {
	raw, given := o["Condition"]
	if !given {
		return nil, nil
	}
	operators, err := parseObject(raw)
	if err != nil {
		return nil, fmt.Errorf("member Condition: %w", err)
	}
	out := policy.Condition{}
	for operator, raw := range operators {
		keys, err := parseObject(raw)
		if err != nil {
			return nil, fmt.Errorf("member Condition: operator: %w", err)
		}
		out[operator] = map[string]policy.Strings{}
		for key := range keys {
			if out[operator][key], err = parseStrings(keys, key); err != nil {
				return nil, fmt.Errorf("member Condition: %w", err)
			}
		}
	}
	return out, nil
}

// parseStrings reads what IAM writes as one value or as a list of them.
func parseStrings(o object, name string) (policy.Strings, error) {
	values, isList := decode(o[name]).([]any)
	if !isList {
		values = []any{decode(o[name])}
	}
	var out policy.Strings
	for _, v := range values {
		switch v.(type) {
		case string, json.Number, bool:
			out = append(out, fmt.Sprint(v))
		default:
			return nil, fmt.Errorf("member %s: missing, null or not a string", name)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("member %s: an empty list", name)
	}
	return out, nil
}

func onlyMembers(o object, known ...string) error {
	left := len(o)
	for _, name := range known {
		if _, ok := o[name]; ok {
			left--
		}
	}
	if left > 0 {
		return fmt.Errorf("%d unknown members", left)
	}
	return nil
}

// decode reads one JSON value, numbers as they are written; nil if there is
// none, or null.
func decode(raw json.RawMessage) any {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil && err != io.EOF {
		return nil
	}
	return v
}
