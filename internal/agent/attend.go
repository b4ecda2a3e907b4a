package agent

import (
	"context"
	"maps"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/wire"
	"github.com/taskagent/taskagent/renew"
)

// publishAgain is when a token that could not be published is tried again.
const publishAgain = 5 * time.Second

// attend keeps the identities fresh until done, or until they are gone for good.
func (s *session) attend(ctx context.Context, done <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	var renewed <-chan renew.Update
	if s.renewer != nil {
		watch := s.renewer.Watch()
		defer watch.Stop()
		renewed = watch.C()
		go func() { ended <- s.renewer.Run(ctx) }()
	}
	s.report(ctx)
	defer s.rest()()
	published := s.current()
	var again <-chan time.Time
	for {
		select {
		case <-done:
			return nil
		case <-s.origin.Lost():
			return s.origin.Why()
		case err := <-ended:
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
			ended = nil
		case <-renewed:
			if maps.Equal(published, s.current()) {
				continue // the first update is what was there already
			}
		case <-again:
		}
		tokens := s.current()
		again = nil
		if published = s.changed(published, tokens); !maps.Equal(published, tokens) {
			again = time.After(publishAgain)
		}
		s.report(ctx)
	}
}

// report tells status when tokens expire and are renewed next.
func (s *session) report(ctx context.Context) {
	r := wire.Report{Expires: map[string]time.Time{}}
	if s.renewer != nil {
		r.NextRenewal = s.renewer.NextRenewal()
	}
	for name, t := range s.current() {
		if !t.Expiry().IsZero() {
			r.Expires[name] = t.Expiry()
		}
	}
	if s.door != nil {
		r.Socket = s.door.path()
	}
	s.origin.Report(ctx, r)
}

// currentDefault is the token that -inject-token adds to a request.
func (s *session) currentDefault() (string, bool) {
	t, ok := s.token(identity.DefaultName)
	return t.Reveal(), ok
}

// current returns the newest token of every identity.
func (s *session) current() map[string]identity.Token {
	tokens := make(map[string]identity.Token, len(s.specs))
	for name := range s.specs {
		if t, ok := s.token(name); ok {
			tokens[name] = t
		}
	}
	return tokens
}

// token returns the newest token of an identity.
func (s *session) token(name string) (identity.Token, bool) {
	if s.renewer != nil {
		if t, ok := s.renewer.Current(name); ok {
			return t, true
		}
	}
	t, ok := s.started.tokens[name]
	return t, ok
}

// renewalFailed warns; the last good token stays where it is.
func (s *session) renewalFailed(f renew.Failure) {
	s.c.Logger.Warn("identities could not be renewed", "identities", f.Names, "retry_in", f.Retry.Round(time.Millisecond), "error", f.Err)
}
