package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/taskagent/taskagent/internal/wire"
)

// attemptTime bounds one attempt at a new connection: a leader may be started
// on the way.
const attemptTime = time.Minute

// endPatience is how long a lease that is to end waits for a leader to come by
// itself: one that takes over is there in less.
const endPatience = 300 * time.Millisecond

// run reads from the connection and makes a new one when it breaks, until the
// lease is lost or given back.
func (l *Lease) run(s *session) {
	defer close(l.done)
	for s != nil {
		err := s.read()
		l.mu.Lock()
		over := l.err != nil
		if l.s == s {
			l.s = nil
		}
		l.mu.Unlock()
		if over {
			return
		}
		l.o.Logger.Debug("the connection to the leader broke", "error", err)
		s = l.reconnect()
	}
}

// reconnect returns a connection on which the lease is resumed, or nil when
// there will be none.
func (l *Lease) reconnect() *session {
	began, warned := time.Now(), false
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		s, err := l.resume()
		if err == nil {
			if warned {
				l.o.Logger.Info("connected to the leader again", "after", time.Since(began).Round(time.Millisecond))
			}
			return s
		}
		if l.ctx.Err() != nil {
			return nil
		}
		if e, ok := errors.AsType[*wire.Error](err); ok && e.Code == wire.CodeLost {
			_ = l.markLost(e)
			return nil
		}
		if l.isEnding() && errors.Is(err, ErrNoLeader) && time.Since(began) > endPatience {
			l.finish(err)
			return nil
		}
		if !warned && time.Since(began) > time.Second {
			l.o.Logger.Warn("no connection to the leader; the task keeps the tokens it has", "error", err)
			warned = true
		}
		if pause(l.ctx, jitter(wait)) != nil {
			return nil
		}
	}
}

// resume makes one attempt. Where a leader was there but went away at once, the
// next attempt follows soon.
func (l *Lease) resume() (*session, error) {
	ctx, cancel := context.WithTimeout(l.ctx, attemptTime)
	defer cancel()
	l.mu.Lock()
	start, report := !l.ending, l.report
	l.mu.Unlock()
	s, err := l.open(ctx, start)
	if err != nil {
		return nil, err
	}
	resp, err := s.handshake(ctx, wire.Request{Resume: &wire.Resume{
		LeaseID: l.start.LeaseID, AllocID: l.allocID, Task: l.start.Task,
	}})
	if err == nil && resp.Resumed == nil {
		err = fmt.Errorf("the leader's answer to a resumption is none")
	}
	if err == nil && (report.Socket != "" || report.TaskPID != 0 || report.NextRenewal != nil || report.Expires != nil) {
		_, err = s.handshake(ctx, wire.Request{Report: &report})
	}
	if err == nil && !l.attach(s) {
		err = errClosed
	}
	if err != nil {
		s.drop()
		return nil, err
	}
	return s, nil
}

func (l *Lease) isEnding() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ending
}

// attach makes s the lease's connection, unless it was given back meanwhile.
func (l *Lease) attach(s *session) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return false
	}
	l.s = s
	close(l.ready)
	l.ready = make(chan struct{})
	return true
}
