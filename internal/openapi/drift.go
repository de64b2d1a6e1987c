package openapi

import "time"

// DriftOptions say what is compared.
type DriftOptions struct {
	Now time.Time // expired permissions open nothing
	// Requirements compares what routes require, too, where the document says
	// something.
	Requirements bool
}

// Report is how a document and a table differ. Routes are written as people do:
// "GET /orders/{id}".
type Report struct {
	Source   string `json:"source"`   // of the document
	Revision string `json:"revision"` // of the table
	// Unmapped routes are in the document, and nothing in the table answers for
	// them: nobody may call them.
	Unmapped []Drifted `json:"unmapped"`
	// Orphaned routes and patterns are in the table, and the document has nothing
	// that they could be called by.
	Orphaned []Drifted `json:"orphaned"`
	// Unreachable routes are in the table, and API Gateway never routes a request
	// to them that Scopegate lets through.
	Unreachable []Drifted `json:"unreachable"`
	// Differing routes require something else in the table.
	Differing []Difference `json:"differing"`
	// Covered routes are in the document, not in the table, and another route or a
	// pattern of the table answers for them. No drift by itself.
	Covered []Drifted `json:"covered"`
	// Within are routes of the table that the document's less specific route
	// stands for, as ANY /{proxy+} does. No drift by itself.
	Within []Drifted `json:"within"`
	// Unread is what of the document could not be compared.
	Unread []Problem `json:"unread"`
}

// Drifted is one route, and by what it is concerned.
type Drifted struct {
	Route string `json:"route"`
	By    string `json:"by,omitempty"` // a route or a pattern
	Why   string `json:"why,omitempty"`
}

// Difference is what a route requires in the document and in the table, each a
// list of alternatives.
type Difference struct {
	Route    string   `json:"route"`
	Document []string `json:"document"`
	Table    []string `json:"table"`
	// Wider alternatives of the table let callers in whom the document does not;
	// narrower ones of the document are not granted by the table.
	Wider    []string `json:"wider,omitempty"`
	Narrower []string `json:"narrower,omitempty"`
}

// Drifted reports whether document and table differ: the exit code of a check.
func (r Report) Drifted() bool {
	return len(r.Unmapped)+len(r.Orphaned)+len(r.Unreachable)+len(r.Differing) > 0
}
