package dev

import (
	"path/filepath"
	"slices"

	"go.uber.org/zap"

	"scopegate/gateway"
	"scopegate/internal/adminwiring"
	"scopegate/internal/flush"
	localflush "scopegate/internal/flush/local"
	"scopegate/mapping"
)

// JobsFile is the name of the file of flushes to be made later, in the folder of
// the embedded store. Where tables are in DynamoDB, or there is no folder, it is a
// temporary one: what it keeps is about caches that end with the process, and
// only a process that goes on has to remember it.
const JobsFile = "jobs.db"

// admin makes the admin API, the same one as in Lambda. It empties the caches of
// both gateways after a change, at once and again later.
func (s *Stack) admin() error {
	log := zap.New(s.trace)
	c := adminwiring.Config{Settings: s.settings, Store: s.store, Log: log, Now: s.options.Now}
	if s.settings.Admin.Flush {
		jobs, err := localflush.Open(filepath.Join(s.folder, JobsFile), localflush.Config{
			Now: s.options.Now,
			OnDropped: func(j flush.Job, err error) {
				log.Warn("flush given up", zap.String("stage", j.Stage), zap.Error(err))
			},
		})
		if err != nil {
			return err
		}
		s.onClose(jobs.Close)
		s.jobs, c.Jobs, c.Client = jobs, jobs, localflush.Gateways(s.gateways)
	}
	var err error
	if s.api, err = adminwiring.New(c); err != nil {
		return err
	}
	if s.jobs != nil {
		s.jobs.Start(s.api.Run)
	}
	return nil
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
