package state

import (
	"fmt"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// Lock is a lock on a variable. The holder renews it within TTL. When it does
// not, the lock is lost after twice that time, and LockDelay later another may
// take it.
type Lock struct {
	ID             string
	TTL, LockDelay time.Duration
}

// grace is how many TTLs pass before a lock is lost: the holder's clock starts
// before ours, and requests take time.
const grace = 2

// heldLock is when a lock ends. It is not kept on disk: after a restart of the
// leader every lock starts anew with its full time, so that none is lost early.
type heldLock struct {
	Lock
	at   time.Time // when the next step is due
	lost bool      // waiting for the delay to pass
}

func (s *Store) loadLocks(tx *bbolt.Tx) error {
	return tx.Bucket(bucketVars).ForEach(func(key, rec []byte) error {
		payload, err := open(bucketVars, key, rec)
		if err != nil {
			return err
		}
		var m VariableMeta
		if err := decodeMeta(payload, &m); err != nil {
			return err
		}
		if m.Lock != nil {
			s.hold(string(key), m.Lock, true)
		}
		return nil
	})
}

// hold keeps time for the lock; renew starts its time anew, also when it was
// lost. The caller holds mu, or is the only one to know s.
func (s *Store) hold(key string, l *Lock, renew bool) {
	h := s.held[key]
	if h == nil || h.ID != l.ID {
		h, renew = new(heldLock), true
	}
	h.Lock = *l
	if renew {
		h.at, h.lost = s.now().Add(grace*l.TTL), false
	}
	s.held[key] = h
	s.arm(h.at)
}

// AcquireLock creates or replaces a variable that then holds the lock w.Lock. It
// fails with a *ConflictError when another holds one.
func (s *Store) AcquireLock(w Write) (VariableMeta, error) {
	m, err := s.PutVariable(w)
	if err == nil {
		s.mu.Lock()
		s.hold(Key(w.Namespace, w.Path), w.Lock, true)
		s.mu.Unlock()
	}
	return m, err
}

// RenewLock gives the holder of the lock with that id its full time again. It
// fails with ErrNotFound, ErrNoLock, or ErrWrongLock, also when the lock is lost.
func (s *Store) RenewLock(namespace, path, id string) (VariableMeta, error) {
	key := Key(namespace, path)
	m := VariableMeta{Namespace: namespace, Path: path}
	s.write.Lock() // no write may come between what is read and what is renewed
	defer s.write.Unlock()
	if s.closed {
		return m, ErrClosed
	}
	err := s.view(func(tx *bbolt.Tx) error {
		found, err := readMeta(tx, []byte(key), &m)
		switch {
		case err != nil:
			return err
		case !found:
			return ErrNotFound
		case m.Lock == nil:
			return ErrNoLock
		case m.Lock.ID != id:
			return ErrWrongLock
		}
		return nil
	})
	if err != nil {
		return m, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.held[key]; h == nil || h.ID != id || h.lost {
		return m, ErrWrongLock
	}
	s.hold(key, m.Lock, true)
	return m, nil
}

// ReleaseLock takes the lock with that id off the variable and leaves the rest.
// It fails with ErrNotFound, ErrNoLock, or a *ConflictError.
func (s *Store) ReleaseLock(namespace, path, id string) (VariableMeta, error) {
	m := VariableMeta{Namespace: namespace, Path: path}
	_, err := s.update(s.durable, func(t *tx) error {
		found, err := readMeta(t.Tx, []byte(Key(namespace, path)), &m)
		switch {
		case err != nil:
			return err
		case !found:
			return ErrNotFound
		case m.Lock == nil:
			return ErrNoLock
		case m.Lock.ID != id:
			return &ConflictError{Current: Variable{VariableMeta: VariableMeta{Namespace: namespace, Path: path}}, Unlocking: true}
		}
		return s.unlock(t, &m)
	})
	return m, err
}

// unlock takes the lock off the variable.
func (s *Store) unlock(t *tx, m *VariableMeta) error {
	key := Key(m.Namespace, m.Path)
	m.Lock, m.ModifyIndex = nil, t.index
	t.touch(TableVariables, key)
	t.apply(func() { delete(s.held, key) })
	return t.put(bucketVars, []byte(key), encodeMeta(m))
}

// expireLocks does what is due: it declares locks lost, and takes off those whose
// delay has passed too. It returns when the next step is due.
func (s *Store) expireLocks(now time.Time) error {
	var due []string
	s.mu.Lock()
	for key, h := range s.held {
		if now.Before(h.at) {
			s.arm(h.at)
			continue
		}
		if h.lost {
			due = append(due, key)
			continue
		}
		h.lost, h.at = true, h.at.Add(h.LockDelay)
		if now.Before(h.at) {
			s.arm(h.at)
		} else {
			due = append(due, key)
		}
	}
	s.mu.Unlock()
	for _, key := range due {
		if err := s.dropLock(key, now); err != nil {
			namespace, path, _ := strings.Cut(key, "\x00")
			return fmt.Errorf("take the lost lock off variable %q in namespace %q: %w", path, namespace, err)
		}
	}
	return nil
}

// dropLock takes a lost lock off its variable, unless it was taken up again.
func (s *Store) dropLock(key string, now time.Time) error {
	namespace, path, _ := strings.Cut(key, "\x00")
	m := VariableMeta{Namespace: namespace, Path: path}
	_, err := s.update(s.durable, func(t *tx) error {
		s.mu.RLock()
		h := s.held[key]
		ours := h != nil && h.lost && !now.Before(h.at)
		s.mu.RUnlock()
		if !ours {
			return nil
		}
		found, err := readMeta(t.Tx, []byte(key), &m)
		if err != nil {
			return err
		}
		if !found || m.Lock == nil || m.Lock.ID != h.ID {
			s.mu.Lock()
			delete(s.held, key)
			s.mu.Unlock()
			return nil
		}
		return s.unlock(t, &m)
	})
	return err
}
