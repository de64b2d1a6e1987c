// Package doctor looks for what is wrong with a deployment, or with the local
// stack, and asks API Gateway (or the gateway of this project) the questions that
// AWS's documentation leaves open. In go settings, stores, functions' settings and
// the addresses of probe APIs; out come rows that say what was expected, what was
// seen, what follows from it and which setting to change.
//
// Nothing is changed by looking. The checks know no AWS SDK: what they look at
// comes through interfaces (internal/doctor/aws).
package doctor

import "errors"

// Status is how a check came out.
type Status string

// The statuses. The zero Status is none of them and counts as Failed.
const (
	OK      Status = "ok"
	Note    Status = "note"    // not as expected, and nothing depends on it
	Finding Status = "finding" // something to change
	Failed  Status = "failed"  // could not be found out
	NotRun  Status = "not run" // nobody tried to
)

// Row is one check, or one question.
type Row struct {
	Part        string `json:"part"`  // what was looked at, such as "REST API on AWS"
	Check       string `json:"check"` // short and fixed, for programs
	About       string `json:"about,omitempty"`
	Status      Status `json:"status"`
	Expected    string `json:"expected,omitempty"`
	Seen        string `json:"seen,omitempty"`
	Consequence string `json:"consequence,omitempty"` // what follows, where it is not as expected
	Change      string `json:"change,omitempty"`      // the setting to change, and to what
}

// Report is all rows in the order of looking.
type Report struct {
	Rows []Row `json:"rows"`
}

// Errors that [Report.Err] gives, to tell apart with errors.Is.
var (
	ErrFinding = errors.New("something is to be changed")
	ErrFailed  = errors.New("something could not be found out")
)

// Add appends rows.
func (r *Report) Add(rows ...Row) { r.Rows = append(r.Rows, rows...) }

// Count is how many rows came out so.
func (r Report) Count(s Status) int {
	n := 0
	for _, row := range r.Rows {
		if row.Status == s {
			n++
		}
	}
	return n
}

// Err is ErrFinding if there is something to change, else ErrFailed if something
// could not be found out, else nil. What was not run is neither.
func (r Report) Err() error {
	known := r.Count(OK) + r.Count(Note) + r.Count(NotRun)
	switch {
	case r.Count(Finding) > 0:
		return ErrFinding
	case known < len(r.Rows):
		return ErrFailed
	}
	return nil
}

// verdict is how a question or a check came out, still without its place.
type verdict struct {
	status                    Status
	seen, consequence, change string
}

func fine(seen string) verdict { return verdict{status: OK, seen: seen} }

func noted(seen, consequence, change string) verdict {
	return verdict{Note, seen, consequence, change}
}

func found(seen, consequence, change string) verdict {
	return verdict{Finding, seen, consequence, change}
}

func failed(err error) verdict { return verdict{status: Failed, seen: err.Error()} }

func (v verdict) row(part, check, expected string) Row {
	return Row{Part: part, Check: check, Status: v.status, Expected: expected, Seen: v.seen, Consequence: v.consequence, Change: v.change}
}
