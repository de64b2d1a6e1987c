package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"scopegate/bench/internal/wire"
	"scopegate/internal/idp"
)

// step is something that happens at a time after the start.
type step struct {
	at   time.Duration
	what string
	do   func(context.Context) error
}

// steps are all that happens around the authorizer, in order.
func (s *site) steps() []step {
	o := s.options
	var all []step
	add := func(at time.Duration, what string, do func(context.Context) error) {
		all = append(all, step{at, what, do})
	}
	n := 0
	for at := o.editEvery; at < o.length; at += o.editEvery {
		table := n % o.tables
		add(at, "", func(ctx context.Context) error { return s.edit(ctx, table) })
		n++
	}
	for at := o.length / 50; at < o.length*9/10; at += o.length / 25 {
		add(at, "", func(context.Context) error { return s.watch() })
		add(at+o.length/50, "", s.revoke)
	}
	// An unknown kid may cause two fetches in five minutes, that of the start counted.
	rotations := []time.Duration{o.length / 3}
	if o.length*55/100 > 5*time.Minute {
		rotations = append(rotations, o.length*88/100)
	}
	for _, at := range rotations {
		add(at, "the provider's key is replaced", func(context.Context) error { return s.rotate() })
	}
	for _, h := range s.hiccups() {
		add(h.at, fmt.Sprintf("the store is %s for %v", h.mode, h.length), func(context.Context) error {
			s.truth.fail(h.mode.String(), h.length >= o.maxStale)
			s.proxy.Set(h.mode)
			return nil
		})
		add(h.at+h.length, "the store is healthy", func(context.Context) error {
			if s.options.untilFelt && h.length >= s.options.maxStale {
				s.untilFelt()
			}
			s.proxy.Set(wire.Healthy)
			s.truth.recovered()
			return nil
		})
	}
	// Before a key is replaced: whoever meets it first while the provider is down fails.
	add(o.length*24/100, "the provider is down", func(context.Context) error { s.provider.Fail(idp.Down); return nil })
	add(o.length*29/100, "the provider is up", func(context.Context) error { s.provider.Fail(idp.Healthy); return nil })
	slices.SortStableFunc(all, func(a, b step) int { return int(a.at - b.at) })
	return all
}

// untilFelt waits until a call has failed, if it takes no longer than one may be
// patient.
func (s *site) untilFelt() {
	for until := time.Now().Add(s.options.patience); !s.felt.Load() && time.Now().Before(until); {
		time.Sleep(time.Millisecond)
	}
}

// hiccup is one time in which the store misbehaves.
type hiccup struct {
	at, length time.Duration
	mode       wire.Mode
}

func (s *site) hiccups() []hiccup {
	o := s.options
	list := []hiccup{
		{o.length * 10 / 100, o.hiccup, wire.Refused}, {o.length * 20 / 100, o.hiccup, wire.Dropped},
		{o.length * 40 / 100, o.hiccup, wire.Hanging}, {o.length * 50 / 100, o.hiccup, wire.Slow}, {o.length * 93 / 100, o.hiccup, wire.Hanging},
	}
	if o.outage > 0 {
		list = append(list, hiccup{o.length * 70 / 100, o.outage, wire.Refused})
	}
	return list
}

// churn takes the steps when they are due, and renews tokens in between, until the
// time is over. A step that comes to nothing ends the run: what is so would not be
// known.
func (s *site) churn(ctx context.Context, progress io.Writer) error {
	began := time.Now()
	renewal := time.NewTicker(s.options.renewEvery)
	defer renewal.Stop()
	left, next := s.steps(), 0
	for {
		wait := s.options.length - time.Since(began)
		if len(left) > 0 {
			wait = left[0].at - time.Since(began)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-renewal.C:
			if err := s.renew(next % len(s.tokens)); err != nil {
				return err
			}
			next++
		case <-time.After(wait):
			if len(left) == 0 {
				return nil
			}
			if left[0].what != "" {
				fmt.Fprintf(progress, "%8v %s\n", time.Since(began).Round(time.Millisecond), left[0].what)
			}
			if err := left[0].do(ctx); err != nil {
				return err
			}
			left = left[1:]
		}
	}
}
