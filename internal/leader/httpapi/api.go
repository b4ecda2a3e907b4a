package httpapi

import (
	"errors"
	"net/http"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/leader/keyring"
	"github.com/taskagent/taskagent/internal/leader/state"
)

// Keyring is what the API needs of the keyring. Changes of it have to reach the
// store (state.Store.Touch with TableKeys), so that who waits for them wakes.
type Keyring interface {
	List() []keyring.Meta
	JWKS() []byte
	MaxAge() time.Duration
	Rotate(full bool, publishAt time.Time) (keyring.Meta, error)
	Remove(kid string, force bool) error
	Rekeyed(kid string) error
}

// Config is what an API is made of.
type Config struct {
	// Store and Keyring are required.
	Store   *state.Store
	Keyring Keyring
	// Authenticate returns the claims of a workload identity, or an error when it is
	// not good: signature, times, audience, and that its task or service is live are
	// all for it to check. It is called for every request, and must be quick where
	// it has seen the token before. Required.
	Authenticate func(raw string) (identity.Claims, error)

	// Region and Datacenter are those of the leader; empty means global and dc1.
	// Regions of running tasks are known too.
	Region, Datacenter string
	// Issuer is the issuer of identities, empty when there is none.
	Issuer string
	// Addr is the address at which operators reach the leader, host:port; empty
	// when they do not.
	Addr string
	// Hosts are names, besides IP addresses and localhost, that the operators' door
	// answers to: the host it was told to listen on, the issuer's.
	Hosts []string
	// OpenBootstrap allows one call of /v1/acl/bootstrap.
	OpenBootstrap bool
	// Version is shown as the agent's.
	Version string
	// Done, when not nil, is closed when the server shuts down.
	Done <-chan struct{}
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// Logger may be nil.
	Logger hclog.Logger
}

// API answers requests. It holds nothing that needs closing, and its handlers
// may be used by several servers at once.
type API struct {
	Config
	log  hclog.Logger
	acls aclCache
	mux  *http.ServeMux
}

// New makes an API.
func New(c Config) (*API, error) {
	if c.Store == nil || c.Keyring == nil || c.Authenticate == nil {
		return nil, errors.New("make API: Store, Keyring and Authenticate are required")
	}
	if c.Region == "" {
		c.Region = "global"
	}
	if c.Datacenter == "" {
		c.Datacenter = "dc1"
	}
	if c.Addr == "" {
		c.Addr = "127.0.0.1:4646"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	return &API{Config: c, log: c.Logger, mux: newMux()}, nil
}

// TaskHandler returns the handler of the task door: every request needs the token
// of a live workload or a good ACL token.
func (a *API) TaskHandler() http.Handler { return &door{api: a, kind: taskDoor} }

// OperatorHandler returns the handler of the operators' listener. Without
// aclEnabled whoever reaches it is the operator, and tokens are not looked at.
func (a *API) OperatorHandler(aclEnabled bool) http.Handler {
	kind := operatorDoor
	if !aclEnabled {
		kind = openDoor
	}
	return &door{api: a, kind: kind, cross: http.NewCrossOriginProtection()}
}

// TrustedHandler returns the handler for callers that have been vouched for: they
// are the operator unless they send a token, which then counts.
func (a *API) TrustedHandler() http.Handler { return &door{api: a, kind: trustedDoor} }
