package httpapi

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/acl"
	"github.com/taskagent/taskagent/internal/leader/state"
)

// anonymousPolicy is the policy of those who send no token, when there is one of
// that name.
const anonymousPolicy = "anonymous"

// caller is who asks, and what that one may do. It never changes.
type caller struct {
	// acl decides. bare is the same without the implicit workload policy: Nomad
	// leaves that one out when a variable is written.
	acl, bare *acl.ACL
	policies  []string // by name; also such as do not exist
	// One of these, or none for the operator.
	workload  *acl.Workload
	token     *state.Token
	anonymous bool
}

// operator is the caller who needs no token.
var operator = &caller{acl: acl.Management, bare: acl.Management}

// mayReadPolicy reports whether the caller may read the policy of that name: its own.
func (w *caller) mayReadPolicy(name string) bool {
	return w.acl.IsManagement() || slices.Contains(w.policies, name)
}

// errUnauthenticated says that a token is not good. It does not say why: that
// would help nobody but an attacker.
var errUnauthenticated = errors.New("the token is not good")

// resolve returns who asks, with what that one may do now.
func (c *call) resolve() (*caller, error) {
	if c.door == taskDoor && c.caller != nil {
		return c.caller, nil
	}
	who, err := c.identify()
	if err != nil {
		return nil, errDenied
	}
	c.caller = who
	return who, nil
}

// identify finds out who asks.
func (c *call) identify() (*caller, error) {
	if c.door == openDoor {
		return operator, nil
	}
	token := tokenOf(c.r.Header)
	switch {
	case token != "":
		return c.api.authenticate(token)
	case c.door == trustedDoor:
		return operator, nil
	case c.door == operatorDoor:
		return c.api.anonymous()
	default:
		return nil, errUnauthenticated
	}
}

// authenticate returns the caller that a token stands for. A UUID is an ACL
// token's secret, anything else a workload identity.
func (a *API) authenticate(token string) (*caller, error) {
	if state.IsID(token) {
		t := a.Store.TokenBySecret(token)
		if t == nil || t.Expired(a.Now()) {
			return nil, errUnauthenticated
		}
		return a.tokenCaller(t)
	}
	claims, err := a.Authenticate(token)
	if err != nil {
		return nil, errUnauthenticated
	}
	return a.workloadCaller(claims)
}

func (a *API) anonymous() (*caller, error) {
	return a.acls.get(a.Store, aclKey{anonymous: true}, func() (*caller, error) {
		w := &caller{policies: []string{anonymousPolicy}, anonymous: true}
		return w, a.compile(w, nil)
	})
}

func (a *API) tokenCaller(t *state.Token) (*caller, error) {
	return a.acls.get(a.Store, aclKey{token: t}, func() (*caller, error) {
		w := &caller{policies: t.Policies, token: t}
		if t.Type == state.TokenManagement {
			w.acl, w.bare = acl.Management, acl.Management
			return w, nil
		}
		return w, a.compile(w, nil)
	})
}

func (a *API) workloadCaller(c identity.Claims) (*caller, error) {
	group := c.Group()
	if c.Namespace == "" || c.JobID == "" || group == "" {
		return nil, errUnauthenticated
	}
	workload := acl.Workload{Namespace: c.Namespace, Job: c.JobID, Group: group, Task: c.Task}
	return a.acls.get(a.Store, aclKey{workload: workload}, func() (*caller, error) {
		w := &caller{workload: &workload}
		for _, p := range a.Store.Policies() {
			if p.JobACL != nil && acl.Attachment(*p.JobACL).AppliesTo(workload) {
				w.policies = append(w.policies, p.Name)
			}
		}
		return w, a.compile(w, &workload)
	})
}

// compile works out what the caller's policies allow. A policy that is not there
// allows nothing; one that cannot be read fails everything, since it might deny.
func (a *API) compile(w *caller, workload *acl.Workload) error {
	var sources []acl.Source
	for _, name := range w.policies {
		p := a.Store.Policy(name)
		if p == nil {
			continue
		}
		parsed, err := acl.Parse(p.Rules)
		if err != nil {
			a.log.Error("a stored policy cannot be read, so its tokens are refused", "policy", name, "error", err)
			return fmt.Errorf("read policy %q: %w", name, err)
		}
		sources = append(sources, acl.Source{Name: name, Policy: parsed})
	}
	var err error
	if w.bare, err = acl.Compile(sources, nil); err != nil {
		return err
	}
	w.acl = w.bare
	if workload != nil {
		w.acl, err = acl.Compile(sources, workload)
	}
	return err
}

// aclCache keeps what was worked out, until a policy changes.
type aclCache struct {
	mu      sync.RWMutex // guards index and callers
	index   uint64       // of the policies they were worked out from
	callers map[aclKey]*caller
}

// aclKey is a token as it is now, a workload, or nobody.
type aclKey struct {
	token     *state.Token
	workload  acl.Workload
	anonymous bool
}

// maxCallers bounds the cache; beyond, it starts anew.
const maxCallers = 16384

func (c *aclCache) get(s *state.Store, key aclKey, work func() (*caller, error)) (*caller, error) {
	index := s.Index(state.TablePolicies) // before the policies are read: see package state
	c.mu.RLock()
	w := c.callers[key]
	fresh := c.index == index
	c.mu.RUnlock()
	if w != nil && fresh {
		return w, nil
	}
	w, err := work()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.index < index || len(c.callers) >= maxCallers {
		c.index, c.callers = index, make(map[aclKey]*caller)
	}
	if c.index == index {
		c.callers[key] = w
	}
	return w, nil
}
