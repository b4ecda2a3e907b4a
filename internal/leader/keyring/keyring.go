package keyring

import (
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taskagent/taskagent/identity"
)

// DefaultRotateEvery is how long a key is active when Options says nothing.
const DefaultRotateEvery = 720 * time.Hour

// MinRotateEvery is the shortest rotation; below it, half of the time would not
// be enough for verifiers to learn the next key.
const MinRotateEvery = time.Minute

// Options says how keys are made and rotated.
type Options struct {
	// Algorithm of keys made from now on, RS256 (also when empty) or EdDSA.
	Algorithm string
	// RotateEvery is how long a key is active; zero means DefaultRotateEvery.
	RotateEvery time.Duration
	// Now tells the time; nil means time.Now.
	Now func() time.Time
}

func (o *Options) fill() error {
	if o.Algorithm == "" {
		o.Algorithm = identity.RS256
	}
	if o.Algorithm != identity.RS256 && o.Algorithm != identity.EdDSA {
		return fmt.Errorf("signing algorithm %q is neither %s nor %s", o.Algorithm, identity.RS256, identity.EdDSA)
	}
	if o.RotateEvery == 0 {
		o.RotateEvery = DefaultRotateEvery
	}
	if o.RotateEvery < MinRotateEvery {
		return fmt.Errorf("rotation every %v is more often than every %v", o.RotateEvery, MinRotateEvery)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return nil
}

// Validate returns what Create and Open would say about the options.
func (o Options) Validate() error { return o.fill() }

// Hooks connect the keyring with what it cannot know. Any may be nil.
type Hooks struct {
	// Variables reports whether a variable is encrypted with the key. To be safe
	// against a write that has encrypted but not yet committed, it has to wait for
	// writes under way. Nil: one may be.
	Variables func(keyID string) (bool, error)
	// Forever reports whether a live task may hold a token without an expiry that
	// was signed before the given time. Nil: one may.
	Forever func(signedBefore time.Time) (bool, error)
	// NextIndex gives out the index of a change. Nil: the keyring counts by itself.
	NextIndex func() uint64
	// Changed is called after every change that List or JWKS shows.
	Changed func()
}

// Keyring is a set of keys and the file they are kept in. All methods may be
// called by several goroutines; Sign, Encrypt and Decrypt wait for none.
type Keyring struct {
	path string
	o    Options
	ring atomic.Pointer[ring]

	mu    sync.Mutex // guards changes of the ring and of its file, and hooks
	hooks Hooks
}

// Create makes a keyring with one active key at path, where no file may be.
func Create(path string, o Options) (*Keyring, error) {
	if err := o.fill(); err != nil {
		return nil, fmt.Errorf("create keyring %s: %w", path, err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("create keyring %s: %w", path, fs.ErrExist)
	}
	k, err := newKey(o.Algorithm, o.Now())
	if err != nil {
		return nil, fmt.Errorf("create keyring %s: %w", path, err)
	}
	kr := &Keyring{path: path, o: o}
	k.State, k.CreateIndex, k.ModifyIndex = StateActive, 1, 1
	if err := kr.publish([]*key{k}); err != nil {
		return nil, err
	}
	return kr, nil
}

// Open reads the keyring at path. Its errors carry a hint.
func Open(path string, o Options) (*Keyring, error) {
	if err := o.fill(); err != nil {
		return nil, fmt.Errorf("open keyring %s: %w", path, err)
	}
	keys, err := load(path)
	if err != nil {
		return nil, err
	}
	kr := &Keyring{path: path, o: o}
	kr.ring.Store(newRing(keys))
	return kr, nil
}

// SetHooks connects the keyring. The hooks must not call its methods that change
// something; Sign counts as one of those.
func (kr *Keyring) SetHooks(h Hooks) {
	kr.mu.Lock()
	defer kr.mu.Unlock()
	kr.hooks = h
}

// Index returns the greatest index among the changes that the keys remember.
func (kr *Keyring) Index() uint64 {
	var last uint64
	for _, k := range kr.ring.Load().keys {
		last = max(last, k.ModifyIndex)
	}
	return last
}

// RotateEvery returns how long a key is active.
func (kr *Keyring) RotateEvery() time.Duration { return kr.o.RotateEvery }

// Key returns the public key of that id and its algorithm, whatever the key's
// state. Its error matches identity.ErrUnknownKey, so a Keyring is an
// identity.KeySet.
func (kr *Keyring) Key(kid string) (crypto.PublicKey, string, error) {
	k, ok := kr.ring.Load().byID[kid]
	if !ok {
		return nil, "", fmt.Errorf("%w: %.64q", identity.ErrUnknownKey, kid)
	}
	return k.signer.Public(), k.Algorithm, nil
}

// ring is one state of the keyring. It is never changed, only replaced.
type ring struct {
	keys   []*key // oldest first
	byID   map[string]*key
	active *key
	jwks   []byte
}

func newRing(keys []*key) *ring {
	r := &ring{keys: keys, byID: make(map[string]*key, len(keys))}
	for _, k := range keys {
		r.byID[k.ID] = k
		if k.State == StateActive {
			r.active = k
		}
	}
	r.jwks = encodeJWKS(keys)
	return r
}

// publish writes keys to the file and then makes them the ring, so that nothing
// is ever signed or encrypted with a key that a crash could take away.
// The caller holds mu, or is the only one to know kr.
func (kr *Keyring) publish(keys []*key) error {
	if err := store(kr.path, keys); err != nil {
		return err
	}
	old := kr.ring.Swap(newRing(keys))
	if old != nil && kr.hooks.Changed != nil && !slices.EqualFunc(old.keys, keys, sameToSee) {
		kr.hooks.Changed()
	}
	return nil
}

// sameToSee reports whether List shows no difference.
func sameToSee(a, b *key) bool { return a.meta() == b.meta() }

// edit returns the ring's keys, with a copy in place of each that fn changes;
// fn reports whether it did. The caller holds mu.
func (kr *Keyring) edit(fn func(k *key) bool) []*key {
	keys := slices.Clone(kr.ring.Load().keys)
	for i, k := range keys {
		c := *k
		if fn(&c) {
			keys[i] = &c
		}
	}
	return keys
}

// index returns the index of a change. The caller holds mu.
func (kr *Keyring) index() uint64 {
	if kr.hooks.NextIndex != nil {
		return kr.hooks.NextIndex()
	}
	return kr.Index() + 1
}
