package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"scopegate/internal/yamljson"
)

// exactJSON reads bodies as huma's own format does, but refuses first what two
// readers could read in two ways, and what is too much.
var exactJSON = huma.Format{
	Marshal: huma.DefaultJSONFormat.Marshal,
	Unmarshal: func(data []byte, v any) error {
		if err := yamljson.CheckJSON(data); err != nil {
			return err
		}
		return huma.DefaultJSONFormat.Unmarshal(data, v)
	},
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
