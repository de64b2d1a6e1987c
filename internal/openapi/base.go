package openapi

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// basePath is what stands in front of every path. The base path of an address of
// API Gateway's own is the stage, which is no part of a route.
func (r *reader) basePath(servers openapi3.Servers) (string, error) {
	var bases []string
	for _, s := range servers {
		base, err := pathOf(s)
		if err != nil && r.BasePath == Prepend {
			return "", fmt.Errorf("read OpenAPI: server %q: %w", short(s.URL), err)
		}
		if base != "" && !slices.Contains(bases, base) {
			bases = append(bases, base)
		}
	}
	if len(bases) == 0 {
		return "", nil
	}
	names := short(strings.Join(bases, ", "))
	switch {
	case r.BasePath != Prepend:
		r.note("", "", Server, names, "the servers' base path is not part of the routes (a base path that is prepended is)")
		return "", nil
	case len(bases) > 1:
		return "", fmt.Errorf("read OpenAPI: servers: have several base paths (%s): which to prepend is not guessed", names)
	}
	return bases[0], nil
}

// ownServers notes that a path or an operation has servers of its own.
func (r *reader) ownServers(path, method string) {
	r.note(path, method, Server, "servers", "has servers of its own; it is taken for a route of this API all the same")
}

// pathOf is the base path of a server, its variables at their defaults.
func pathOf(s *openapi3.Server) (string, error) {
	address := s.URL
	for _, name := range sortedKeys(s.Variables) {
		if v := s.Variables[name]; v != nil {
			address = strings.ReplaceAll(address, "{"+name+"}", v.Default)
		}
	}
	if strings.Contains(address, ".execute-api.") {
		return "", nil
	}
	u, err := url.Parse(address)
	if err != nil || strings.ContainsAny(address, "{}") {
		return "", errors.New("is no URL, or has a variable without a default")
	}
	if base := strings.Trim(u.Path, "/"); base != "" {
		return "/" + base, nil
	}
	return "", nil
}
