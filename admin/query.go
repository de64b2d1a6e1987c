package admin

import (
	"net/url"

	"github.com/danielgtaylor/huma/v2"
)

// checkQuery refuses what the reading of parameters would pass over in silence: a
// query that cannot be parsed, of which net/url drops parts, a parameter given
// twice, of which one counts, and an empty one, which counts as none. A dryRun
// that got lost would be a change.
func checkQuery(u url.URL) []error {
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return []error{&huma.ErrorDetail{Location: "query", Message: "must be parameters joined by &, percent-encoded"}}
	}
	var details []error
	for name, given := range values {
		switch {
		case len(given) > 1:
			details = append(details, &huma.ErrorDetail{Location: "query." + name, Message: "must be given once"})
		case given[0] == "":
			details = append(details, &huma.ErrorDetail{Location: "query." + name, Message: "must not be empty"})
		}
	}
	return details
}
