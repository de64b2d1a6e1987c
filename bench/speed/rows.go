package main

import (
	"fmt"
	"slices"
	"strings"

	"scopegate/bench/world"
)

// kind is what a bootstrap must answer to be measured at all.
type kind int

const (
	echoes   kind = iota // the event, or the bytes it was given
	verifies             // the event; Unauthorized to a forged token
	decides              // a policy that allows the caller's route and not another; Unauthorized to a forged token
)

// row is one bootstrap in one environment.
type row struct {
	Name string
	// Pkg is the import path of a Go bootstrap; or, after "node:", the name of a
	// script in bench/peers/node.
	Pkg    string
	Kind   kind
	Caller world.Caller
	Env    []string // beside what trust says
	Full   bool     // trusts the system's roots too

	// Cold, Same and New name the rows that this one is compared with, when it
	// starts, for a token that it knows and for one that it does not; where they
	// are empty it is not measured in that.
	Cold, Same, New string
	// As names the row whose answer this one gives to every event; it is written
	// into the file Answer before.
	As, Answer string

	// Queries says that each request is a Query of DynamoDB; such a row is asked a
	// fifth as often.
	Queries bool
}

// node marks the packages that are scripts.
const node = "node:"

// The rows that others are compared with, and that goals speak of.
const (
	echoRow  = "echo"
	againRow = "echo, again"
	// These echo the bytes that ours answers with.
	bytesRow     = "echo, an answer as ours"
	bytesHundred = "echo, an answer as ours of 100 routes"
	rsaRow       = "echo + RSA verify"
	floorRow     = "cold floor, one root"
	floorFull    = "cold floor, all roots"
	floor110Row  = "cold floor, one root, 110 routes in the table"
	oursRow      = "scopegate, one route"
	oursFull     = "scopegate, all roots"
	hundredRow   = "scopegate, 100 routes"
	quietRow     = "scopegate, one route, no line in the log"
	queryRow     = "go-oidc, a Query a request"
	nodeRow      = "Node, aws-jwt-verify, static list"
)

// deployed marks the rows that run with the environment of serverless.yml.
const deployed = ", as deployed"

const module = "scopegate/"

