package dev

import (
	"context"
	"path/filepath"
	"slices"

	"go.uber.org/zap"

	"scopegate/gateway"
	"scopegate/internal/flush"
	localflush "scopegate/internal/flush/local"
	"scopegate/mapping"
)

// JobsFile is the name of the file of flushes to be made later, in the folder of
// the embedded store. Where tables are in DynamoDB, or there is no folder, it is a
// temporary one: what it keeps is about caches that end with the process, and
// only a process that goes on has to remember it.
const JobsFile = "jobs.db"

// flusher empties the caches of both gateways after a change, at once and again
// later, as on AWS; with FLUSH_AUTHORIZER_CACHE=off it does not.
func (s *Stack) flusher() (flush.Flusher, error) {
	if !s.settings.Admin.Flush {
		return flush.Off{}, nil
	}
	log := zap.New(s.trace)
	jobs, err := localflush.Open(filepath.Join(s.folder, JobsFile), localflush.Config{
		Now: s.options.Now,
		OnDropped: func(j flush.Job, err error) {
			log.Warn("flush given up", zap.String("stage", j.Stage), zap.Error(err))
		},
	})
	if err != nil {
		return nil, err
	}
	s.jobs = jobs
	s.onClose(jobs.Close)
	c, err := flush.New(flush.Config{
		Client: localflush.Gateways(s.gateways), Jobs: jobs, APIs: s.store.APIs, TTL: s.settings.CacheTTL, Now: s.options.Now,
		OnFailure: func(_ context.Context, api mapping.API, err error) {
			log.Warn("flush failed", zap.String("stage", api.Stage), zap.Error(err))
		},
	})
	if err != nil {
		return nil, err
	}
	s.run = c.Run
	jobs.Start(c.Run)
	return c, nil
}

// gateways are those of both flavours that serve a table.
func (s *Stack) gateways(api mapping.API) []*gateway.Gateway {
	return slices.Concat(s.rest.serving(api), s.http.serving(api))
}

// serving is the gateway of a table, if it was asked for already: before that it
// has no cache that could hold anything.
func (f *fleet) serving(api mapping.API) []*gateway.Gateway {
	f.mu.Lock()
	defer f.mu.Unlock()
	if g := f.gateways[api]; g != nil {
		return []*gateway.Gateway{g}
	}
	return nil
}
