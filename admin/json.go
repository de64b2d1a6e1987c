package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// exactJSON reads bodies as huma's own format does, but refuses first what two
// readers could read in two ways: a name given twice, of which encoding/json
// mixes both into one value, and text that is no UTF-8.
var exactJSON = huma.Format{
	Marshal: huma.DefaultJSONFormat.Marshal,
	Unmarshal: func(data []byte, v any) error {
		if err := checkExact(data); err != nil {
			return err
		}
		return huma.DefaultJSONFormat.Unmarshal(data, v)
	},
}

// maxDepth bounds how deep a body nests; a document needs four.
const maxDepth = 32

func checkExact(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("body must be valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := checkValue(dec, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// checkValue reads one value. Faults of the syntax are left to the reader that
// follows, which words them.
func checkValue(dec *json.Decoder, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("body must not nest deeper than %d", maxDepth)
	}
	t, err := dec.Token()
	if err != nil {
		return io.EOF
	}
	open, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	names := map[string]bool{}
	for dec.More() {
		if open == '{' {
			t, err := dec.Token()
			if err != nil {
				return io.EOF
			}
			name, _ := t.(string)
			if names[name] {
				return fmt.Errorf("body must give %q once", name)
			}
			names[name] = true
		}
		if err := checkValue(dec, depth+1); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return io.EOF
	}
	return nil
}

// Bounds of an error's answer: huma repeats the whole object for each member
// that it does not know, which makes megabytes of a few thousand bytes.
const (
	maxDetails = 100
	maxValue   = 256
)

func bounded(errs []error) []error {
	if len(errs) > maxDetails {
		more := len(errs) - maxDetails
		errs = append(errs[:maxDetails:maxDetails], &huma.ErrorDetail{Location: "body", Message: fmt.Sprintf("and %d more faults", more)})
	}
	out := make([]error, len(errs))
	for i, err := range errs {
		out[i] = err
		var d *huma.ErrorDetail
		if errors.As(err, &d) {
			out[i] = &huma.ErrorDetail{Message: d.Message, Location: d.Location, Value: shortValue(d.Value)}
		}
	}
	return out
}

// shortValue keeps what is one short value, and nothing of a whole object.
func shortValue(v any) any {
	switch v := v.(type) {
	case string:
		if len(v) <= maxValue {
			return v
		}
		// Whatever bytes these are: half a character at the end is left out.
		return strings.ToValidUTF8(v[:maxValue], "") + "…"
	case nil, bool, int, int64, float64, json.Number:
		return v
	}
	return nil
}

func init() {
	plain := huma.NewError
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return plain(status, message, bounded(errs)...)
	}
}
