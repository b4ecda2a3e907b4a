package state

import (
	"errors"
	"time"
)

// retryExpiry is when to try again what could not be written.
const retryExpiry = 10 * time.Second

// expiryTimer fires when the first of what the store has to end is due. There is
// one timer for everything, and none while nothing is due ever.
type expiryTimer struct {
	timer   *time.Timer
	at      time.Time
	stopped bool
}

func (e *expiryTimer) stop() {
	e.stopped = true
	if e.timer != nil {
		e.timer.Stop()
	}
}

// arm makes the store look, at that time or before, what is due. The caller
// holds mu, or is the only one to know s.
func (s *Store) arm(at time.Time) {
	e := &s.expiry
	if e.stopped || e.timer != nil && !at.Before(e.at) {
		return
	}
	if e.timer != nil {
		e.timer.Stop()
	}
	e.at = at
	e.timer = time.AfterFunc(max(0, at.Sub(s.now())), s.expire)
}

// expire ends what is due and arms the timer for the rest. A clock that was set
// back only means that it looks in vain.
func (s *Store) expire() {
	s.mu.Lock()
	s.expiry.timer = nil
	s.mu.Unlock()
	now := s.now()
	err := errors.Join(s.expireLocks(now), s.expireTokens(now), s.expireTasks(now))
	if err == nil || errors.Is(err, ErrClosed) {
		return
	}
	s.log.Error("could not end what has expired", "error", err)
	s.mu.Lock()
	s.arm(now.Add(retryExpiry))
	s.mu.Unlock()
}

// expireTokens deletes ACL tokens that have expired. They are refused from that
// moment anyway; this only makes room.
func (s *Store) expireTokens(now time.Time) error {
	var due []string
	s.mu.Lock()
	for accessor, t := range s.tokens {
		switch {
		case t.Expired(now):
			due = append(due, accessor)
		case t.ExpirationTime != nil && !t.ExpirationTime.IsZero():
			s.arm(*t.ExpirationTime)
		}
	}
	s.mu.Unlock()
	if due == nil {
		return nil
	}
	_, err := s.update(s.durable, func(tx *tx) error {
		for _, accessor := range due {
			if s.tokens[accessor] == nil {
				continue
			}
			if err := s.deleteToken(tx, accessor); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// expireTasks ends tasks that were kept for a time.
func (s *Store) expireTasks(now time.Time) error {
	var due []*Task
	s.mu.Lock()
	for _, tasks := range s.tasks {
		for _, t := range tasks {
			switch {
			case t.Expires.IsZero():
			case now.Before(t.Expires):
				s.arm(t.Expires)
			default:
				due = append(due, t)
			}
		}
	}
	s.mu.Unlock()
	var errs []error
	for _, t := range due {
		if err := s.EndTask(t.AllocID, t.Task); err != nil && !errors.Is(err, ErrTaskUnknown) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
