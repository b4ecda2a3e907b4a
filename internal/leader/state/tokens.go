package state

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

var bucketTokens = []byte("acl-tokens")

// The types of ACL tokens.
const (
	TokenClient     = "client"
	TokenManagement = "management"
)

// ErrBootstrapped says that the bootstrap has been done.
var ErrBootstrapped = errors.New("ACL bootstrap already done")

// Token is an ACL token without its secret, see Store.TokenSecret. Its JSON form
// is the record.
type Token struct {
	AccessorID string
	Name       string
	Type       string // TokenClient or TokenManagement
	Policies   []string
	Global     bool
	CreateTime time.Time
	// ExpirationTime is when the token ends, nil when it does not.
	ExpirationTime *time.Time
	// ExpirationTTL is how the time was asked for; zero when it was not, or as a time.
	ExpirationTTL time.Duration

	CreateIndex, ModifyIndex uint64

	// SecretHash finds the token by its secret; the secret itself is a random UUID,
	// so that its hash gives nothing away.
	SecretHash []byte
	// KeyID and Sealed are the secret, encrypted and bound to the accessor.
	KeyID  string
	Sealed []byte
}

// Hash returns a digest of what can be updated, by which clients tell changes.
func (t *Token) Hash() []byte {
	return digest([]any{t.Name, t.Type, t.Policies, t.Global})
}

// Expired reports whether the token has ended.
func (t *Token) Expired(now time.Time) bool {
	return t.ExpirationTime != nil && !t.ExpirationTime.IsZero() && !now.Before(*t.ExpirationTime)
}

func (s *Store) loadTokens(tx *bbolt.Tx) error {
	return each(tx, bucketTokens, s.keepToken)
}

// keepToken makes the token one of those in memory. The caller holds mu, or is
// the only one to know s.
func (s *Store) keepToken(t *Token) {
	if old := s.tokens[t.AccessorID]; old != nil {
		delete(s.secrets, [sha256.Size]byte(old.SecretHash))
	}
	s.tokens[t.AccessorID] = t
	s.secrets[[sha256.Size]byte(t.SecretHash)] = t
	if t.ExpirationTime != nil && !t.ExpirationTime.IsZero() {
		s.arm(*t.ExpirationTime)
	}
}

// TokenBySecret returns the token with that secret, nil when there is none. It
// may have expired.
func (s *Store) TokenBySecret(secret string) *Token {
	sum := sha256.Sum256([]byte(secret))
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.secrets[sum]
}

// Token returns the token with that accessor, nil when there is none.
func (s *Store) Token(accessor string) *Token {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tokens[accessor]
}

// Tokens returns all tokens in the order in which they were created.
func (s *Store) Tokens() []*Token {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.SortedFunc(maps.Values(s.tokens), func(a, b *Token) int {
		return cmp.Or(cmp.Compare(a.CreateIndex, b.CreateIndex), strings.Compare(a.AccessorID, b.AccessorID))
	})
}

// TokenSecret returns the token's secret.
func (s *Store) TokenSecret(t *Token) (string, error) {
	plain, err := s.o.Crypter.Decrypt(t.KeyID, t.Sealed, tokenAAD(t.AccessorID))
	return string(plain), err
}

func tokenAAD(accessor string) []byte { return []byte("acl-token\x00" + accessor) }

// sealToken encrypts the token's secret.
func (s *Store) sealToken(t *Token, secret string) (err error) {
	sum := sha256.Sum256([]byte(secret))
	t.SecretHash = sum[:]
	t.KeyID, t.Sealed, err = s.o.Crypter.Encrypt([]byte(secret), tokenAAD(t.AccessorID))
	return err
}

// PutToken creates the token with that secret or, when its accessor is known,
// updates name, type and policies of the one there is; secret, times and scope
// of a token never change. It returns what is now kept.
func (s *Store) PutToken(t *Token, secret string) (kept *Token, index uint64, err error) {
	index, err = s.update(s.durable, func(tx *tx) error {
		kept, err = s.putToken(tx, t, secret)
		return err
	})
	return kept, index, err
}

func (s *Store) putToken(tx *tx, t *Token, secret string) (*Token, error) {
	c := *t
	c.CreateIndex, c.ModifyIndex = tx.index, tx.index
	if old := s.tokens[t.AccessorID]; old != nil {
		c = *old
		c.Name, c.Type, c.Policies, c.ModifyIndex = t.Name, t.Type, t.Policies, tx.index
	} else if err := s.sealToken(&c, secret); err != nil {
		return nil, err
	}
	tx.touch(TableTokens, c.AccessorID)
	tx.apply(func() { s.keepToken(&c) })
	return &c, tx.put(bucketTokens, []byte(c.AccessorID), encode(&c))
}

// DeleteToken deletes a token; that there is none is ErrNotFound.
func (s *Store) DeleteToken(accessor string) (index uint64, err error) {
	return s.update(s.durable, func(tx *tx) error {
		if s.tokens[accessor] == nil {
			return ErrNotFound
		}
		return s.deleteToken(tx, accessor)
	})
}

func (s *Store) deleteToken(tx *tx, accessor string) error {
	tx.touch(TableTokens, accessor)
	tx.apply(func() {
		if t := s.tokens[accessor]; t != nil {
			delete(s.tokens, accessor)
			delete(s.secrets, [sha256.Size]byte(t.SecretHash))
		}
	})
	return tx.delete(bucketTokens, []byte(accessor))
}

// ImportManagementToken makes sure that there is a management token with that
// secret. Doing it again changes nothing.
func (s *Store) ImportManagementToken(secret string) error {
	_, err := s.update(s.durable, func(tx *tx) error {
		if t := s.secrets[sha256.Sum256([]byte(secret))]; t != nil && t.Type == TokenManagement {
			return nil
		}
		_, err := s.putToken(tx, s.newManagementToken(), secret)
		return err
	})
	return err
}

// OperatorToken returns the management token that was imported first, nil when it
// was deleted.
func (s *Store) OperatorToken() *Token {
	bootstrap := s.Bootstrapped()
	for _, t := range s.Tokens() {
		if t.Type == TokenManagement && t.Name == bootstrapName && t.CreateIndex != bootstrap && t.ExpirationTime == nil {
			return t
		}
	}
	return nil
}

// bootstrapName is the name that Nomad gives its first token.
const bootstrapName = "Bootstrap Token"

func (s *Store) newManagementToken() *Token {
	return &Token{AccessorID: NewID(), Name: bootstrapName, Type: TokenManagement, Global: true, CreateTime: s.o.Now().UTC()}
}

// Bootstrap creates a management token with that secret, once in the life of the
// store; later it fails with ErrBootstrapped.
func (s *Store) Bootstrap(secret string) (kept *Token, index uint64, err error) {
	index, err = s.update(s.durable, func(tx *tx) error {
		if s.bootstrap != 0 {
			return ErrBootstrapped
		}
		if kept, err = s.putToken(tx, s.newManagementToken(), secret); err != nil {
			return err
		}
		tx.apply(func() { s.bootstrap = tx.index })
		return putMeta(tx.Tx, metaReset, be64(tx.index))
	})
	return kept, index, err
}

// Bootstrapped returns the index of the bootstrap, zero when there was none.
func (s *Store) Bootstrapped() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.bootstrap
}
