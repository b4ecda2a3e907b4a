package nomad

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/nomad/rpc"
	"github.com/taskagent/taskagent/internal/nomad/tlsfiles"
	"github.com/taskagent/taskagent/renew"
)

// Config configures a Source.
type Config struct {
	// Servers are the addresses of Nomad's RPC port, see ParseServers. Required.
	Servers []string
	// Region is the servers' region. Required.
	Region string
	// TLS makes connections with TLS, to servers that prove to be
	// server.<region>.nomad. Nil: without; the node's secret then crosses the
	// network in the clear.
	TLS *tlsfiles.Files
	// SecretFile holds the node's secret, see ReadSecret. Required.
	SecretFile string
	// AllocID and Task say whose identities these are. Required.
	AllocID, Task string
	// Identities are those that Fetch can be asked for. Of each, Name and Service
	// count; the rest is the job's to say.
	Identities []identity.Spec
	// Logger gets warnings of Watch. Nil: none.
	Logger hclog.Logger

	// RetryFor bounds how long a call waits for servers that do not answer or have
	// no leader. Zero: 15 seconds.
	RetryFor time.Duration
	// Dial connects to a server. Nil: TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// Jitter returns numbers in [0,1). Nil: random ones.
	Jitter func() float64
}

// Source is a renew.Source of one task in a Nomad cluster. It is safe for
// concurrent use, and holds no connection but while it waits for an answer.
type Source struct {
	cfg   Config
	rpc   *rpc.Client // tries again for a while
	once  *rpc.Client // does not, for Watch, which has a pace of its own
	specs map[string]identity.Spec
}

var _ renew.Source = (*Source)(nil)

// New returns a Source. It reads the files that cfg names, to find mistakes, and
// connects to nothing yet.
func New(cfg Config) (*Source, error) {
	if cfg.AllocID == "" || cfg.Task == "" {
		return nil, errors.New("nomad: an allocation and a task are needed")
	}
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	s := &Source{cfg: cfg, specs: make(map[string]identity.Spec, len(cfg.Identities))}
	for _, spec := range cfg.Identities {
		s.specs[spec.Name] = spec
	}
	secret, err := ReadSecret(cfg.SecretFile)
	if err != nil {
		return nil, err
	}
	clear(secret)
	rc := rpc.Config{
		Servers: cfg.Servers, Region: cfg.Region, TLS: cfg.TLS,
		Token:    func() ([]byte, error) { return ReadSecret(cfg.SecretFile) },
		RetryFor: cfg.RetryFor, Dial: cfg.Dial, Jitter: cfg.Jitter,
	}
	if s.rpc, err = rpc.New(rc); err != nil {
		return nil, err
	}
	rc.RetryFor = -1
	if s.once, err = rpc.New(rc); err != nil {
		return nil, err
	}
	return s, nil
}

// Fetch returns a fresh token for each of the identities: what the servers have
// signed together with an error about what they have not. An *EndedError and a
// *RejectedError are permanent, see renew.IsPermanent; every other one may pass.
//
// The default identity is signed by Nomad once, with the allocation, and is the
// same at every call.
func (s *Source) Fetch(ctx context.Context, names []string) (map[string]identity.Token, error) {
	for _, name := range names {
		if _, ok := s.specs[name]; !ok {
			return nil, renew.Permanent(fmt.Errorf("fetch identity %q: it is not one that this task was given", name))
		}
	}
	// Any server can sign, and does so while there is no leader, too. But one that
	// is behind may not know the allocation yet: only a server that the leader
	// agrees with is believed when it says no.
	tokens, err := s.fetch(ctx, names, true)
	if renew.IsPermanent(err) {
		var more map[string]identity.Token
		more, err = s.fetch(ctx, names, false)
		if tokens == nil {
			return more, err
		}
		maps.Copy(tokens, more)
	}
	return tokens, err
}

