package mapping

import (
	"errors"
	"fmt"
	"strings"
)

// FieldError is bad input: which field of the wire format, what stood there
// and the rule it breaks.
type FieldError struct {
	Field string
	Value string
	Rule  string
}

// Error names field, value and rule. Long values are cut.
func (e *FieldError) Error() string {
	const most = 80
	v := e.Value
	if len(v) > most {
		v = strings.ToValidUTF8(v[:most], "") + "…"
	}
	return fmt.Sprintf("%s %q: %s", e.Field, v, e.Rule)
}

func fault(field, value, rule string) error {
	return &FieldError{Field: field, Value: value, Rule: rule}
}

// Faults lists the single faults that an error of this package joins.
func Faults(err error) []error {
	if err == nil {
		return nil // of nearly every field: a start reads thousands
	}
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, Faults(e)...)
	}
	return all
}
