package dev

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"scopegate/gateway"
	"scopegate/mapping"
)

// fleet serves every table of the store in one flavour of API Gateway, each
// stage by a gateway of its own. Which API a request is for says its host name,
// as on AWS: {apiId}.anything; every other name is the main API's. The
// gateways see the request as it came: nothing here cleans the path.
type fleet struct {
	flavour gateway.Flavour
	list    func(context.Context) ([]mapping.API, error)
	make    func(mapping.API) (*gateway.Gateway, error)
	main    string // ARN of the main API; "" is the first one's

	now func() time.Time

	mu       sync.Mutex
	known    []mapping.API
	failed   error     // of the last listing
	failedAt time.Time // when it ended
	gateways map[mapping.API]*gateway.Gateway
}

// A store that hangs must not hang every request: one listing has so much time,
// and its failure counts for so long.
const (
	listWithin   = time.Second
	failureCount = time.Second
)

// noStage is the stage of the gateway that answers where no table is: as for
// any stage that does not exist.
const noStage = "-"

// ServeHTTP answers one request.
func (f *fleet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	api, err := f.api(r.Context(), r.Host, firstSegment(r.RequestURI))
	g, madeErr := f.gateway(api)
	switch {
	case madeErr != nil: // what is listed has been a valid API before
		noteFailure(r, madeErr)
		http.Error(w, madeErr.Error(), http.StatusInternalServerError)
	case err != nil:
		noteFailure(r, err)
		g.Fail(w, r)
	default:
		g.ServeHTTP(w, r)
	}
}

func firstSegment(target string) string {
	target = strings.TrimPrefix(target, "/")
	if i := strings.IndexAny(target, "/?"); i >= 0 {
		return target[:i]
	}
	return target
}

// api finds the table that a request is for. A stage that is not known may have
// been imported since: the store is asked again. With an error nothing is known
// about the stage, and the API is the one without a table.
func (f *fleet) api(ctx context.Context, host, first string) (mapping.API, error) {
	f.mu.Lock()
	api, ok := f.find(host, first)
	strange := f.strange(host)
	failed, age := f.failed, f.now().Sub(f.failedAt)
	f.mu.Unlock()
	switch {
	case ok && !strange:
		return api, nil
	case failed != nil && age < failureCount:
		return api, failed
	}
	ctx, cancel := context.WithTimeout(ctx, listWithin)
	known, err := f.list(ctx)
	cancel()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		if !errors.Is(err, context.Canceled) { // a client that has gone says nothing of the store
			f.failed, f.failedAt = err, f.now()
		}
		return api, err
	}
	f.known, f.failed = known, nil
	api, _ = f.find(host, first)
	return api, nil
}

// gateway gives the gateway of a table.
func (f *fleet) gateway(api mapping.API) (*gateway.Gateway, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.gateways[api]
	if g == nil {
		var err error
		if g, err = f.make(api); err != nil {
			return nil, err
		}
		f.gateways[api] = g
	}
	return g, nil
}

// find names the table that a request is for: the stage of the first segment,
// or $default at the root of HTTP APIs.
func (f *fleet) find(host, first string) (mapping.API, bool) {
	arn := f.arn(host)
	for _, stage := range []string{first, "$default"} {
		api := mapping.API{ARN: arn, Stage: stage}
		if (stage != "$default" || f.flavour == gateway.HTTPv2 && first != "$default") && slices.Contains(f.known, api) {
			return api, true
		}
	}
	return mapping.API{ARN: arn, Stage: noStage}, false
}

// strange reports whether a host name is in the form of one that stands for an
// API, and none is known: it may have been registered since, and must not be
// answered from the main API's table meanwhile.
func (f *fleet) strange(host string) bool {
	label, domain, _ := strings.Cut(strings.ToLower(hostOf(host)), ".")
	return domain == "localhost" && !slices.ContainsFunc(f.known, func(api mapping.API) bool { return strings.EqualFold(api.ID(), label) })
}

func hostOf(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return host
}

// arn is the ARN of the API that a host name stands for.
func (f *fleet) arn(host string) string {
	label, _, _ := strings.Cut(hostOf(host), ".")
	for _, api := range f.known {
		if strings.EqualFold(api.ID(), label) {
			return api.ARN
		}
	}
	switch {
	case f.main != "":
		return f.main
	case len(f.known) > 0:
		return f.known[0].ARN
	}
	return SeedAPI.ARN
}

var errNoSuchAPI = errors.New("must be the id or the ARN of an API that has a table")

// mainAPI finds the ARN of the main API: the one that was asked for, else the
// document's first, else the store's first.
func mainAPI(asked string, document []mapping.Permission, known []mapping.API) (string, error) {
	if asked != "" {
		for _, api := range known {
			if api.ARN == asked || api.ID() == asked {
				return api.ARN, nil
			}
		}
		return "", errNoSuchAPI
	}
	if len(document) > 0 {
		return document[0].API.ARN, nil
	}
	if len(known) > 0 {
		return known[0].ARN, nil
	}
	return "", nil
}
