package renew

import (
	"time"

	"github.com/taskagent/taskagent/identity"
)

// The bounds of the schedule.
const (
	// minFloor and maxFloor are the bounds of the shortest delay: a quarter of
	// the token's lifetime within them.
	minFloor = 250 * time.Millisecond
	maxFloor = time.Second
	// Longest delays between retries: before anything was fetched, while the
	// token is still good, and after it expired.
	maxFirstRetry   = 6 * time.Second
	maxRetry        = time.Minute
	maxExpiredRetry = 30 * time.Second
	// Bounds of a single fetch.
	minFetch = time.Second
	maxFetch = 30 * time.Second
	// wallClockCheck is how often the wall clock is looked at while a renewal is
	// planned. Timers stand still while the machine sleeps.
	wallClockCheck = time.Minute
)

// plan is when something is to be done: after delay, measured by the wall clock
// or by the time that passed, whichever gets there first. So neither a sleep of
// the machine nor a clock that is put back makes it late.
type plan struct {
	due   time.Time // by the wall clock; zero when nothing is planned
	made  time.Time // with the monotonic reading that time.Since needs
	delay time.Duration
	// early is the part of delay after which it may be done along with others.
	early time.Duration
}

func makePlan(now time.Time, delay, early time.Duration) plan {
	return plan{due: now.Add(delay).Round(0), made: time.Now(), delay: delay, early: early}
}

func (p plan) none() bool { return p.due.IsZero() }

// passed is how much of the delay is over.
func (p plan) passed(now time.Time) time.Duration {
	byWall := p.delay - p.due.Sub(now)
	return max(byWall, time.Since(p.made))
}

// left is how long to wait at most, never negative.
func (p plan) left(now time.Time) time.Duration { return max(0, p.delay-p.passed(now)) }

// life returns the lifetime of a token and what is left of it. A token that has
// more left than it was signed for was signed by a clock ahead of ours: counting
// from its receipt, it lives its lifetime. Both are zero for one that never
// expires.
func life(t identity.Token, now time.Time) (ttl, left time.Duration) {
	if t.Expiry().IsZero() {
		return 0, 0
	}
	left = t.Expiry().Sub(now)
	if t.IssuedAt().IsZero() || !t.IssuedAt().Before(t.Expiry()) {
		return max(left, 0), left
	}
	ttl = t.Expiry().Sub(t.IssuedAt())
	return ttl, min(left, ttl)
}

func floor(ttl time.Duration) time.Duration { return min(max(ttl/4, minFloor), maxFloor) }

// planRenewal plans the renewal of a token just received: at half of what is
// left of its life, up to a tenth of that earlier or later by jitter in [0,1).
func planRenewal(t identity.Token, now time.Time, jitter float64) plan {
	if t.Expiry().IsZero() {
		return plan{}
	}
	ttl, left := life(t, now)
	half := left / 2
	delay := max(scale(half, 0.9+0.2*jitter), floor(ttl))
	return makePlan(now, delay, min(delay, scale(half, 0.9)))
}

// planExpiry plans a look at what somebody else should have renewed by then.
func planExpiry(t identity.Token, now time.Time) plan {
	if t.Expiry().IsZero() {
		return plan{}
	}
	ttl, left := life(t, now)
	delay := max(left, floor(ttl))
	return makePlan(now, delay, delay)
}

// planRetry plans the next attempt after a number of failures in a row, 1 or
// more. The delays double, up to a quarter of the life that is left, and jitter
// in [0,1) makes them longer by up to a fifth.
func planRetry(t identity.Token, failures int, now time.Time, jitter float64) plan {
	shortest, limit := minFloor, maxFirstRetry
	if !t.IsZero() {
		ttl, left := life(t, now)
		shortest, limit = floor(ttl), maxRetry
		switch {
		case t.Expiry().IsZero():
		case left > 0:
			limit = min(limit, max(left/4, shortest))
		default:
			limit = maxExpiredRetry
		}
	}
	delay := scale(min(shortest<<min(failures-1, 16), limit*5/6), 1+0.2*jitter)
	delay = max(delay, shortest)
	return makePlan(now, delay, delay/2)
}

// fetchTimeout bounds a fetch for a token, so that one that hangs leaves time for
// another.
func fetchTimeout(t identity.Token, now time.Time) time.Duration {
	_, left := life(t, now)
	if left <= 0 {
		return maxFetch
	}
	return min(max(left/2, minFetch), maxFetch)
}

func scale(d time.Duration, f float64) time.Duration { return time.Duration(float64(d) * f) }
