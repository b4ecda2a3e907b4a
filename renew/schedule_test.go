package renew_test

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/renew"
)

type ttls = map[string]time.Duration

func TestHalfLife(t *testing.T) {
	for _, tt := range []struct {
		jitter float64
		first  time.Duration
	}{
		{0, 27 * time.Minute}, {0.5, 30 * time.Minute}, {1, 33 * time.Minute},
	} {
		bubble(t, func(t *testing.T) {
			f := newFake(ttls{"a": time.Hour})
			r := start(t, renew.Config{Source: f, Jitter: func() float64 { return tt.jitter }})
			checkCalls(t, f.take(), call{0, "a"})
			if got := r.NextRenewal()["a"].Sub(f.begin); got != tt.first {
				t.Errorf("next renewal after %v, want %v", got, tt.first)
			}
			after(2*tt.first + time.Second)
			checkCalls(t, f.take(), call{tt.first, "a"}, call{2 * tt.first, "a"})
		})
	}
}

// TestInitial: tokens that are there already are not fetched again.
func TestInitial(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(ttls{"a": time.Hour, "b": time.Hour, "old": time.Hour})
		now := time.Now()
		r := start(t, renew.Config{Source: f, Jitter: middle, Initial: map[string]identity.Token{
			"a": newToken(1, now, time.Hour), "old": newToken(2, now.Add(-40*time.Minute), time.Hour)}})
		checkCalls(t, f.take(), call{0, "b"})
		if got, ok := r.Current("a"); !ok || got != newToken(1, now, time.Hour) {
			t.Errorf("Current(a) is %v, %v", got.Expiry(), ok)
		}
		after(11 * time.Minute) // half of what was left
		checkCalls(t, f.take(), call{10 * time.Minute, "old"})
	})
}

// TestLifetimes runs tokens of many lifetimes for long and checks what must hold
// of every one: renewed around half of its life, never expired, never hammered.
func TestLifetimes(t *testing.T) {
	for _, ttl := range []time.Duration{2 * time.Second, 4 * time.Second, 10 * time.Second, time.Minute, time.Hour, 24 * time.Hour} {
		t.Run(ttl.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFake(ttls{"a": ttl})
				rnd := rand.New(rand.NewPCG(1, 2))
				r := start(t, renew.Config{Source: f, Jitter: rnd.Float64})
				w := r.Watch()
				exp := receive(t, w).Tokens["a"].Expiry()
				for range 100 {
					token := (<-w.C()).Tokens["a"]
					if !time.Now().Before(exp) {
						t.Fatalf("renewed %v after it expired", time.Since(exp))
					}
					exp = token.Expiry()
				}
				calls := f.take()
				for i := 1; i < len(calls); i++ {
					gap := calls[i].at - calls[i-1].at
					// Times are cut to whole seconds when a token is signed.
					low, high := (ttl-time.Second)*45/100, max(ttl*55/100, time.Second)
					if floor := min(time.Second, ttl/4); gap < floor {
						t.Fatalf("fetch %d came %v after the one before, under the floor %v", i, gap, floor)
					}
					if gap < low || gap > high {
						t.Fatalf("fetch %d came %v after the one before, want %v to %v", i, gap, low, high)
					}
				}
			})
		})
	}
}

// TestNeverExpires: a token for ever costs nothing at all once it is there.
func TestNeverExpires(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(ttls{"a": 0, "b": 0})
		var looks atomic.Int64
		r := start(t, renew.Config{Source: f, Now: func() time.Time { looks.Add(1); return time.Now() }})
		checkCalls(t, f.take(), call{0, "a b"})
		before := looks.Load()
		after(365 * 24 * time.Hour)
		checkCalls(t, f.take())
		if n := looks.Load() - before; n != 0 {
			t.Errorf("woke %d times in a year", n)
		}
		if next := r.NextRenewal(); len(next) != 0 {
			t.Errorf("next renewal %v", next)
		}
	})
}

// TestIdle: while a renewal is far, the wall clock is looked at once a minute.
func TestIdle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(ttls{"a": 48 * time.Hour, "b": 72 * time.Hour, "c": 0})
		var wakes, last atomic.Int64
		start(t, renew.Config{Source: f, Jitter: middle, Now: func() time.Time {
			if now := time.Now().UnixNano(); last.Swap(now) != now {
				wakes.Add(1)
			}
			return time.Now()
		}})
		wakes.Store(0)
		after(10 * time.Hour)
		if n := wakes.Load(); n != 600 {
			t.Errorf("woke %d times in 600 minutes", n)
		}
	})
}