func (s *Source) fetch(ctx context.Context, names []string, stale bool) (map[string]identity.Token, error) {
	if len(names) == 0 {
		return nil, nil
	}
	var (
		calls []*rpc.Call
		alloc *getAllocs
		sign  signIdentities
	)
	for _, name := range names {
		if name == identity.DefaultName {
			alloc = new(getAllocs)
			calls = append(calls, alloc.call(s.cfg.AllocID, rpc.Query{AllowStale: stale}))
		} else {
			sign.asked = append(sign.asked, s.specs[name])
		}
	}
	if len(sign.asked) > 0 {
		calls = append(calls, sign.call(s.cfg.AllocID, s.cfg.Task, rpc.Query{AllowStale: stale}))
	}
	if err := s.rpc.Do(ctx, calls...); err != nil {
		return nil, fmt.Errorf("fetch identities of task %q in allocation %q: %w", s.cfg.Task, s.cfg.AllocID, err)
	}
	return s.collect(alloc, &sign)
}

// collect takes the tokens from the answers and says what is missing. Alloc is nil
// when the default identity was not asked for.
func (s *Source) collect(alloc *getAllocs, sign *signIdentities) (map[string]identity.Token, error) {
	tokens := make(map[string]identity.Token)
	rejected := &RejectedError{AllocID: s.cfg.AllocID, Task: s.cfg.Task, Identities: sign.rejected}
	if alloc != nil {
		if reason := alloc.found.ended(s.cfg.Task); reason != "" {
			return nil, renew.Permanent(&EndedError{s.cfg.AllocID, s.cfg.Task, reason})
		}
		if raw := alloc.found.signed[s.cfg.Task]; raw == "" {
			rejected.Identities = append(rejected.Identities, Rejected{Name: identity.DefaultName, Reason: reasonNoIdentity})
		} else {
			token, err := s.accept(raw, identity.Spec{Name: identity.DefaultName})
			if err != nil {
				return nil, err
			}
			tokens[identity.DefaultName] = token
		}
	}
	for _, r := range sign.rejected {
		if r.Reason == reasonNoAlloc || r.Reason == reasonNoTask {
			return nil, renew.Permanent(&EndedError{s.cfg.AllocID, s.cfg.Task, r.Reason})
		}
	}
	for _, signed := range sign.signed {
		token, err := s.accept(signed.raw, signed.spec)
		if err != nil {
			return nil, err
		}
		tokens[signed.spec.Name] = token
	}
	if len(rejected.Identities) > 0 {
		return tokens, renew.Permanent(rejected)
	}
	return tokens, nil
}

// accept checks that a token is what was asked for: a mix-up, on either side,
// must not hand a task another one's identity.
func (s *Source) accept(raw string, spec identity.Spec) (identity.Token, error) {
	token, claims, err := identity.ParseInsecure(raw)
	switch {
	case err != nil:
		return identity.Token{}, fmt.Errorf("fetch identity %q: the servers sent something else: %w", spec.Name, err)
	case claims.AllocationID != s.cfg.AllocID:
		return identity.Token{}, fmt.Errorf("fetch identity %q: the servers sent one of allocation %q, not of %q", spec.Name, claims.AllocationID, s.cfg.AllocID)
	case spec.Service == "" && claims.Task != s.cfg.Task:
		return identity.Token{}, fmt.Errorf("fetch identity %q: the servers sent one of task %q, not of %q", spec.Name, claims.Task, s.cfg.Task)
	case spec.Service != "" && claims.Service == "":
		return identity.Token{}, fmt.Errorf("fetch identity %q: the servers sent one of task %q, not of service %q", spec.Name, claims.Task, spec.Service)
	case claims.IdentityName() != "" && claims.IdentityName() != spec.Name:
		return identity.Token{}, fmt.Errorf("fetch identity %q: the servers sent identity %q", spec.Name, claims.IdentityName())
	}
	return token, nil
}
