package adminclient

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// Problem is an answer that is no success (RFC 9457).
type Problem struct {
	Status    int     `json:"status"`
	Title     string  `json:"title,omitempty"`
	Detail    string  `json:"detail,omitempty"`
	Errors    []Fault `json:"errors,omitempty"`
	RequestID string  `json:"requestId,omitempty"` // under which the API's log knows it
	// Location names what is there already (409), as a path of the API.
	Location string `json:"location,omitempty"`
}

// Fault is one thing that is wrong with a request.
type Fault struct {
	Location string `json:"location,omitempty"`
	Message  string `json:"message,omitempty"`
	Value    any    `json:"value,omitempty"`
}

// Bounds of what is repeated of an answer that is no problem+json.
const maxRepeated = 300

// problemOf reads a problem. An answer of something in front (a gateway, a proxy)
// is none, and is named by its status and the beginning of what it says.
func problemOf(r *http.Response, body []byte) *Problem {
	p := &Problem{}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if !strings.HasSuffix(media, "json") || json.Unmarshal(body, p) != nil || p.Detail == "" && p.Title == "" && len(p.Errors) == 0 {
		*p = Problem{Detail: other(r, body)}
	}
	p.Status, p.RequestID, p.Location = r.StatusCode, r.Header.Get("X-Request-Id"), r.Header.Get("Location")
	if p.Status < http.StatusBadRequest {
		p.Detail = "a redirect, which is not followed: the token is for the given URL alone"
	}
	return p
}

func other(r *http.Response, body []byte) string {
	var said struct{ Message string } // API Gateway's own
	text := strings.TrimSpace(string(body))
	if json.Unmarshal(body, &said) == nil && said.Message != "" {
		text = said.Message
	}
	if len(text) > maxRepeated {
		text = strings.ToValidUTF8(text[:maxRepeated], "") + "…"
	}
	if text == "" {
		text = http.StatusText(r.StatusCode)
	}
	return text
}

// Outage reports whether the API could not answer now, which says nothing about
// the call.
func (p *Problem) Outage() bool {
	return p.Status >= http.StatusInternalServerError || p.Status == http.StatusTooManyRequests || p.Status == http.StatusRequestTimeout
}

// Error names what was refused, one fault a line: field, value and rule.
func (p *Problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	out := &strings.Builder{}
	fmt.Fprintf(out, "the admin API answers %d: %s", p.Status, clean(text))
	for _, e := range p.Errors {
		where := clean(strings.TrimPrefix(e.Location, "body."))
		if e.Value != nil {
			where = strings.TrimSpace(where + " " + strconv.Quote(fmt.Sprint(e.Value)))
		}
		if where != "" {
			where += ": "
		}
		if message := clean(e.Message); namesItself(e) {
			out.WriteString("\n  " + message)
			continue
		}
		out.WriteString("\n  " + where + clean(e.Message))
	}
	if p.Outage() && p.RequestID != "" {
		fmt.Fprintf(out, " (request id %s)", clean(p.RequestID))
	}
	return out.String()
}

// namesItself reports whether a message begins with the name of the field that it
// is about, as those of parsers do.
func namesItself(e Fault) bool {
	name := e.Location[strings.LastIndex(e.Location, ".")+1:]
	rest, ok := strings.CutPrefix(e.Message, name)
	return ok && name != "" && (strings.HasPrefix(rest, " \"") || strings.HasPrefix(rest, ": "))
}

// clean keeps what comes from elsewhere from moving the cursor.
func clean(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		quoted := strconv.QuoteToGraphic(line)
		lines[i] = strings.ReplaceAll(strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`), `\\`, `\`)
	}
	return strings.Join(lines, "\n  ")
}
