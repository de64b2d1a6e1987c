package lint

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"scopegate/mapping"
	"scopegate/policy"
)

// Table is what is looked at: a table of a store, or one that a file would make.
type Table struct {
	API     mapping.API
	Entries []Entry         // of API alone; a permission may stand there twice
	Routes  []mapping.Route // registered beside those the permissions name
	// Complete says that the table lists every route of the API.
	Complete bool
	Trust    []mapping.Trust // the table's own; nil for none
}

// Entry is one permission and where it stands.
type Entry struct {
	Place      int // in its file, counted from 1; 0 in a store
	Permission mapping.Permission
}

// Options say how policies are made. They are the authorizer's settings.
type Options struct {
	Now      time.Time // expired permissions are held by nobody
	MaxBytes int       // of the whole minified answer: POLICY_MAX_BYTES
	Budget   int       // of them for the policy document; must be more than 0
	NoExpiry bool      // POLICY_EXPIRY=off: policies hold no conditions on time
	// ExplicitDeny is POLICY_EXPLICIT_DENY=on: policies also deny whatever they
	// do not allow.
	ExplicitDeny bool
	// Configured is whom the authorizer knows: tenants before issuers, each with
	// all its audiences. A table without a trust list believes the first. Nil
	// means that nothing is known.
	Configured []mapping.Trust
	// NoAdvice leaves out what to take from callers whose policy does not fit: to
	// find that out takes many policies for each of them.
	NoAdvice bool
	// Progress, if not nil, is told how many of how many policies are made. It is
	// not called from several goroutines at once.
	Progress func(done, of int)
}

// Result is what was found out about one table.
type Result struct {
	ARN         string    `json:"arn"`
	Stage       string    `json:"stage"`
	Complete    bool      `json:"complete"`
	Permissions int       `json:"permissions"` // each once
	Expired     int       `json:"expired"`     // of them
	Routes      int       `json:"routes"`      // a route of ANY counts once
	MaxBytes    int       `json:"maxBytes"`    // of a whole answer
	Budget      int       `json:"budget"`      // bytes that its policy document may have
	Findings    []Finding `json:"findings"`    // errors first
	Callers     []Caller  `json:"callers"`     // the largest policies first
}

// Errors counts the findings that make the table unfit for use.
func (r Result) Errors() int { return r.count(Error) }

// Warnings counts those that may not be what was meant.
func (r Result) Warnings() int { return r.count(Warning) }

// Notes counts those that every table has.
func (r Result) Notes() int { return r.count(Note) }

func (r Result) count(s Severity) (n int) {
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// Check looks at one table. The error is ctx's, or says that the entries are not
// all of the table's API.
func Check(ctx context.Context, t Table, o Options) (Result, error) {
	c, err := New(t, o)
	if err != nil {
		return Result{}, err
	}
	w := c.Weigh(ctx, c.Callers(), nil)
	if !o.NoAdvice {
		for i := range w.list {
			if err := c.advise(ctx, w, i); err != nil {
				return Result{}, err
			}
		}
	}
	r := c.Result(ctx, w)
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	return r, nil
}

// Checker has one table ready for questions. It is safe for concurrent use.
type Checker struct {
	Options
	of         Table
	entries    []Entry   // each permission once
	repeated   []Finding // about those that stand there twice
	table      *mapping.Table
	prepared   *policy.Prepared
	principals []mapping.Trust // whom the table believes, for made-up audiences
	routing    func() string   // see Rests
}

// New prepares a table. The error says that the entries are not all of the
// table's API.
func New(t Table, o Options) (*Checker, error) {
	once, repeated := duplicates(t.Entries)
	permissions := make([]mapping.Permission, len(once))
	for i, e := range once {
		permissions[i] = e.Permission
	}
	principals := principalsOf(t, once, o)
	table, err := mapping.NewTable(mapping.Source{
		API: t.API, Permissions: permissions, Routes: t.Routes, Complete: t.Complete, Trust: principals,
	})
	if err != nil {
		return nil, fmt.Errorf("lint: %w", err)
	}
	return &Checker{
		Options: o, of: t, entries: once, repeated: repeated, table: table, prepared: policy.Prepare(table), principals: principals,
		routing: sync.OnceValue(func() string { return routing(table) }),
	}, nil
}

// Result is what is to be said of the table, once the policies are made; not all of
// it if ctx is over by then.
func (c *Checker) Result(ctx context.Context, w Weights) Result {
	r := Result{
		ARN: c.of.API.ARN, Stage: c.of.API.Stage, Complete: c.of.Complete, Permissions: len(c.entries), Routes: routes(c.of, c.entries),
		MaxBytes: c.MaxBytes, Budget: c.Budget,
	}
	for _, e := range c.entries {
		if !current(e.Permission, c.Now) {
			r.Expired++
		}
	}
	r.Findings = append(w.Findings(), c.Table(ctx)...)
	SortFindings(r.Findings)
	r.Callers = w.Callers()
	return r
}

// Table lists the findings that need no policies, in no order; not all of them if
// ctx is over by then.
func (c *Checker) Table(ctx context.Context) []Finding {
	return slices.Concat(c.repeated, overlaps(ctx, c.entries, c.Now), c.unheld(), missingTrust(c.of, c.Options))
}

// routes counts the routes of a table.
func routes(t Table, once []Entry) int {
	ids := map[string]bool{}
	for _, r := range t.Routes {
		ids[r.ID()] = true
	}
	for _, e := range once {
		if r, ok := e.Permission.Route(); ok {
			ids[r.ID()] = true
		}
	}
	return len(ids)
}

func current(p mapping.Permission, now time.Time) bool {
	return p.ExpiresAt.IsZero() || now.Before(p.ExpiresAt)
}

// active lists the permissions that somebody may hold.
func active(entries []Entry, now time.Time) []Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool {
		return e.Permission.Registered || !current(e.Permission, now)
	})
}
