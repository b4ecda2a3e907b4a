package renew

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/taskagent/taskagent/identity"
)

// request is a call of Renew.
type request struct {
	names []string
	reply chan<- error
}

// Renew renews the identities named, all without a name, now instead of when
// they are due, and returns when that is done. It needs Run to be running, and
// waits for it until ctx is done.
func (r *Renewer) Renew(ctx context.Context, names ...string) error {
	if len(names) == 0 {
		names = r.cfg.Names
	}
	for _, name := range names {
		if r.entries[name] == nil { // the map itself never changes
			return fmt.Errorf("renew: there is no identity %q", name)
		}
	}
	reply := make(chan error, 1)
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	select {
	case r.requests <- request{names, reply}:
	case <-r.done:
		return errors.New("renew: renewing has ended")
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-reply:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Current returns the newest token of an identity, which may have expired, and
// false when there is none yet or no such identity.
func (r *Renewer) Current(name string) (identity.Token, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[name]
	if e == nil || e.token.IsZero() {
		return identity.Token{}, false
	}
	return e.token, true
}

// NextRenewal returns when each identity will be renewed next, or tried again.
// Those that never are, because they do not expire or somebody else renews them,
// are missing.
func (r *Renewer) NextRenewal() map[string]time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := make(map[string]time.Time, len(r.entries))
	for name, e := range r.entries {
		if !e.plan.none() && r.notifier == nil {
			next[name] = e.plan.due
		}
	}
	return next
}

// tokens returns the tokens there are of the identities named. r.mu is held.
func (r *Renewer) tokens(names map[string]bool) map[string]identity.Token {
	tokens := make(map[string]identity.Token, len(names))
	for name := range maps.Keys(names) {
		if e := r.entries[name]; e != nil && !e.token.IsZero() {
			tokens[name] = e.token
		}
	}
	return tokens
}
