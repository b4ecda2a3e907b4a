package keyring

import (
	"fmt"
	"time"

	"github.com/taskagent/taskagent/identity"
)

// Sign returns the token with these claims, signed by the active key. It
// changes nothing in them: times, audience and subject are the caller's. The
// lifetime counts from now, when the claims have an expiry.
func (kr *Keyring) Sign(c identity.Claims) (string, error) {
	body, err := c.MarshalJSON() // json.Marshal would read it all again
	if err != nil {
		return "", fmt.Errorf("sign identity: %w", err)
	}
	k := kr.ring.Load().active
	if !kr.covers(k, c) {
		if k, err = kr.extend(c); err != nil {
			return "", fmt.Errorf("sign identity: %w", err)
		}
	}
	return k.sign(body)
}

// covers reports whether the file already says that k may have signed claims
// that live as long as these.
func (kr *Keyring) covers(k *key, c identity.Claims) bool {
	if c.Expiry.IsZero() {
		return k.Forever
	}
	return c.Expiry.Sub(kr.o.Now()) <= k.MaxTTL
}

// extend records, before anything is signed, that the active key signs claims
// that live as long as these. It returns the key to sign with.
func (kr *Keyring) extend(c identity.Claims) (*key, error) {
	kr.mu.Lock()
	defer kr.mu.Unlock()
	if k := kr.ring.Load().active; kr.covers(k, c) {
		return k, nil
	}
	keys := kr.edit(func(k *key) bool {
		if k.State != StateActive {
			return false
		}
		if c.Expiry.IsZero() {
			k.Forever = true
		} else {
			k.MaxTTL = coarse(c.Expiry.Sub(kr.o.Now()))
		}
		return true // without a new index: nothing that List would show
	})
	if err := kr.publish(keys); err != nil {
		return nil, err
	}
	return kr.ring.Load().active, nil
}

// coarse rounds a lifetime up to an hour, or that doubled as often as needed:
// few distinct values mean that the file is seldom written.
func coarse(ttl time.Duration) time.Duration {
	const most = time.Duration(1) << 62
	r := time.Hour
	for r < ttl && r < most/2 {
		r *= 2
	}
	return max(r, ttl)
}
