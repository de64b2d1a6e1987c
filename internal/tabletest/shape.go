package tabletest

import (
	"math/rand/v2"
	"slices"

	"scopegate/mapping"
)

// collections are names as public APIs have them: many begin as others do, and
// some are the beginning of others.
var collections = []string{
	"account", "accounts", "actions", "app", "apps", "app-alerts", "billing", "cdn", "certificates", "customers", "customer-tags",
	"database-clusters", "databases", "domains", "droplets", "droplet-actions", "firewalls", "functions", "images", "image-actions",
	"invoices", "keys", "kubernetes", "load_balancers", "monitoring", "projects", "regions", "registries", "registry", "reserved_ips",
	"reserved_ipv6", "reserved_ipv6s", "sizes", "snapshots", "spaces", "tags", "uptime", "volumes", "volume-actions", "vpcs", "vpc_peerings", "1-clicks",
}

// below are names of what an item has.
var below = []string{"actions", "action", "backups", "records", "record_sets", "members", "metrics", "neighbors", "nodes", "options", "repositories", "rules", "tags", "tokens", "users"}

// beside are fixed names in the place of an {id}.
var beside = []string{"default", "export", "me", "search", "actions", "batch", "by-name"}

// Shape makes an API in the shape of public ones: collections, items, what items
// have, actions, fixed names beside {id}, and a scope for each verb of each
// collection. The same seed gives the same source. About one route in thirty is
// registered only, and one in thirty needs two scopes.
func Shape(seed uint64) mapping.Source {
	s := &shape{random: rand.New(rand.NewPCG(seed, 7)), seen: map[string]bool{}}
	s.base = []string{"v2/", "", "api/v1/"}[s.random.IntN(3)]
	names := slices.Clone(collections)
	s.random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, name := range names[:4+s.random.IntN(len(names)-8)] {
		s.collection(s.base+name, name, 0)
	}
	return mapping.Source{API: API, Permissions: s.permissions, Complete: true, Trust: Trust}
}

type shape struct {
	random      *rand.Rand
	base        string
	permissions []mapping.Permission
	seen        map[string]bool
}

// sometimes is true one time in n.
func (s *shape) sometimes(n int) bool { return s.random.IntN(n) == 0 }

func (s *shape) pick(from []string) string { return from[s.random.IntN(len(from))] }

func (s *shape) add(verb, route, scope string) {
	switch s.random.IntN(30) {
	case 0:
		scope = ""
	case 1:
		scope += " billing:read"
	}
	p := Permission(verb, route, scope)
	if !s.seen[p.ID()] {
		s.seen[p.ID()] = true
		s.permissions = append(s.permissions, p)
	}
}

// collection adds what begins with a path, deeper and deeper.
func (s *shape) collection(path, name string, depth int) {
	read, write, remove := name+":read", name+":write", name+":delete"
	s.add("GET", path, read)
	if !s.sometimes(4) {
		s.add("POST", path, write)
	}
	item := path + "/{" + s.pick([]string{"id", "name", "slug"}) + "}"
	if s.sometimes(6) {
		s.add("GET", path+"/{path+}", read)
		return
	}
	s.add("GET", item, read)
	for _, verb := range []string{"PUT", "PATCH", "HEAD"} {
		if s.sometimes(2) {
			s.add(verb, item, write)
		}
	}
	s.add("DELETE", item, remove)
	for range s.random.IntN(3) {
		s.add(s.pick([]string{"GET", "POST", "GET"}), path+"/"+s.pick(beside), name+":"+s.pick([]string{"read", "admin"}))
	}
	for range s.random.IntN(4 - depth) {
		sub := s.pick(below)
		scope := name
		if s.sometimes(3) {
			scope = name + "." + sub
		}
		if depth < 2 && !s.sometimes(3) {
			s.collection(item+"/"+sub, scope, depth+1)
			continue
		}
		s.add(s.pick([]string{"GET", "POST", "ANY"}), item+"/"+sub, scope+":"+s.pick([]string{"read", "write"}))
	}
}
