// Package openapi reads API descriptions: in goes an OpenAPI 3 or Swagger 2.0
// document (also an export of Amazon API Gateway), out comes the complete list
// of permissions that it states for one API stage, with a list of what cannot be
// stated. Drift compares such a list with a table.
//
// Only paths, methods and security count: schemas and examples are never looked
// at, so that a document whose schemas are wrong is read all the same. It reads
// no file and no address, whatever a document refers to.
package openapi

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"scopegate/mapping"
)

// Limits of a document.
const (
	// MaxBytes is the size of the largest document that is read.
	MaxBytes = 10 << 20
	// MaxNodes bounds the values that are kept of a document, aliases written
	// out.
	MaxNodes = 500_000
	// MaxOperations bounds what a document's paths declare, and MaxEntries the
	// permissions and problems that come of it.
	MaxOperations = 50_000
	MaxEntries    = 100_000
	// maxDepth bounds the nesting of what is kept.
	maxDepth = 64
)

// BasePath says what becomes of the path in a document's servers (Swagger 2.0:
// basePath). They are two of the modes of API Gateway's own import (AWS: "Set
// the OpenAPI basePath property for REST APIs in API Gateway").
type BasePath string

// Modes. The zero BasePath is Ignore.
const (
	Ignore  BasePath = "ignore"  // routes are the document's paths
	Prepend BasePath = "prepend" // routes are the base path and the document's paths
)

// Options say how a document is read.
type Options struct {
	API mapping.API // whose stage the routes are of
	// AnyOf is for documents that mean any one of the scopes that a requirement
	// lists: each is an alternative of its own. OpenAPI means all of them
	// (OpenAPI Specification 3.1.1, "Security Requirement Object").
	AnyOf bool
	// Authenticated opens what the document protects by nothing, or by a token
	// without scopes, to every verified caller whom the table trusts. Without it
	// such routes are registered: nobody may call them through Scopegate.
	Authenticated bool
	BasePath      BasePath
	// BearerScopes takes the names that a requirement gives a bearer scheme for
	// scopes. OpenAPI 3.0 allows none there and 3.1 leaves open what they mean;
	// public documents write their scopes so.
	BearerScopes bool
	// ScopePrefix is taken from the front of scopes that begin with it: documents
	// for Entra often name scopes as they are asked for ("api://orders/read"),
	// while tokens hold the last part alone.
	ScopePrefix string
}

// Result is what a document says.
type Result struct {
	Title   string      `json:"title,omitempty"`
	Version string      `json:"version"` // of OpenAPI, as the document names it
	Source  string      `json:"source"`  // "sha256:…", of the document's bytes
	Kind    Kind        `json:"kind,omitempty"`
	API     mapping.API `json:"-"`
	// Permissions are those of the whole API, sorted by resource and verb. A route
	// that nobody may call has one with Registered.
	Permissions []mapping.Permission `json:"permissions"`
	Routes      []mapping.Route      `json:"-"` // of the permissions, each once, in their order
	// Unexpressed is what the document says and Permissions do not.
	Unexpressed []Problem `json:"unexpressed"`
	// Notes are what was read otherwise than its author may think.
	Notes []Problem `json:"notes"`
	// Complete says that Routes are all of the API's: what is unexpressed, if
	// anything, is who may call some of them.
	Complete bool `json:"complete"`
}

// Registered counts the routes that nobody may call.
func (r Result) Registered() (n int) {
	for _, p := range r.Permissions {
		if p.Registered {
			n++
		}
	}
	return n
}

// Kind tells where a document is from, as far as it shows.
type Kind string

// Kinds. The empty one is any other document.
const (
	RESTExport Kind = "rest" // an export of a REST API, or written for its import
	HTTPExport Kind = "http" // of an HTTP API
)

// Problem is one thing that a document says, and why it is not, or not as
// written, among the permissions.
type Problem struct {
	Path   string      `json:"path,omitempty"` // as the document has it; "" is the whole document
	Method string      `json:"method,omitempty"`
	Kind   ProblemKind `json:"kind"`
	What   string      `json:"what"` // such as the requirement or the reference
	Why    string      `json:"why"`
	// Registered says that the route is among the permissions nevertheless.
	Registered bool `json:"registered,omitempty"`
}

// String is the problem in one line.
func (p Problem) String() string {
	where := p.Path
	if p.Method != "" {
		where = p.Method + " " + p.Path
	}
	if where == "" {
		return fmt.Sprintf("%s: %s", p.What, p.Why)
	}
	return fmt.Sprintf("%s: %s: %s", where, p.What, p.Why)
}

// ProblemKind sorts problems. The names are stable.
type ProblemKind string

// Kinds of problems.
const (
	BadPath      ProblemKind = "path"      // no route of API Gateway
	BadMethod    ProblemKind = "method"    // no method that API Gateway routes
	BadReference ProblemKind = "reference" // a $ref that is not followed
	BadShape     ProblemKind = "shape"     // not what OpenAPI says must stand there
	Security     ProblemKind = "security"  // a requirement that no token meets
	Conflict     ProblemKind = "conflict"  // one route, described in two ways
	Server       ProblemKind = "server"    // a base path, or a server of its own
	Scope        ProblemKind = "scope"     // a scope that is read otherwise, or looks wrong
)

// Read reads a document, JSON or YAML. The error says that it is none, or past a
// limit; whatever else is wrong with it is in the Result.
func Read(b []byte, o Options) (Result, error) {
	if err := o.check(); err != nil {
		return Result{}, err
	}
	root, err := parse(b)
	if err != nil {
		return Result{}, err
	}
	d, err := prepare(root)
	if err != nil {
		return Result{}, err
	}
	r := &reader{Options: o, document: d, tried: map[string]error{}}
	if err := r.read(); err != nil {
		return Result{}, err
	}
	result, err := r.result()
	if err != nil {
		return Result{}, err
	}
	sum := sha256.Sum256(b)
	result.Source = "sha256:" + hex.EncodeToString(sum[:])
	return result, nil
}

func (o Options) check() error {
	if _, err := mapping.ParseAPI(o.API.ARN, o.API.Stage); err != nil {
		return fmt.Errorf("read OpenAPI: %w", err)
	}
	switch o.BasePath {
	case "", Ignore, Prepend:
		return nil
	}
	return fmt.Errorf("read OpenAPI: base path %q: must be ignore or prepend", string(o.BasePath))
}
