// Package gate decides whether a task's token may be sent to Nomad's HTTP API at
// all, so that none that is no good gets past a Task API socket, even to a cluster
// that has ACLs off and would not look.
//
// A workload identity is verified here: against the keys that the cluster
// publishes, its audience, and its times. An ACL token, which is a UUID, is shown
// to the cluster, which alone can tell; where it has ACLs off nothing vouches for
// a UUID, and it is refused. Everything else is refused without asking anybody.
//
// The gate does not authorise, and it cannot see what only the servers know: that
// an allocation has ended. With ACLs on they refuse its tokens themselves, except
// for what they tell anybody, such as who leads; with ACLs off its identities stay
// good until they expire, which the default one never does.
//
// Times: a token counts until the second it expires and not a moment longer, as
// with the embedded leader. It may have been signed up to a minute in our future,
// because the clocks of the cluster are not ours, and who has just been handed a
// token should not have to wait for it.
package gate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/taskapi"
)

// Config configures a Gate.
type Config struct {
	// Transport, Scheme and Host reach the API, as in taskapi.Config. Required.
	Transport    http.RoundTripper
	Scheme, Host string
	// Now is the wall clock. Nil: time.Now.
	Now func() time.Time
}

// Gate is a taskapi.Verifier. It is safe for concurrent use; it runs a goroutine
// only while it fetches keys.
type Gate struct {
	keys *keys
	acl  *aclTokens
	now  func() time.Time
}

var _ taskapi.Verifier = (*Gate)(nil)

// startLeeway is how far the cluster's clock may be ahead of ours.
const startLeeway = time.Minute

// New returns a Gate. It asks nobody anything yet.
func New(cfg Config) *Gate {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	a := &api{rt: cfg.Transport, scheme: cfg.Scheme, host: cfg.Host}
	return &Gate{keys: newKeys(a), acl: newACLTokens(a), now: cfg.Now}
}

// Verify returns nil for a token that may be sent on, an error matching
// taskapi.ErrForbidden for one that may not, and another error when the cluster
// could not be asked. No error holds the token.
func (g *Gate) Verify(ctx context.Context, token string) error {
	if isUUID(token) {
		return g.acl.verify(ctx, token)
	}
	kid, err := g.plausible(token)
	if err != nil {
		return forbidden(err)
	}
	set, err := g.keys.find(ctx, kid, token)
	if err != nil {
		return err
	}
	if err := g.check(token, set); err != nil {
		return forbidden(err)
	}
	g.keys.refresh(token)
	return nil
}

// plausible refuses what no key could make good, so that garbage has no fetch
// made on its account. It returns the id of the key that the token names.
func (g *Gate) plausible(token string) (kid string, err error) {
	header, err := identity.ParseHeaderInsecure(token)
	if err != nil {
		return "", err
	}
	_, claims, err := identity.ParseInsecure(token)
	if err != nil {
		return "", err
	}
	if header.KeyID == "" || header.Algorithm != identity.RS256 && header.Algorithm != identity.EdDSA {
		return "", identity.ErrSignature
	}
	return header.KeyID, g.checkClaims(claims)
}

func (g *Gate) check(token string, set identity.KeySet) error {
	claims, err := identity.Verify(token, set, identity.VerifyOptions{
		Audience: identity.NomadAudience, Now: g.now(), Leeway: startLeeway,
	})
	if err != nil {
		return err
	}
	return g.checkClaims(claims)
}

// checkClaims judges what identity.Verify leaves open or has leeway for.
func (g *Gate) checkClaims(c identity.Claims) error {
	switch {
	case !c.Expiry.IsZero() && !g.now().Before(c.Expiry):
		return identity.ErrExpired
	case !c.HasAudience(identity.NomadAudience):
		return identity.ErrAudience
	case c.AllocationID == "":
		// A node has an identity of the same keys and audience, which is not for
		// tasks to use.
		return errors.New("not the identity of a workload")
	}
	return nil
}

func forbidden(err error) error {
	return fmt.Errorf("%w: %w", taskapi.ErrForbidden, err)
}
