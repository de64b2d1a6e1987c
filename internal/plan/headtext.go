package plan

import (
	"encoding/json"
	"strings"
	"time"

	"scopegate/mapping"
	"scopegate/store"
)

// valueText is one field of a table's head in words. The value is as the table
// has it, or as JSON of a plan that came over the network; what is not understood
// is shown as that JSON.
func valueText(field string, v any) string {
	b, err := json.Marshal(v)
	if s := string(b); err != nil || s == "null" || s == `""` || s == "[]" {
		if field == "complete" {
			return "no"
		}
		return "nothing"
	}
	text := ""
	switch field {
	case "complete":
		text, err = inWords(b, completeText)
	case "owners":
		text, err = inWords(b, func(list []store.Owner) string { return joined(list, ownerText) })
	case "trust":
		text, err = inWords(b, func(list []mapping.Trust) string { return joined(list, trustText) })
	default:
		return string(b)
	}
	if err != nil {
		return string(b)
	}
	return text
}

func inWords[T any](b []byte, words func(T) string) (string, error) {
	var v T
	err := json.Unmarshal(b, &v)
	return words(v), err
}

func joined[T any](list []T, text func(T) string) string {
	texts := make([]string, len(list))
	for i, one := range list {
		texts[i] = text(one)
	}
	return strings.Join(texts, "; ")
}

// completeText leaves out who says so and when while that is not known: in a plan
// nobody has said it yet.
func completeText(c store.Complete) string {
	text := "yes, by " + c.Source
	if !c.At.IsZero() {
		text += " at " + c.At.UTC().Format(time.RFC3339)
	}
	return text
}

func ownerText(o store.Owner) string {
	if o.Role != "" {
		return "role " + o.Role + " of tenant " + o.Tenant
	}
	return "group " + o.Group + " of tenant " + o.Tenant
}

func trustText(t mapping.Trust) string {
	from := "tenant " + t.Tenant
	if t.Issuer != "" {
		from = "issuer " + t.Issuer
	}
	return from + " for " + strings.Join(t.Audiences, " ")
}
