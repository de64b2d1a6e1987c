package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

// ways of writing a policy, in the order of reports.
const (
	naive = "naive" // {id} as *, one statement for each route
	array = "array" // the same resources, all in one statement
	ours  = "ours"
)

var ways = []string{naive, array, ours}

// globsOf lists a resource for each route that is held, {id} written as *, as
// most blog posts do.
func globsOf(t *mapping.Table, h mapping.Held) []string {
	var list []string
	for _, v := range mapping.Methods {
		for _, route := range t.Templates(v) {
			if h.Holds(route) {
				list = append(list, base+string(v)+"/"+naiveGlob(route.Resource))
			}
		}
	}
	return list
}

func naiveGlob(r mapping.Resource) string {
	var parts []string
	for _, s := range r.Segments() {
		if s.Kind == mapping.Literal {
			parts = append(parts, s.Text)
		} else {
			parts = append(parts, "*")
		}
	}
	if r.TrailingSlash() {
		parts = append(parts, "")
	}
	return strings.Join(parts, "/")
}

func naiveDocument(globs []string) policy.Document {
	d := policy.Document{Version: policy.Version}
	for _, g := range globs {
		d.Statement = append(d.Statement, policy.Statement{Action: policy.Strings{policy.Invoke}, Effect: policy.Allow, Resource: policy.Strings{g}})
	}
	return d
}

func arrayDocument(globs []string) policy.Document {
	return policy.Document{Version: policy.Version, Statement: []policy.Statement{
		{Action: policy.Strings{policy.Invoke}, Effect: policy.Allow, Resource: globs},
	}}
}

// request is one that is allowed: its answer is the policy that API Gateway
// keeps, with the conditions on time that go into it by default.
var request = policy.Request{ARN: base + "GET/", End: tabletest.Now.Add(time.Hour)}

// answer is an authorizer's output around a policy.
type answer struct {
	PrincipalID    string            `json:"principalId"`
	PolicyDocument policy.Document   `json:"policyDocument"`
	Context        map[string]string `json:"context"`
}

const guid = "8f2b6f2e-1d1c-4b8a-9a45-0c9f6c1f0a11"

// context is that of a typical Entra caller, without scopes and roles: they make
// way where the policy needs the room.
var context = map[string]string{
	"oid": guid, "tid": guid, "appid": guid, "sub": strings.Repeat("s", 43), "principalType": "user",
	"revision": "1234-" + strings.Repeat("r", 26), "exp": "1893502800", "truncated": "true",
}

// answerBytes is the size of the whole answer, minified as the authorizer
// writes it.
func answerBytes(d policy.Document) int {
	return size(answer{PrincipalID: guid + ":" + guid, PolicyDocument: d, Context: context})
}

// envelope is what the answer has besides the policy document, in bytes.
func envelope() int { return answerBytes(policy.Document{}) - size(policy.Document{}) }

func size(v any) int {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // strings only: there is nothing that could fail
	}
	return len(bytes.TrimRight(b.Bytes(), "\n"))
}