// rows are all there are, in the order of the report. tuned is what serverless.yml
// sets of the Go runtime's own; answers is the beginning of files' names.
func rows(w *world.World, t tables, key, answers string, tuned []string) []row {
	claims := []string{"ISSUER=" + w.Issuer(), "AUDIENCE=" + w.Provider.Audience(), "KEY_FILE=" + key, "KEY_ID=" + w.Provider.KeyID(), "PERMISSIONS=" + t.one.Document}
	floor, floor110 := slices.Concat(w.AWS(), w.Floor(t.one)), slices.Concat(w.AWS(), w.Floor(t.hundred))
	ours, ours110 := append(w.Env(), "TABLE_NAME="+t.one.Scopegate), append(w.Env(), "TABLE_NAME="+t.hundred.Scopegate)
	const echo, rsa, authorizer = module + "bench/peers/echo", module + "bench/peers/rsa", module + "functions/authorizer"
	script := slices.Concat(floor, []string{"PERMISSIONS=" + t.one.Document, "NODE_EXTRA_CA_CERTS=" + w.CAFile()})
	const prototype, query = module + "bench/peers/prototype", module + "bench/peers/query"
	const static, least = module + "bench/peers/static", module + "bench/peers/floor"
	list := []row{
		{Name: echoRow, Pkg: echo, Cold: floorRow, Same: echoRow, New: rsaRow},
		{Name: againRow, Pkg: echo, Cold: floorRow, Same: echoRow, New: rsaRow},
		{Name: bytesRow, Pkg: echo, As: oursRow, Answer: answers + "-one.json", Same: echoRow},
		{Name: bytesHundred, Pkg: echo, As: hundredRow, Answer: answers + "-hundred.json", Same: echoRow},
		{Name: rsaRow, Pkg: rsa, Kind: verifies, Env: []string{"KEY_FILE=" + key}, Same: echoRow, New: rsaRow},
		{Name: "by hand, static map", Pkg: static, Kind: decides, Env: claims, Cold: floorRow, Same: echoRow, New: rsaRow},
		{Name: "by hand, static map, remembered", Pkg: static, Kind: decides, Env: append(slices.Clone(claims), "REMEMBER=1"), Same: echoRow, New: rsaRow},
		{Name: floorRow, Pkg: least, Kind: decides, Env: floor, Cold: floorRow},
		{Name: floorFull, Pkg: least, Kind: decides, Env: floor, Full: true, Cold: floorFull},
		{Name: floor110Row, Pkg: least, Kind: decides, Env: floor110, Caller: world.Hundred, Cold: floor110Row},
		{Name: "prototype: go-oidc, SDK, remembered", Pkg: prototype, Kind: decides, Env: append(slices.Clone(floor), "REMEMBER=1"), Cold: floorRow, Same: echoRow, New: rsaRow},
		{Name: "prototype, all roots", Pkg: prototype, Kind: decides, Env: floor, Full: true, Cold: floorFull},
		{Name: "prototype, not remembered", Pkg: prototype, Kind: decides, Env: floor, Same: echoRow, New: rsaRow},
		{Name: queryRow, Pkg: query, Kind: decides, Env: floor, Cold: floorRow, Same: echoRow, New: rsaRow, Queries: true},
		{Name: "go-oidc, Query + LRU", Pkg: query, Kind: decides, Env: append(slices.Clone(floor), "LRU=1"), Same: echoRow, New: rsaRow},
		{Name: nodeRow, Pkg: node + "static", Kind: decides, Env: script, Cold: floorRow, Same: echoRow, New: rsaRow},
		{Name: "Node, aws-jwt-verify, a Query a request", Pkg: node + "dynamo", Kind: decides, Env: script, Cold: floorRow, Same: echoRow, New: rsaRow, Queries: true},
		{Name: "Node, aws-jwt-verify, Query + Map", Pkg: node + "dynamo", Kind: decides, Env: append(slices.Clone(script), "MAP=1"), Same: echoRow, New: rsaRow},
		{Name: oursRow, Pkg: authorizer, Kind: decides, Env: ours, Cold: floorRow, Same: echoRow, New: rsaRow},
		{Name: quietRow, Pkg: authorizer, Kind: decides, Env: append(slices.Clone(ours), "LOG_LEVEL=error"), Same: echoRow},
		{Name: oursFull, Pkg: authorizer, Kind: decides, Env: ours, Full: true, Cold: floorFull},
		{Name: hundredRow, Pkg: authorizer, Kind: decides, Env: ours110, Caller: world.Hundred, Cold: floor110Row, Same: echoRow, New: rsaRow},
	}
	for i := range list {
		if list[i].Caller == (world.Caller{}) {
			list[i].Caller = world.One
		}
		if list[i].As != "" {
			list[i].Env = []string{"ANSWER=" + list[i].Answer}
		}
	}
	return append(list, tunedRows(list, tuned)...)
}

// tunedRows repeat rows with the Go runtime set as it is deployed: each is compared
// with the others that are.
func tunedRows(list []row, tuned []string) []row {
	var more []row
	for _, name := range []string{echoRow, bytesRow, bytesHundred, rsaRow, floorRow, floorFull, floor110Row, oursRow, quietRow, oursFull, hundredRow} {
		r := list[slices.IndexFunc(list, func(r row) bool { return r.Name == name })]
		r.Name += deployed
		r.Env = slices.Concat(r.Env, tuned)
		for _, base := range []*string{&r.Cold, &r.Same, &r.New} {
			if *base != "" {
				*base += deployed
			}
		}
		more = append(more, r)
	}
	return more
}

// only keeps the rows that are asked for, by parts of their names, and those that
// they are compared with.
func only(list []row, parts []string) ([]row, error) {
	if len(parts) == 0 {
		return list, nil
	}
	keep := map[string]bool{}
	for _, part := range parts {
		found := false
		for _, r := range list {
			if strings.Contains(r.Name, part) {
				found = true
				for _, name := range []string{r.Name, r.Cold, r.Same, r.New, r.As} {
					keep[name] = true
				}
			}
		}
		if !found {
			return nil, fmt.Errorf("--only %q: must be part of a row's name; they are %s", part, strings.Join(names(list), "; "))
		}
	}
	return slices.DeleteFunc(slices.Clone(list), func(r row) bool { return !keep[r.Name] }), nil
}

func names(list []row) []string {
	var all []string
	for _, r := range list {
		all = append(all, r.Name)
	}
	return all
}
