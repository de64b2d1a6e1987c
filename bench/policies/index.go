package main

import (
	"net/netip"
	"slices"
	"strings"
	"sync"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

// base is what every ARN of the tables begins with.
var base = tabletest.API.ARN + "/" + tabletest.API.Stage + "/"

// index answers for many documents which of a fixed list of probes they allow.
// Each resource is matched once against the probes that may match, found by
// what is before its first wildcard, since the documents of one API are made of
// the same resources over and over. It is safe for concurrent use.
type index struct {
	probes []probe // sorted by text
	hits   sync.Map
}

// arn is the method ARN of a probe.
func (p probe) arn() string { return base + p.text }

// matching lists the probes that a resource matches, by their place.
func (x *index) matching(resource string) []int32 {
	if found, ok := x.hits.Load(resource); ok {
		return found.([]int32)
	}
	found := x.match(resource)
	x.hits.Store(resource, found)
	return found
}

func (x *index) match(resource string) []int32 {
	var found []int32
	glob, ours := strings.CutPrefix(resource, base)
	if !ours {
		for i, p := range x.probes {
			if mapping.Match(resource, p.arn()) {
				found = append(found, int32(i))
			}
		}
		return found
	}
	for _, prefix := range prefixes(glob) {
		from, _ := slices.BinarySearchFunc(x.probes, prefix, func(p probe, s string) int { return strings.Compare(p.text, s) })
		for i := from; i < len(x.probes) && strings.HasPrefix(x.probes[i].text, prefix); i++ {
			if mapping.Match(glob, x.probes[i].text) {
				found = append(found, int32(i))
			}
		}
	}
	return found
}

// prefixes lists what a text that the glob matches may begin with. A method
// written with ? may be several.
func prefixes(glob string) []string {
	verb, rest, _ := strings.Cut(glob, "/")
	if strings.Contains(verb, "*") {
		return []string{verb[:strings.IndexAny(verb, "*?")]}
	}
	if wild := strings.IndexAny(rest, "*?"); wild >= 0 {
		rest = rest[:wild]
	}
	var list []string
	for _, m := range mapping.Methods {
		if mapping.Match(verb, string(m)) {
			list = append(list, string(m)+"/"+rest)
		}
	}
	return list
}

// decide says of each probe what the document does with it; into is reused. It
// does not read NotResource, which no document here has.
func (x *index) decide(d policy.Document, into []policy.Decision) []policy.Decision {
	into = into[:0]
	for range x.probes {
		into = append(into, policy.NotMatched)
	}
	for _, s := range d.Statement {
		if !counts(s) {
			continue
		}
		said := policy.ExplicitlyDenied
		if s.Effect == policy.Allow {
			said = policy.Allowed
		}
		for _, r := range s.Resource {
			for _, i := range x.matching(r) {
				into[i] = max(into[i], said) // a Deny is the largest
			}
		}
	}
	return into
}

// counts asks policy.Evaluate whether the statement's action and conditions
// hold now, by giving it a resource that everything matches.
func counts(s policy.Statement) bool {
	s.Resource, s.NotResource = policy.Strings{"*"}, nil
	d := policy.Document{Statement: []policy.Statement{s}}
	return policy.Evaluate(d, base, tabletest.Now, netip.Addr{}) != policy.NotMatched
}
