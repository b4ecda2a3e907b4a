package renew

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/taskagent/taskagent/identity"
)

// Config configures a Renewer.
type Config struct {
	// Source hands out the tokens. Required.
	Source Source
	// Names are the identities to keep fresh, at least one, none twice. Required.
	Names []string
	// Initial holds tokens that were fetched already. The others are fetched as
	// soon as Run is called.
	Initial map[string]identity.Token
	// OnFailure is told of every failed attempt, from Run's goroutine, and should
	// come back soon. Nil: nobody is.
	OnFailure func(Failure)
	// Now is the wall clock. Nil: time.Now.
	Now func() time.Time
	// Jitter returns numbers in [0,1). Nil: random ones.
	Jitter func() float64
}

// Failure is a failed attempt to renew.
type Failure struct {
	// Names are the identities that have no new token.
	Names []string
	// Err says why. It holds no token.
	Err error
	// Retry is how long it will be until the next attempt; zero when there is
	// none planned, or the one planned before still stands.
	Retry time.Duration
}

// Renewer keeps tokens fresh while Run runs. Its other methods may be called at
// any time, from any goroutine.
type Renewer struct {
	cfg      Config
	notifier Notifier // the source, if it is one
	requests chan request
	done     chan struct{} // closed when Run has ended

	mu       sync.Mutex // guards what follows
	started  bool
	ended    bool
	entries  map[string]*entry
	watchers map[*Watcher]bool
}

// entry is one identity.
type entry struct {
	token    identity.Token
	plan     plan
	failures int // in a row
}

// New returns a Renewer. It starts nothing: see Run.
func New(cfg Config) (*Renewer, error) {
	if cfg.Source == nil || len(cfg.Names) == 0 {
		return nil, errors.New("renew: a source and at least one identity are needed")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	cfg.Names = slices.Sorted(slices.Values(cfg.Names))
	r := &Renewer{
		cfg: cfg, requests: make(chan request), done: make(chan struct{}),
		entries: make(map[string]*entry), watchers: make(map[*Watcher]bool),
	}
	r.notifier, _ = cfg.Source.(Notifier)
	now, jitter := cfg.Now(), cfg.Jitter()
	for _, name := range cfg.Names {
		if r.entries[name] != nil {
			return nil, fmt.Errorf("renew: identity %q is given twice", name)
		}
		e := &entry{token: cfg.Initial[name]}
		if e.token.IsZero() {
			e.plan = makePlan(now, 0, 0)
		} else {
			e.plan = r.planNext(e.token, now, jitter)
		}
		r.entries[name] = e
	}
	return r, nil
}

// planNext plans what follows a good token.
func (r *Renewer) planNext(t identity.Token, now time.Time, jitter float64) plan {
	if r.notifier != nil {
		return planExpiry(t, now)
	}
	return planRenewal(t, now, jitter)
}

// Run renews until ctx is done, returning ctx's error, or until the source fails
// for good, returning an error that IsPermanent. It blocks, and all goroutines
// have ended when it returns; watchers' channels are closed then. It can be
// called once.
func (r *Renewer) Run(ctx context.Context) error {
	r.mu.Lock()
	twice := r.started
	r.started = true
	r.mu.Unlock()
	if twice {
		return errors.New("renew: Run was called before")
	}
	defer r.end()
	ctx, cancel := context.WithCancel(ctx)
	notified, stopped := r.notify(ctx)
	defer func() {
		cancel()
		if stopped != nil {
			for range stopped { // until it has
			}
		}
	}()
	return r.loop(ctx, notified, stopped)
}

// loop is the one goroutine of a Renewer, with the one timer.
func (r *Renewer) loop(ctx context.Context, notified <-chan struct{}, stopped <-chan error) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Stop()
		if wait, ok := r.wait(); ok {
			timer.Reset(wait)
		}
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			err = r.renew(ctx, r.due(), scheduled)
		case <-notified:
			err = r.renew(ctx, r.cfg.Names, onNotice)
		case err := <-stopped:
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("renew: the source stopped telling of new tokens: %w", err)
		case req := <-r.requests:
			err = r.renew(ctx, req.names, onDemand)
			req.reply <- err
			if !IsPermanent(err) {
				err = nil // the caller's to judge
			}
		}
		if err != nil {
			return err
		}
	}
}

// notify lets a Notifier notify; both channels are nil when there is none. stopped
// delivers its error and is then closed.
func (r *Renewer) notify(ctx context.Context) (notified <-chan struct{}, stopped <-chan error) {
	if r.notifier == nil {
		return nil, nil
	}
	wake, end := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		defer close(end)
		err := r.notifier.Notify(ctx, func() {
			select {
			case wake <- struct{}{}:
			default: // there is one already
			}
		})
		end <- err
	}()
	return wake, end
}

// end closes everything that waits for something of this Renewer.
func (r *Renewer) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	for w := range r.watchers {
		close(w.c)
	}
	clear(r.watchers)
	close(r.done)
}

// wait returns how long to sleep, and false when nothing is planned at all.
func (r *Renewer) wait() (time.Duration, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wait, some := time.Duration(wallClockCheck), false
	for _, e := range r.entries {
		if !e.plan.none() {
			wait, some = min(wait, e.plan.left(r.cfg.Now())), true
		}
	}
	return wait, some
}

// due returns the identities to renew now: when the time of one has come, those
// whose time is near come along, so that what changes together arrives together.
func (r *Renewer) due() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.cfg.Now()
	var names []string
	some := false
	for name, e := range r.entries {
		if e.plan.none() {
			continue
		}
		passed := e.plan.passed(now)
		if passed >= e.plan.early {
			names = append(names, name)
		}
		some = some || passed >= e.plan.delay
	}
	if !some {
		return nil
	}
	slices.Sort(names)
	return names
}
