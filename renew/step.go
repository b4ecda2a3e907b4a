package renew

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/taskagent/taskagent/identity"
)

// occasion is why tokens are fetched.
type occasion int

const (
	scheduled occasion = iota // their time has come
	onDemand                  // Renew was called
	onNotice                  // the source says that some may have changed
)

// What can be wrong with what a source returned.
var (
	errMissing = errors.New("the source returned no token")
	errSame    = errors.New("the source returned the same token again")
	errStale   = errors.New("the token expired and nobody renewed it")
	errOlder   = errors.New("the source returned a token that lasts no longer than the present one")
	errExpired = errors.New("the source returned a token that has expired: do the clocks differ?")
)

// renew fetches tokens for the identities named, takes those that are good and
// plans the next step of each. The error is ctx's, a permanent one, or on demand
// whatever went wrong; everything else was reported and will be tried again.
func (r *Renewer) renew(ctx context.Context, names []string, why occasion) error {
	if len(names) == 0 {
		return nil
	}
	fetchCtx, cancel := context.WithTimeout(ctx, r.timeout(names))
	tokens, fetchErr := r.cfg.Source.Fetch(fetchCtx, slices.Clone(names))
	cancel()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	failures := r.take(names, tokens, fetchErr, why)
	var errs []error
	for _, f := range failures {
		if r.cfg.OnFailure != nil {
			r.cfg.OnFailure(f)
		}
		errs = append(errs, f.Err)
	}
	if IsPermanent(fetchErr) {
		return fetchErr
	}
	if why == onDemand {
		return errors.Join(errs...)
	}
	return nil
}

func (r *Renewer) timeout(names []string) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, timeout := r.cfg.Now(), maxFetch
	for _, name := range names {
		timeout = min(timeout, fetchTimeout(r.entries[name].token, now))
	}
	return timeout
}

// take takes the good ones of the tokens and tells the watchers, of all at once.
func (r *Renewer) take(names []string, tokens map[string]identity.Token, fetchErr error, why occasion) []Failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	var failures []Failure
	var changed []string
	// One number for all: identities with the same lifetime stay together.
	now, jitter := r.cfg.Now(), r.cfg.Jitter()
	for _, name := range names {
		e := r.entries[name]
		token := tokens[name]
		if why == onNotice && token == e.token && !token.IsZero() {
			continue // another one changed
		}
		err := e.judge(token, fetchErr, now, why)
		if err == errSame && r.notifier != nil {
			err = errStale
		}
		if err == nil || err == errExpired {
			// An expired one is taken as well: by the clock of whoever signed it, it
			// may be good.
			e.token = token
			changed = append(changed, name)
		}
		switch {
		case err == nil:
			e.failures = 0
			e.plan = r.planNext(token, now, jitter)
			continue
		case err != errExpired && !e.token.IsZero() && (why == onNotice || why == onDemand && e.failures == 0):
			// What was planned for the present token still stands.
			failures = addFailure(failures, name, err, 0)
			continue
		}
		e.failures++
		if r.notifier != nil {
			e.plan = makePlan(now, maxRetry, maxRetry) // a change will be told of before
		} else {
			e.plan = planRetry(e.token, e.failures, now, jitter)
		}
		failures = addFailure(failures, name, err, e.plan.delay)
	}
	r.deliver(changed)
	return failures
}

// judge returns what is wrong with a token as the next one, nil if nothing.
func (e *entry) judge(token identity.Token, fetchErr error, now time.Time, why occasion) error {
	old := e.token
	switch {
	case token.IsZero() && fetchErr != nil:
		return fetchErr
	case token.IsZero():
		return errMissing
	case token == old:
		return errSame
	}
	expired := !token.Expiry().IsZero() && !now.Before(token.Expiry())
	switch {
	case old.IsZero(), token.Expiry().IsZero(), old.Expiry().IsZero(),
		token.Expiry().After(old.Expiry()),
		// Signed on demand, or within the same second, which times are cut to.
		token.Expiry().Equal(old.Expiry()) && (why == onDemand || token.IssuedAt().Equal(old.IssuedAt())),
		// The old one comes from a clock that was put right since: nobody accepts
		// it before its time, and its expiry is no measure.
		!expired && old.IssuedAt().After(now.Add(time.Minute)):
		if expired {
			return errExpired
		}
		return nil
	}
	return errOlder
}

// addFailure puts identities that fail for the same reason together.
func addFailure(list []Failure, name string, err error, retry time.Duration) []Failure {
	for i := range list {
		if f := &list[i]; f.Err.Error() == err.Error() {
			f.Names = append(f.Names, name)
			if retry > 0 && (f.Retry == 0 || retry < f.Retry) {
				f.Retry = retry
			}
			return list
		}
	}
	return append(list, Failure{Names: []string{name}, Err: err, Retry: retry})
}
