package nomad

import (
	"context"
	"fmt"
	"time"

	"github.com/taskagent/taskagent/internal/nomad/rpc"
	"github.com/taskagent/taskagent/renew"
)

// The pace of Watch.
const (
	// watchWait is how long the servers hold an answer when there is no news.
	watchWait = 5 * time.Minute
	// watchPace is the least time from one question to the next: a server that
	// answers every one at once must not be kept busy.
	watchPace = 500 * time.Millisecond
	// The delays after a failure.
	minWatchRetry = time.Second
	maxWatchRetry = 30 * time.Second
)

// Watch blocks until the task or its allocation has ended and returns a permanent
// *EndedError then, or until ctx is done, returning its error. While the servers
// cannot be asked it goes on trying: without them, nothing ends.
//
// It holds one connection to one server, and wakes when the allocation changes,
// or every five minutes. Servers take 100 connections from an address, unless
// their limits.rpc_max_conns_per_client says otherwise: with as many tasks on a
// machine it has to.
func (s *Source) Watch(ctx context.Context) error {
	failed := false
	retry := minWatchRetry
	var seen uint64 // the index that was seen; zero asks for the present state at once
	for ctx.Err() == nil {
		asked := time.Now()
		next, err := s.look(ctx, seen)
		switch {
		case ctx.Err() != nil:
		case renew.IsPermanent(err):
			return err
		case err != nil:
			if !failed {
				s.cfg.Logger.Warn("cannot watch the allocation", "alloc_id", s.cfg.AllocID, "error", err)
			}
			failed, seen = true, 0
			s.pause(ctx, time.Duration((0.5+0.5*s.cfg.Jitter())*float64(retry)))
			retry = min(2*retry, maxWatchRetry)
		default:
			if failed {
				s.cfg.Logger.Info("watching the allocation again", "alloc_id", s.cfg.AllocID)
			}
			failed, seen, retry = false, next, minWatchRetry
			s.pause(ctx, watchPace-time.Since(asked))
		}
	}
	return ctx.Err()
}

// look asks about the allocation, waiting for news beyond the index seen, and
// returns the index to wait beyond next.
//
// The question goes to the leader. A server that lost its leader would answer
// from what it knew, for as long as it stands alone.
func (s *Source) look(ctx context.Context, seen uint64) (next uint64, err error) {
	var g getAllocs
	if err := s.ask(ctx, s.once, &g, rpc.Query{MinIndex: seen, Wait: watchWait}); err != nil {
		return 0, err
	}
	next = g.index
	if g.found == nil && seen > 0 {
		// Either the time is over, or some other allocation changed and ours had no
		// news, or it is gone: the answers are the same.
		if err := s.ask(ctx, s.once, &g, rpc.Query{}); err != nil {
			return 0, err
		}
		next = max(next, g.index)
	}
	if reason := g.found.ended(s.cfg.Task); reason != "" {
		return 0, renew.Permanent(&EndedError{s.cfg.AllocID, s.cfg.Task, reason})
	}
	if next < seen {
		next = 0 // the servers began anew, from a backup for example
	}
	return next, nil
}

// Describe returns what the servers know about the allocation. The error is
// permanent when it, or the task, has ended.
func (s *Source) Describe(ctx context.Context) (*Allocation, error) {
	var g getAllocs
	if err := s.ask(ctx, s.rpc, &g, rpc.Query{}); err != nil {
		return nil, err
	}
	if reason := g.found.ended(s.cfg.Task); reason != "" {
		return nil, renew.Permanent(&EndedError{s.cfg.AllocID, s.cfg.Task, reason})
	}
	return g.found, nil
}

func (s *Source) ask(ctx context.Context, c *rpc.Client, g *getAllocs, q rpc.Query) error {
	if err := c.Do(ctx, g.call(s.cfg.AllocID, q)); err != nil {
		return fmt.Errorf("look at allocation %q: %w", s.cfg.AllocID, err)
	}
	return nil
}

// pause waits for d, or until ctx is done.
func (s *Source) pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
