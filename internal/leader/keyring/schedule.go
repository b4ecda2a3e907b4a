package keyring

import (
	"fmt"
	"slices"
	"time"
)

// Advance does what is due: it activates a prepublished key whose time has come,
// prepublishes the next one at half of the active key's time, and drops retired
// keys that nothing needs. It returns when to call it again, by the wall clock.
// One goroutine calls it at a time.
func (kr *Keyring) Advance() (next time.Time, err error) {
	for {
		now := kr.o.Now()
		due, err := kr.promote(now)
		if err != nil {
			return now.Add(slack), fmt.Errorf("activate the next key: %w", err)
		}
		if !due.IsZero() {
			break
		}
		// A key is made without the lock, then everything is looked at again.
		if err := kr.prepublish(now); err != nil {
			return now.Add(slack), fmt.Errorf("prepublish the next key: %w", err)
		}
	}
	if err := kr.collect(kr.o.Now()); err != nil {
		return kr.o.Now().Add(slack), fmt.Errorf("drop retired keys: %w", err)
	}
	return kr.nextDue(kr.o.Now()), nil
}

// promote activates prepublished keys that are due. It returns when the next
// step of the rotation is due, zero when a key is to be prepublished now.
func (kr *Keyring) promote(now time.Time) (due time.Time, err error) {
	kr.mu.Lock()
	defer kr.mu.Unlock()
	for {
		waiting := kr.ring.Load().prepublished()
		if waiting == nil {
			due := kr.ring.Load().active.since().Add(kr.o.RotateEvery / 2)
			if !due.After(now) {
				due = time.Time{}
			}
			return due, nil
		}
		if waiting.PublishAt.After(now) {
			return waiting.PublishAt, nil
		}
		i := kr.index()
		keys := kr.retire(i, false)
		for n, k := range keys {
			if k.ID == waiting.ID {
				c := *k
				c.State, c.ModifyIndex = StateActive, i
				keys[n] = &c
			}
		}
		if err := kr.publish(keys); err != nil {
			return time.Time{}, err
		}
	}
}

// prepublish makes the key that follows the active one. A leader that was not
// there at half time still gives verifiers half of the time to learn it.
func (kr *Keyring) prepublish(now time.Time) error {
	k, err := newKey(kr.o.Algorithm, now)
	if err != nil {
		return err
	}
	kr.mu.Lock()
	defer kr.mu.Unlock()
	r := kr.ring.Load()
	if r.prepublished() != nil {
		return nil // somebody else was quicker
	}
	at := r.active.since().Add(kr.o.RotateEvery)
	if earliest := now.Add(kr.o.RotateEvery / 2); at.Before(earliest) {
		at = earliest
	}
	return kr.add(k, false, at)
}

// collect drops inactive keys that nothing needs.
func (kr *Keyring) collect(now time.Time) error {
	kr.mu.Lock()
	defer kr.mu.Unlock()
	var drop []string
	for _, k := range kr.ring.Load().keys {
		if k.State != StateInactive || now.Before(k.outlived()) {
			continue
		}
		if k.Forever {
			if kr.hooks.Forever == nil {
				continue
			}
			if held, err := kr.hooks.Forever(k.Retired.Add(slack)); err != nil || held {
				if err != nil {
					return err
				}
				continue
			}
		}
		if used, err := kr.encrypts(k.ID); err != nil || used {
			if err != nil {
				return err
			}
			continue
		}
		drop = append(drop, k.ID)
	}
	if len(drop) == 0 {
		return nil
	}
	return kr.publish(slices.DeleteFunc(slices.Clone(kr.ring.Load().keys), func(k *key) bool {
		return slices.Contains(drop, k.ID)
	}))
}

func (kr *Keyring) nextDue(now time.Time) time.Time {
	r := kr.ring.Load()
	next := r.active.since().Add(kr.o.RotateEvery / 2)
	if k := r.prepublished(); k != nil {
		next = k.PublishAt
	}
	for _, k := range r.keys {
		if k.State != StateInactive {
			continue
		}
		at := k.outlived()
		if !at.After(now) {
			at = now.Add(recheck)
		}
		if at.Before(next) {
			next = at
		}
	}
	return next
}

// prepublished returns the key that becomes active next, nil when there is none.
func (r *ring) prepublished() *key {
	var first *key
	for _, k := range r.keys {
		if k.State == StatePrepublished && (first == nil || k.PublishAt.Before(first.PublishAt)) {
			first = k
		}
	}
	return first
}

// since returns when an active key became active: a key that was prepublished
// had its time before that for nothing but being learnt.
func (k *key) since() time.Time {
	if k.PublishAt.After(k.Created) {
		return k.PublishAt
	}
	return k.Created
}

// outlived returns when no token with an expiry that k signed can still be valid.
func (k *key) outlived() time.Time { return k.Retired.Add(k.MaxTTL + slack) }
