package gate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/taskagent/taskagent/identity"
)

const jwksPath = "/.well-known/jwks.json"

// The lives of keys that were fetched. How long Nomad wants them kept, which may
// be weeks, is cut short, so that a key that was removed for a reason does not
// count for long.
const (
	// refreshAfter is the age at which they are fetched again while they are used.
	refreshAfter = 5 * time.Minute
	// minKeep and maxKeep bound the age at which they count no more.
	minKeep, maxKeep = 10 * time.Minute, time.Hour
	// fetchPace is the least time between two fetches. Whoever names keys that do
	// not exist waits for it; whoever has a token of a new key does, too, and gets
	// it.
	fetchPace = time.Second
)

// keys are the cluster's public keys.
type keys struct {
	api *api

	mu     sync.Mutex // guards what follows
	set    identity.StaticKeySet
	asked  time.Time // when set was asked for
	until  time.Time // when it counts no more, by the wall clock
	begun  time.Time // when the last fetch began
	failed error     // what came of it, unless it was one token's fault
	flight *flight   // the fetch under way
}

// flight is a fetch that any number of requests wait for.
type flight struct {
	done chan struct{}
	err  error // read it after done
}

func newKeys(a *api) *keys { return &keys{api: a} }

// errRefused says that the cluster wants a token to publish its keys, and not the
// one it was given.
var errRefused = errors.New("the cluster does not take it")

// find returns a set that has the key, fetching it if need be. Its error is
// forbidden when the cluster has no such key.
func (k *keys) find(ctx context.Context, kid, token string) (identity.KeySet, error) {
	arrived, fetched := time.Now(), false
	for {
		k.mu.Lock()
		now := time.Now()
		if k.set != nil && now.Round(0).Before(k.until) {
			if _, ok := k.set[kid]; ok {
				set := k.set
				k.mu.Unlock()
				return set, nil
			}
			// The keys are from after the token was there.
			if fetched || k.asked.After(arrived) {
				k.mu.Unlock()
				return nil, forbidden(identity.ErrUnknownKey)
			}
		}
		f, mine := k.flight, false
		wait := k.begun.Add(fetchPace).Sub(now)
		switch {
		case f != nil:
		case wait > 0 && k.failed != nil:
			err := k.failed
			k.mu.Unlock()
			return nil, err
		case wait <= 0:
			f, mine = k.start(token), true
		}
		k.mu.Unlock()
		if f == nil {
			if err := sleep(ctx, wait); err != nil {
				return nil, err
			}
			continue
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		switch {
		case mine && errors.Is(f.err, errRefused):
			return nil, forbidden(errRefused)
		case f.err != nil && !errors.Is(f.err, errRefused):
			return nil, f.err
		}
		fetched = mine
	}
}

// refresh fetches the keys again if they are getting old, behind the back of the
// request. The token must be good.
func (k *keys) refresh(token string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if k.flight == nil && now.Round(0).Sub(k.asked.Round(0)) > refreshAfter && now.Sub(k.begun) > refreshAfter/10 {
		k.start(token)
	}
}

// start starts a fetch. k.mu is held.
func (k *keys) start(token string) *flight {
	f := &flight{done: make(chan struct{})}
	begun := time.Now()
	k.flight, k.begun = f, begun
	go func() {
		defer close(f.done)
		// Not in the name of one request: others wait for it.
		set, keep, err := k.fetch(context.Background(), token)
		k.mu.Lock()
		defer k.mu.Unlock()
		k.flight, k.failed, f.err = nil, err, err
		switch {
		case err == nil:
			k.set, k.asked, k.until = set, begun, begun.Round(0).Add(keep)
		case errors.Is(err, errRefused):
			k.failed = nil
		}
	}()
	return f
}

// fetch asks for the keys, without a token, and with it where that does not do.
func (k *keys) fetch(ctx context.Context, token string) (identity.StaticKeySet, time.Duration, error) {
	ans, err := k.api.get(ctx, jwksPath, "")
	if err != nil {
		return nil, 0, err
	}
	if ans.status == http.StatusUnauthorized || ans.status == http.StatusForbidden {
		if ans, err = k.api.get(ctx, jwksPath, token); err != nil {
			return nil, 0, err
		}
		switch {
		case ans.status == http.StatusUnauthorized, ans.status == http.StatusForbidden,
			ans.status >= 500 && k.api.blamesToken(ctx, jwksPath):
			return nil, 0, errRefused
		}
	}
	if ans.status != http.StatusOK {
		return nil, 0, unexpected(jwksPath, ans.status)
	}
	set, err := identity.ParseKeySet(ans.body)
	if err != nil {
		return nil, 0, fmt.Errorf("ask Nomad for %s: %w", jwksPath, err)
	}
	return set, keepFor(ans.header), nil
}

// keepFor returns how long an answer may be kept.
func keepFor(h http.Header) time.Duration {
	for directive := range strings.SplitSeq(h.Get("Cache-Control"), ",") {
		if age, ok := strings.CutPrefix(strings.TrimSpace(directive), "max-age="); ok {
			if n, err := strconv.ParseUint(age, 10, 31); err == nil {
				return min(max(time.Duration(n)*time.Second, minKeep), maxKeep)
			}
		}
	}
	return maxKeep
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
