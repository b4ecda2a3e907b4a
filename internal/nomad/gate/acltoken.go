package gate

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"
)

const selfPath = "/v1/acl/token/self"

// A verdict that a token is good is kept for a moment. All it says is that the
// cluster has ACLs on and knew the token; with ACLs on the cluster judges every
// request itself, so what is revoked meanwhile is refused all the same. A verdict
// that one is not good is never kept.
const (
	keepVerdict = 5 * time.Second
	maxVerdicts = 64
)

// aclTokens judges ACL tokens, by showing them to the cluster.
type aclTokens struct {
	api *api

	mu   sync.Mutex // guards good
	good map[[sha256.Size]byte]time.Time
}

func newACLTokens(a *api) *aclTokens {
	return &aclTokens{api: a, good: make(map[[sha256.Size]byte]time.Time)}
}

var errNoACLToken = errors.New("the cluster does not vouch for it")

func (t *aclTokens) verify(ctx context.Context, token string) error {
	sum := sha256.Sum256([]byte(token)) // of secrets nothing else is kept
	if t.known(sum) {
		return nil
	}
	ans, err := t.api.get(ctx, selfPath, token)
	if err != nil {
		return err
	}
	switch {
	case ans.status == http.StatusOK:
		// An answer for anybody, say of a server that does not look at tokens, must
		// name this one.
		var self struct{ SecretID string }
		if json.Unmarshal(ans.body, &self) != nil || subtle.ConstantTimeCompare([]byte(self.SecretID), []byte(token)) != 1 {
			return forbidden(errNoACLToken)
		}
		t.remember(sum)
		return nil
	case ans.status == http.StatusTooManyRequests:
		return unexpected(selfPath, ans.status)
	case ans.status/100 == 4:
		// 403 unknown, 404 a node's secret, 400 ACLs are off.
		return forbidden(errNoACLToken)
	case ans.status >= 500 && t.api.blamesToken(ctx, selfPath):
		return forbidden(errNoACLToken)
	}
	return unexpected(selfPath, ans.status)
}

func (t *aclTokens) known(sum [sha256.Size]byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	until, ok := t.good[sum]
	return ok && time.Now().Before(until)
}

func (t *aclTokens) remember(sum [sha256.Size]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if len(t.good) >= maxVerdicts {
		for sum, until := range t.good {
			if !now.Before(until) {
				delete(t.good, sum)
			}
		}
		if len(t.good) >= maxVerdicts {
			return
		}
	}
	t.good[sum] = now.Add(keepVerdict)
}

// isUUID reports whether a token has the form of an ACL token.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
		default:
			return false
		}
	}
	return true
}
