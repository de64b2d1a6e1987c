package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// Version is the policy language version; API Gateway wants this very date
// (AWS: "IAM JSON policy elements: Version").
const Version = "2012-10-17"

// Invoke is the one action of an authorizer's policy.
const Invoke = "execute-api:Invoke"

// Effects of a statement.
const (
	Allow = "Allow"
	Deny  = "Deny"
)

// Document is an IAM policy document as an authorizer answers with it. It is
// our own type because aws-lambda-go's statement knows neither Condition nor
// NotResource.
type Document struct {
	Version   string
	Statement []Statement
}

// Statement is one statement. Empty members are left out when it is written:
// API Gateway answers 500 to "Condition": null.
type Statement struct {
	Action      Strings
	Effect      string
	Resource    Strings   `json:",omitempty"`
	NotResource Strings   `json:",omitempty"`
	Condition   Condition `json:",omitempty"`
}

// Condition maps an operator to keys and their values.
type Condition map[string]map[string]Strings

// Condition operators and keys that Compile writes and Evaluate reads (AWS:
// "IAM JSON policy elements: Condition operators", "AWS global condition
// context keys").
const (
	dateLessThan    = "DateLessThan"
	dateNotBefore   = "DateGreaterThanEquals"
	keyCurrentTime  = "aws:CurrentTime"
	keyEpochTime    = "aws:EpochTime"
	keySourceIP     = "aws:SourceIp"
	conditionLayout = time.RFC3339
)

// Strings is a value IAM writes as one string or as a list of them. A single
// one is written as a string: shorter, and the form of AWS's own examples.
type Strings []string

// MarshalJSON implements [json.Marshaler].
func (s Strings) MarshalJSON() ([]byte, error) {
	var v any = []string(s)
	if len(s) == 1 {
		v = s[0]
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	// < > & cannot occur in a resource of ours, and escaping them would only
	// cost bytes of a budget of 8,192.
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(buf.Bytes(), "\n"), nil
}

// UnmarshalJSON implements [json.Unmarshaler]. null is refused.
func (s *Strings) UnmarshalJSON(b []byte) error {
	switch {
	case len(b) > 0 && b[0] == '"':
		var one string
		if err := json.Unmarshal(b, &one); err != nil {
			return err
		}
		*s = Strings{one}
		return nil
	case len(b) > 0 && b[0] == '[':
		var many []string
		if err := json.Unmarshal(b, &many); err != nil {
			return err
		}
		*s = many
		return nil
	}
	return fmt.Errorf("policy document: want a string or a list of strings")
}

// DenyAll is the answer to a caller who holds nothing: the explicit deny of
// every call, as in AWS's sample authorizer.
func DenyAll() Document {
	return Document{Version: Version, Statement: []Statement{
		{Action: Strings{Invoke}, Effect: Deny, Resource: Strings{"*"}},
	}}
}

// ParseDocument reads a document as IAM writes them.
func ParseDocument(b []byte) (Document, error) {
	var d Document
	if err := json.Unmarshal(b, &d); err != nil {
		return Document{}, fmt.Errorf("policy document: %w", err)
	}
	return d, nil
}
