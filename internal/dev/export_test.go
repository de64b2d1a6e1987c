package dev

import "context"

// RunDue makes the flushes that are due by the stack's clock, as its worker does.
func (s *Stack) RunDue(ctx context.Context) int { return s.jobs.RunDue(ctx, s.api.Run) }
