package leader

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/leader/keyring"
	"github.com/taskagent/taskagent/internal/leader/state"
	"github.com/taskagent/taskagent/internal/wire"
)

// ErrNotLive is matched by the error for a good token of a task that is not
// running: it has ended, was lost, or is another one of the same name.
var ErrNotLive = errors.New("token of a task that is not running")

// maxVerified bounds the cache of verified tokens; a token takes about a kilobyte.
// With more tasks than that every other request verifies a signature again, which
// takes longer than all the rest of it.
const maxVerified = 16384

// authenticator decides which tokens are good.
type authenticator struct {
	store *state.Store
	keys  *keyring.Keyring
	// ended reports a task that has ended but is still in the store, which could
	// not be written.
	ended func(allocID, task string) bool

	mu       sync.RWMutex
	verified map[[sha256.Size]byte]verified // guarded by mu
}

// verified is a token with a good signature. Whether it is good is asked anew
// every time.
type verified struct {
	claims identity.Claims
	kid    string
}

// Authenticate returns the claims of a workload identity that is a credential
// for Nomad's API here and now: signed by a key of the keyring, for the audience
// nomadproject.io, not expired, of a task that runs. Errors match those of
// package identity, or ErrNotLive.
func (a *authenticator) Authenticate(raw string) (identity.Claims, error) {
	v, err := a.verify(raw)
	if err != nil {
		return identity.Claims{}, err
	}
	c := v.claims
	now := time.Now()
	switch {
	case !c.Expiry.IsZero() && !now.Before(c.Expiry):
		return identity.Claims{}, fmt.Errorf("%w at %s", identity.ErrExpired, c.Expiry.UTC().Format(time.RFC3339))
	case !c.HasAudience(identity.NomadAudience):
		return identity.Claims{}, identity.ErrAudience
	case !a.live(c):
		return identity.Claims{}, ErrNotLive
	}
	return c, nil
}

// verify checks the signature, or remembers that it did.
func (a *authenticator) verify(raw string) (verified, error) {
	sum := sha256.Sum256([]byte(raw))
	a.mu.RLock()
	v, ok := a.verified[sum]
	a.mu.RUnlock()
	if ok {
		if _, _, err := a.keys.Key(v.kid); err != nil {
			return verified{}, err // the key was taken away since
		}
		return v, nil
	}
	header, err := identity.ParseHeaderInsecure(raw)
	if err != nil {
		return verified{}, err
	}
	// Times are judged by the caller. nbf and iat not at all: this leader wrote
	// them, and where the clock was set back since, they are in the future.
	c, err := identity.Verify(raw, a.keys, identity.VerifyOptions{Leeway: math.MaxInt64})
	if err != nil {
		return verified{}, err
	}
	v = verified{c, header.KeyID}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.verified == nil {
		a.verified = make(map[[sha256.Size]byte]verified)
	}
	for old := range a.verified { // any will do
		if len(a.verified) < maxVerified {
			break
		}
		delete(a.verified, old)
	}
	a.verified[sum] = v
	return v, nil
}

// live reports whether the task, or a task with the service, that the token was
// signed for runs. A task of the same name that ran before in an allocation of
// the same id is another one: its tokens are older than the start of this one.
func (a *authenticator) live(c identity.Claims) bool {
	if c.Service == "" {
		t, ok := a.store.GetTask(c.AllocationID, c.Task)
		return ok && a.of(c, t)
	}
	for _, t := range a.store.AllocTasks(c.AllocationID) {
		if hasService(t, c.Service) && a.of(c, t) {
			return true
		}
	}
	return false
}

// hasService reports whether an identity of the task is that service's.
func hasService(t *state.Task, service string) bool {
	return slices.ContainsFunc(t.Identities, func(id wire.Identity) bool { return id.Service == service })
}

// of reports whether the token may be one of the running task t.
func (a *authenticator) of(c identity.Claims, t *state.Task) bool {
	return c.Namespace == t.Namespace && c.JobID == t.Job && c.Group() == t.Group &&
		!c.IssuedAt.Before(t.StartedAt.Truncate(time.Second)) &&
		a.store.TaskLive(t.AllocID, t.Task) && !a.ended(t.AllocID, t.Task)
}
