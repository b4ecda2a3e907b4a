package leader

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/leader/keyring"
	"github.com/taskagent/taskagent/internal/leader/state"
	"github.com/taskagent/taskagent/internal/wire"
)

// signer makes tokens of the identities of running tasks.
type signer struct {
	store  *state.Store
	keys   *keyring.Keyring
	issuer string
}

// signed is what was signed of a task, by the identities' names.
type signed struct {
	tokens  map[string]string
	expires map[string]time.Time // zero: never
}

// sign signs the identities of the task with these names; nil means all.
func (s *signer) sign(t *state.Task, names []string) (signed, error) {
	var ids []wire.Identity
	if names == nil {
		ids = t.Identities
	}
	for _, name := range names {
		i := slices.IndexFunc(t.Identities, func(id wire.Identity) bool { return id.Name == name })
		if i < 0 {
			return signed{}, &wire.Error{Code: wire.CodeInvalid, Message: fmt.Sprintf("task %q has no identity %q", t.Task, name)}
		}
		ids = append(ids, t.Identities[i])
	}
	now := time.Now()
	if err := s.notBeforeStart(t, now); err != nil {
		return signed{}, err
	}
	extra := s.extraClaims(t)
	raws := make([]string, len(ids))
	errs := make([]error, len(ids))
	claims := make([]identity.Claims, len(ids))
	for i, id := range ids {
		claims[i] = s.claims(t, id, extra, now)
	}
	// An RSA signature takes a millisecond, so every core takes its share of them;
	// not a goroutine each: growing its stack costs a tenth of an Ed25519 one.
	workers := min(len(ids), runtime.GOMAXPROCS(0))
	share := func(first int) {
		for i := first; i < len(ids); i += workers {
			raws[i], errs[i] = s.keys.Sign(claims[i])
		}
	}
	var wg sync.WaitGroup
	for w := 1; w < workers; w++ {
		wg.Go(func() { share(w) })
	}
	share(0)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return signed{}, err
	}
	out := signed{make(map[string]string, len(ids)), make(map[string]time.Time, len(ids))}
	for i, id := range ids {
		out.tokens[id.Name] = raws[i]
		out.expires[id.Name] = claims[i].Expiry
	}
	return out, nil
}

// claims returns what a token of the identity says.
func (s *signer) claims(t *state.Task, id wire.Identity, extra map[string]string, now time.Time) identity.Claims {
	workload := t.Task
	c := identity.Claims{
		Issuer: s.issuer, ID: state.NewID(), Audience: id.Audience,
		Namespace: t.Namespace, JobID: t.Job, AllocationID: t.AllocID, Task: t.Task,
		ConsulNamespace: id.ConsulNamespace, VaultNamespace: id.VaultNamespace, VaultRole: id.VaultRole,
		Extra: extra,
	}
	if id.Service != "" {
		workload, c.Task, c.Service = id.Service, "", id.Service
	}
	c.Subject = identity.Subject(t.Region, t.Namespace, t.Job, t.Group, workload, id.Name)
	c.IssuedAt = now.UTC().Truncate(time.Second)
	c.NotBefore = c.IssuedAt
	if id.TTL > 0 {
		c.Expiry = expiry(now, id.TTL)
	}
	if len(extra) > 0 {
		c.Extra = fillIn(extra, t, id)
	}
	return c
}

// shortTTL is the lifetime below which a second is a lot.
const shortTTL = 10 * time.Second

// expiry returns when a token issued now expires. Tokens have whole seconds, and
// one counts from the second it was issued in: that takes up to a second off its
// life. A short life is rounded up instead, so that it is never less than asked for.
func expiry(now time.Time, ttl time.Duration) time.Time {
	if ttl < shortTTL {
		return now.UTC().Add(ttl + time.Second - 1).Truncate(time.Second)
	}
	return now.UTC().Truncate(time.Second).Add(ttl)
}

// extraClaims returns what the namespace wants in every token.
func (s *signer) extraClaims(t *state.Task) map[string]string {
	if n := s.store.Namespace(t.Namespace); n != nil {
		return n.RequiredExtraClaims
	}
	return nil
}

// fillIn replaces what stands for the task in the values of extra claims. What
// it does not know stays as it is, as in Nomad.
func fillIn(extra map[string]string, t *state.Task, id wire.Identity) map[string]string {
	r := strings.NewReplacer(
		"${job.region}", t.Region, "${job.namespace}", t.Namespace, "${job.id}", t.Job, "${job.node_pool}", "default",
		"${group.name}", t.Group, "${alloc.id}", t.AllocID, "${task.name}", t.Task,
		"${node.datacenter}", t.Datacenter, "${node.pool}", "default", "${node.class}", "",
		"${vault.namespace}", id.VaultNamespace, "${vault.role}", id.VaultRole,
	)
	out := make(map[string]string, len(extra))
	for name, value := range extra {
		out[name] = r.Replace(value)
	}
	return out
}

// notBeforeStart keeps the time from which a task's tokens count from lying
// after now, should the clock have been set back: see authenticator.live.
func (s *signer) notBeforeStart(t *state.Task, now time.Time) error {
	current, ok := s.store.GetTask(t.AllocID, t.Task)
	if !ok || !now.Before(current.StartedAt) {
		return nil
	}
	return s.store.UpdateTask(t.AllocID, t.Task, func(t *state.Task) { t.StartedAt = now.UTC() })
}
