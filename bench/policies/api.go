package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"scopegate/internal/tabletest"
	"scopegate/mapping"
	"scopegate/policy"
)

// fileRoute is one route of a file.
type fileRoute struct {
	Method   string     `json:"method"`
	Path     string     `json:"path"`
	Requires [][]string `json:"requires"` // alternatives of scopes that are all needed
}

// leftOut is a route that API Gateway cannot declare.
type leftOut struct {
	Route string `json:"route"`
	Why   string `json:"why"`
}

// api is what one file makes.
type api struct {
	name     string
	table    *mapping.Table
	prepared *policy.Prepared
	routes   []mapping.Route
	scopes   []string // sorted
	leftOut  []leftOut
	// merged counts the routes that differ from an earlier one in the names of
	// parameters only, which API Gateway does not tell apart: they are one route
	// here, and what either requires opens it.
	merged int
}

// readFolder reads every *.json of a folder, in the order of names.
func readFolder(folder string) ([]*api, error) {
	names, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: no *.json file is there", folder)
	}
	var list []*api
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		a, err := parse(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		a.name = strings.TrimSuffix(filepath.Base(name), ".json")
		list = append(list, a)
	}
	return list, nil
}

// parse makes a complete table of a file's routes.
func parse(b []byte) (*api, error) {
	var routes []fileRoute
	if err := json.Unmarshal(b, &routes); err != nil {
		return nil, fmt.Errorf("read routes: %w", err)
	}
	a := &api{}
	var permissions []mapping.Permission
	known := map[string]bool{}
	scopes := map[string]bool{}
	for _, r := range routes {
		route, err := mapping.NewRoute(tabletest.API, r.Method, r.Path)
		if err != nil {
			a.leftOut = append(a.leftOut, leftOut{r.Method + " " + r.Path, err.Error()})
			continue
		}
		if known[route.ID()] {
			a.merged++
		} else {
			a.routes = append(a.routes, route)
		}
		known[route.ID()] = true
		list, err := permissionsOf(r, scopes)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
		}
		permissions = append(permissions, list...)
	}
	table, err := mapping.NewTable(mapping.Source{API: tabletest.API, Permissions: permissions, Complete: true, Trust: tabletest.Trust})
	if err != nil {
		return nil, err
	}
	for s := range scopes {
		a.scopes = append(a.scopes, s)
	}
	slices.Sort(a.scopes)
	a.table, a.prepared = table, policy.Prepare(table)
	return a, nil
}

// permissionsOf makes a permission of each alternative, and notes its scopes.
func permissionsOf(r fileRoute, scopes map[string]bool) ([]mapping.Permission, error) {
	if len(r.Requires) == 0 {
		p, err := permission(r, "")
		return []mapping.Permission{p}, err
	}
	var list []mapping.Permission
	for _, all := range r.Requires {
		for _, s := range all {
			if s == "" || strings.Contains(s, " ") {
				return nil, fmt.Errorf("requires: %q is not one scope", s)
			}
			scopes[s] = true
		}
		if len(all) == 0 {
			return nil, fmt.Errorf("requires: an alternative names no scope")
		}
		p, err := permission(r, strings.Join(all, " "))
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

func permission(r fileRoute, scope string) (mapping.Permission, error) {
	doc := map[string]any{"arn": tabletest.API.ARN, "stage": tabletest.API.Stage, "httpVerb": r.Method, "resource": r.Path}
	if scope == "" {
		doc["registered"] = true
	} else {
		doc["scope"] = scope
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return mapping.Permission{}, err
	}
	return mapping.ParsePermission(b)
}
