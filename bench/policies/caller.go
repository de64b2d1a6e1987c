package main

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
)

// kinds of callers, in the order of reports.
var kinds = []string{"single scope", "all read scopes", "all scopes", "random half"}

// caller is a set of scopes and what it holds.
type caller struct {
	kind   string
	name   string
	scopes []string
	held   mapping.Held
}

// callersOf lists the callers that hold something: the answer to one who holds
// nothing is the same deny-all however it is written. nothing counts those.
func callersOf(a *api, o options) (list []caller, nothing int) {
	add := func(kind, name string, scopes []string) {
		if o.caller != "" && o.caller != name {
			return
		}
		held := a.table.Held(tabletest.Caller(scopes...), tabletest.Now)
		if held.Len() == 0 {
			nothing++
			return
		}
		list = append(list, caller{kind: kind, name: name, scopes: scopes, held: held})
	}
	var read []string
	for _, s := range a.scopes {
		add(kinds[0], s, []string{s})
		if strings.Contains(strings.ToLower(s), "read") {
			read = append(read, s)
		}
	}
	add(kinds[1], kinds[1], read)
	add(kinds[2], kinds[2], a.scopes)
	r := rand.New(rand.NewPCG(o.seed, 0))
	for i := range o.random {
		var half []string
		for _, s := range a.scopes {
			if r.Uint64()&1 == 1 {
				half = append(half, s)
			}
		}
		add(kinds[3], fmt.Sprintf("random %d", i), half)
	}
	return list, nothing
}
