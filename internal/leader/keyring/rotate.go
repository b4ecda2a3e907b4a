package keyring

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Refusals of Rotate and Remove, in the words Nomad's clients know.
var (
	ErrNoKey    = errors.New("root key not found")
	ErrActive   = errors.New("active root key cannot be deleted - call rotate first")
	ErrInUse    = errors.New("root key in use, cannot delete")
	ErrFullLate = errors.New("keyring cannot be prepublished and full rotated at the same time")
)

// slack is added to the life of what a retired key signed: claims may have been
// made just before it was retired and signed just after.
const slack = time.Minute

// recheck is how long Advance lets a key rest that is only kept for its uses.
const recheck = time.Hour

// Rotate makes a new key and, with a zero publishAt, the active one; otherwise
// the key is prepublished and becomes active then. With full, all other keys
// that may encrypt variables are left rekeying: the caller moves the variables
// and calls Rekeyed.
func (kr *Keyring) Rotate(full bool, publishAt time.Time) (Meta, error) {
	if full && !publishAt.IsZero() {
		return Meta{}, ErrFullLate
	}
	k, err := newKey(kr.o.Algorithm, kr.o.Now()) // takes a while, so without the lock
	if err != nil {
		return Meta{}, fmt.Errorf("rotate keyring: %w", err)
	}
	kr.mu.Lock()
	defer kr.mu.Unlock()
	if err := kr.add(k, full, publishAt); err != nil {
		return Meta{}, fmt.Errorf("rotate keyring: %w", err)
	}
	return k.meta(), nil
}

// add puts a new key into the ring. The caller holds mu.
func (kr *Keyring) add(k *key, full bool, publishAt time.Time) error {
	i := kr.index()
	k.CreateIndex, k.ModifyIndex = i, i
	keys := slices.Clone(kr.ring.Load().keys)
	if publishAt.IsZero() {
		k.State = StateActive
		keys = kr.retire(i, full)
	} else {
		k.State, k.PublishAt = StatePrepublished, publishAt.UTC().Round(0)
	}
	return kr.publish(append(keys, k))
}

// retire returns the keys with the active one made inactive, or with all that
// may encrypt variables made rekeying. The caller holds mu and adds an active key.
func (kr *Keyring) retire(index uint64, full bool) []*key {
	now := kr.o.Now().UTC().Round(0)
	return kr.edit(func(k *key) bool {
		was := k.State
		switch {
		case was == StatePrepublished || was == StateRekeying:
			return false
		case full:
			k.State = StateRekeying
		default:
			k.State = StateInactive
		}
		if was == StateActive {
			k.Retired = now
		}
		if was != k.State {
			k.ModifyIndex = index
		}
		return was != k.State
	})
}

// Rekeyed says that no variable is encrypted any more with a key that was rekeying.
func (kr *Keyring) Rekeyed(kid string) error {
	kr.mu.Lock()
	defer kr.mu.Unlock()
	if k := kr.ring.Load().byID[kid]; k == nil || k.State != StateRekeying {
		return fmt.Errorf("finish rekeying: %w: %.64q", ErrNoKey, kid)
	}
	return kr.publish(kr.edit(func(k *key) bool {
		if k.ID != kid {
			return false
		}
		k.State, k.ModifyIndex = StateInactive, kr.index()
		return true
	}))
}

// Remove takes a key away, and with it the validity of what it signed. It
// refuses the active key and, unless forced, one that encrypts a variable.
func (kr *Keyring) Remove(kid string, force bool) error {
	kr.mu.Lock()
	defer kr.mu.Unlock()
	r := kr.ring.Load()
	k, ok := r.byID[kid]
	switch {
	case !ok:
		return ErrNoKey
	case k.State == StateActive:
		return ErrActive
	}
	if !force {
		used, err := kr.encrypts(kid)
		if err != nil {
			return fmt.Errorf("remove key %s: %w", kid, err)
		}
		if used {
			return ErrInUse
		}
	}
	return kr.publish(slices.DeleteFunc(slices.Clone(r.keys), func(k *key) bool { return k.ID == kid }))
}

// encrypts reports whether a variable needs the key. The caller holds mu.
func (kr *Keyring) encrypts(kid string) (bool, error) {
	if kr.hooks.Variables == nil {
		return true, nil
	}
	return kr.hooks.Variables(kid)
}
