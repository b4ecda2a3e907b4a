package leader

import "time"

const (
	// idleTick is how often the wall clock is looked at when nothing is due.
	idleTick = time.Minute
	// awayTick is how often while a task is waited for: to have been stopped must
	// be noticed before its time seems to be over.
	awayTick = 5 * time.Second
	// late is how much later than asked for a timer may fire, and how much the wall
	// clock may differ from the monotonic one, before it counts as a jump.
	late = 5 * time.Second
	// rekeyEvery is how often what could not be encrypted anew is tried again.
	rekeyEvery = time.Hour
)

// runClock does what is due, until the leader is to end.
func (l *Leader) runClock() {
	l.rekey()
	w := watch{last: time.Now()}
	var keysDue, rekeyDue time.Time
	rekeyDue = time.Now().Add(rekeyEvery)
	for l.ctx.Err() == nil {
		now := time.Now()
		if err := l.displaced(); err != nil {
			l.leave(&failedError{err})
			return
		}
		if w.jumped(now) {
			l.log.Warn("this process or the machine did not run for a while, or the clock was set; tasks are waited for longer")
			l.leases.forgive(now)
		}
		l.leases.expire(now)
		if !now.Before(keysDue) {
			keysDue = l.advanceKeys()
		}
		if now.After(rekeyDue) {
			l.rekey()
			rekeyDue = now.Add(rekeyEvery)
		}
		l.retryHTTP()
		lingerDue := l.linger(now)
		w.plan(now, l.untilNext(now, keysDue, lingerDue))
		timer := time.NewTimer(w.planned)
		select {
		case <-timer.C:
		case <-l.poked:
			keysDue = l.keysDueAfterPoke(keysDue)
		case <-l.ctx.Done():
		}
		timer.Stop()
	}
}

// keysDueAfterPoke looks at the keyring again when it may have been rotated.
func (l *Leader) keysDueAfterPoke(due time.Time) time.Time {
	if i := l.keys.Index(); i != l.keysIndex {
		l.keysIndex = i
		return time.Time{}
	}
	return due
}

// untilNext returns how long the clock may sleep.
func (l *Leader) untilNext(now time.Time, due ...time.Time) time.Duration {
	wait := idleTick
	if next := l.leases.next(); !next.IsZero() {
		wait = awayTick
		due = append(due, next)
	}
	for _, t := range due {
		if !t.IsZero() {
			wait = min(wait, t.Sub(now))
		}
	}
	return max(wait, 10*time.Millisecond)
}

// linger ends the leader when nobody has needed it for long enough. It returns
// when to look again, zero for never.
func (l *Leader) linger(now time.Time) time.Time {
	n, last := l.leases.count()
	if l.cfg.Linger == 0 || n > 0 {
		return time.Time{}
	}
	if l.inFlight.Load() > 0 {
		return now.Add(min(l.cfg.Linger, awayTick))
	}
	if seen := time.Unix(0, l.lastSeen.Load()); seen.After(last) {
		last = seen
	}
	due := last.Add(l.cfg.Linger)
	if !now.Before(due) {
		l.leave(errLingered)
	}
	return due
}

// advanceKeys rotates the keyring where that is due.
func (l *Leader) advanceKeys() (next time.Time) {
	next, err := l.keys.Advance()
	if err != nil {
		l.log.Error("cannot rotate the keyring", "error", err)
	}
	l.keysIndex = l.keys.Index()
	return next
}

// rekey finishes full rotations that a crash or an error has interrupted.
func (l *Leader) rekey() {
	if err := l.api.FinishRekeying(); err != nil {
		l.log.Error("cannot encrypt all variables with the new key; the old one stays", "error", err)
	}
}

// watch notices when time has passed otherwise than planned.
type watch struct {
	last    time.Time
	planned time.Duration
}

// plan says for how long the clock is going to sleep.
func (w *watch) plan(now time.Time, d time.Duration) { w.last, w.planned = now, d }

// jumped reports whether more time has passed than was planned, or the wall
// clock has moved otherwise than the monotonic one: the machine slept, this
// process was stopped, or somebody set the clock.
func (w *watch) jumped(now time.Time) bool {
	ran := now.Sub(w.last)
	return ran > w.planned+late || differ(now.Round(0).Sub(w.last.Round(0)), ran)
}

// differ reports whether the wall clock moved otherwise than the monotonic one.
func differ(wall, ran time.Duration) bool { return (wall - ran).Abs() > late }