// TestSleep: a machine that sleeps stops the timers, not the wall clock.
func TestSleep(t *testing.T) {
	for _, tt := range []struct {
		name         string
		slept        time.Duration
		from, within time.Duration
	}{
		{"past half life", 40 * time.Minute, 5 * time.Minute, 6 * time.Minute},
		{"past expiry", 10 * time.Hour, 5 * time.Minute, 6 * time.Minute},
		{"not that long", 10 * time.Minute, 19 * time.Minute, 21 * time.Minute},
		{"the clock was put back", -5 * time.Hour, 29 * time.Minute, 31 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFake(ttls{"a": time.Hour})
				var offset atomic.Int64
				start(t, renew.Config{Source: f, Jitter: middle, Now: func() time.Time {
					return time.Now().Add(time.Duration(offset.Load()))
				}})
				f.take()
				after(5*time.Minute + time.Second)
				offset.Store(int64(tt.slept))
				f.mu.Lock()
				f.skew = tt.slept // the same machine's clock
				f.mu.Unlock()
				after(time.Hour - 5*time.Minute)
				calls := f.take()
				if len(calls) == 0 || calls[0].at < tt.from || calls[0].at > tt.within {
					t.Errorf("fetches %v, want the first within %v to %v", calls, tt.from, tt.within)
				}
			})
		})
	}
}

// TestSkew: a source whose clock differs is neither hammered nor asked too late.
func TestSkew(t *testing.T) {
	for _, tt := range []struct {
		name     string
		skew     time.Duration
		min, max int // fetches in 10 hours
	}{
		{"none", 0, 20, 21},
		{"ahead", 2 * time.Hour, 20, 21},            // what is left seems more than the lifetime
		{"a bit behind", -20 * time.Minute, 30, 31}, // what is left seems less
		{"far behind", -2 * time.Hour, 600, 1500},   // every token seems expired
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFake(ttls{"a": time.Hour})
				f.skew = tt.skew
				r := start(t, renew.Config{Source: f, Jitter: middle})
				after(10 * time.Hour)
				if n := len(f.take()); n < tt.min || n > tt.max {
					t.Errorf("%d fetches in 10 hours, want %d to %d", n, tt.min, tt.max)
				}
				token, _ := r.Current("a")
				if age := time.Now().Add(tt.skew).Sub(token.IssuedAt()); age > 35*time.Minute {
					t.Errorf("the token is %v old", age)
				}
			})
		})
	}
}

// TestTogether: what is due at about the same time is fetched in one go, and
// arrives in one update.
func TestTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(ttls{"a": time.Hour, "b": time.Hour, "c": 2 * time.Hour, "d": 0})
		rnd := rand.New(rand.NewPCG(3, 4))
		r := start(t, renew.Config{Source: f, Jitter: rnd.Float64})
		w := r.Watch("a", "b")
		receive(t, w)
		f.take()
		for range 50 {
			u := <-w.C()
			if len(u.Changed) != 2 {
				t.Fatalf("changed: %v", u.Changed)
			}
		}
		both := 0
		for _, c := range f.take() {
			switch c.names {
			case "a b c":
				both++
			case "a b", "c":
			default:
				t.Errorf("fetched %q", c.names)
			}
		}
		if both == 0 {
			t.Error("c never came along")
		}
	})
	bubble(t, func(t *testing.T) {
		f := newFake(ttls{"a": time.Hour, "c": 2 * time.Hour})
		start(t, renew.Config{Source: f, Jitter: middle})
		after(61 * time.Minute)
		checkCalls(t, f.take(), call{0, "a c"}, call{30 * time.Minute, "a"}, call{60 * time.Minute, "a c"})
	})
}

// TestHerd: a thousand agents started together do not renew together, neither
// the first time nor later.
func TestHerd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const agents = 1000
		f := newFake(ttls{"a": time.Hour})
		for range agents {
			start(t, renew.Config{Source: f})
		}
		f.take()
		for round, from := range []time.Duration{27 * time.Minute, 54 * time.Minute} {
			after(from - time.Since(f.begin))
			f.take()
			after([]time.Duration{6 * time.Minute, 12 * time.Minute}[round])
			perSecond := make(map[time.Duration]int)
			most := 0
			calls := f.take()
			for _, c := range calls {
				perSecond[c.at/time.Second]++
				most = max(most, perSecond[c.at/time.Second])
			}
			if len(calls) < agents*95/100 {
				t.Errorf("round %d: %d of %d renewed", round, len(calls), agents)
			}
			// 1,000 over 360 s are 2.8 in a second; 15 happen once in a million runs.
			if most > 15 || len(perSecond) < 250 {
				t.Errorf("round %d: up to %d in a second, spread over %d seconds", round, most, len(perSecond))
			}
		}
	})
}
