package nomadtest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/taskagent/taskagent/identity"
)

// Signer signs identities, as a server without a cluster would. It is safe for
// concurrent use.
type Signer struct {
	t    testing.TB
	mu   sync.Mutex // guards keys
	keys []signingKey
}

type signingKey struct {
	id      string
	private ed25519.PrivateKey
}

// NewSigner returns a Signer with one key.
func NewSigner(t testing.TB) *Signer {
	s := &Signer{t: t}
	s.Rotate(false)
	return s
}

// Rotate makes another key the one to sign with. The old ones stay published,
// unless drop is set. It returns the id of the new one.
func (s *Signer) Rotate(drop bool) (kid string) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if drop {
		s.keys = nil
	}
	kid = fmt.Sprintf("key-%x", public[:6])
	s.keys = append(s.keys, signingKey{kid, private})
	return kid
}

// Sign returns a token with the claims.
func (s *Signer) Sign(c identity.Claims) string {
	s.mu.Lock()
	key := s.keys[len(s.keys)-1]
	s.mu.Unlock()
	return signWith(s.t, key, c)
}

func signWith(t testing.TB, key signingKey, c identity.Claims) string {
	body, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	enc := base64.RawURLEncoding
	head := fmt.Sprintf(`{"alg":"EdDSA","kid":%q,"typ":"JWT"}`, key.id)
	text := enc.EncodeToString([]byte(head)) + "." + enc.EncodeToString(body)
	return text + "." + enc.EncodeToString(ed25519.Sign(key.private, []byte(text)))
}

// JWKS returns the published keys.
func (s *Signer) JWKS() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := []map[string]string{}
	for _, k := range s.keys {
		public := k.private.Public().(ed25519.PublicKey)
		keys = append(keys, map[string]string{
			"use": "sig", "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": k.id, "x": base64.RawURLEncoding.EncodeToString(public),
		})
	}
	data, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}
