package renew_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/renew"
)

// TestOutage: a source that is down loses nothing while the token is good, is
// not hammered, and is found again when it is back.
func TestOutage(t *testing.T) {
	for _, ttl := range []time.Duration{4 * time.Second, time.Minute, time.Hour, 30 * 24 * time.Hour} {
		t.Run(ttl.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFake(ttls{"a": ttl})
				var log failureLog
				rnd := rand.New(rand.NewPCG(5, 6))
				r := start(t, renew.Config{Source: f, Jitter: rnd.Float64, OnFailure: log.add})
				f.take()
				first, _ := r.Current("a")
				f.fail(errDown)
				after(ttl - time.Millisecond)
				if got, ok := r.Current("a"); !ok || got != first {
					t.Error("the last good token is gone")
				}
				before := f.take()
				after(time.Hour)
				expired := f.take()

				failures := log.all()
				if len(failures) != len(before)+len(expired) || failures[0].Err != errDown || fmt.Sprint(failures[0].Names) != "[a]" || failures[0].Retry <= 0 {
					t.Errorf("%d failures reported of %d, the first %+v", len(failures), len(before)+len(expired), failures[0])
				}
				floor := min(time.Second, ttl/4)
				last := time.Duration(0)
				for i, c := range append(slices.Clone(before), expired...) {
					if gap := c.at - last; i > 0 && gap < floor {
						t.Errorf("attempt %d came %v after the one before", i, gap)
					}
					last = c.at
				}
				// At least a few attempts in the second half of its life, and one not
				// long before the end.
				if len(before) < 2 || ttl-before[len(before)-1].at > max(ttl/4, time.Minute) {
					t.Errorf("attempts before expiry: %v", before)
				}
				if n := len(expired); n < 3600/30 || n > 3600/20 {
					t.Errorf("%d attempts in the hour after expiry", n)
				}
				w := r.Watch()
				receive(t, w)
				f.fail(nil)
				after(30 * time.Second)
				if u := receive(t, w); u.Tokens["a"] == first {
					t.Error("the token was not renewed when the source was back")
				}
			})
		})
	}
}

// TestFirstFetch: without any token, attempts go on at a steady pace.
func TestFirstFetch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(ttls{"a": time.Hour})
		f.fail(errDown)
		r := start(t, renew.Config{Source: f, Jitter: func() float64 { return 0 }})
		if _, ok := r.Current("a"); ok {
			t.Error("there is a token")
		}
		w := r.Watch()
		after(20 * time.Second)
		ms := time.Millisecond
		checkCalls(t, f.take(), call{0, "a"}, call{250 * ms, "a"}, call{750 * ms, "a"}, call{1750 * ms, "a"},
			call{3750 * ms, "a"}, call{7750 * ms, "a"}, call{12750 * ms, "a"}, call{17750 * ms, "a"})
		nothing(t, w)
		f.fail(nil)
		after(5 * time.Second)
		receive(t, w)
	})
}

// TestHang: a source that does not answer is given up in time for another try.
func TestHang(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(ttls{"a": 20 * time.Second})
		start(t, renew.Config{Source: f, Jitter: middle})
		f.take()
		f.mu.Lock()
		f.hang = true
		f.mu.Unlock()
		after(20 * time.Second)
		if calls := f.calls; len(calls) < 3 { // no lock: it hangs with it
			t.Errorf("fetches %v", calls)
		}
	})
}

// TestPartial: some tokens beside an error are taken.
func TestPartial(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(ttls{"a": time.Hour})
		var log failureLog
		r := start(t, renew.Config{Source: f, Names: []string{"b", "a", "c"}, Jitter: middle, OnFailure: log.add})
		if _, ok := r.Current("a"); !ok {
			t.Error("a was not taken")
		}
		if failures := log.all(); len(failures) != 1 || fmt.Sprint(failures[0].Names) != "[b c]" || failures[0].Err.Error() != "the source returned no token" {
			t.Errorf("failures %+v", failures)
		}
		f.take()
		after(time.Second)
		for _, c := range f.take() {
			if c.names != "b c" {
				t.Errorf("fetched %q again", c.names)
			}
		}
	})
}

// TestNotNewer: a source that returns what is there already has not renewed it.
func TestNotNewer(t *testing.T) {
	for name, tt := range map[string]struct {
		make func(first time.Time, n int) identity.Token
		want string
	}{
		"the same": {func(first time.Time, n int) identity.Token { return newToken(0, first, time.Hour) }, "the source returned the same token again"},
		"older":    {func(first time.Time, n int) identity.Token { return newToken(n, first, time.Hour-time.Second) }, "the source returned a token that lasts no longer than the present one"},
		"same expiry": {func(first time.Time, n int) identity.Token {
			return newToken(n, first.Add(time.Minute), 59*time.Minute)
		}, "the source returned a token that lasts no longer than the present one"},
		"no token yet": {func(first time.Time, n int) identity.Token { return identity.Token{} }, "the source returned no token"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := newFake(ttls{"a": time.Hour})
				first := newToken(0, f.begin, time.Hour)
				f.make = func(_ string, n int) identity.Token { return tt.make(f.begin, n) }
				var log failureLog
				r := start(t, renew.Config{Source: f, Jitter: middle, Initial: map[string]identity.Token{"a": first},
					OnFailure: log.add})
				after(30*time.Minute + 30*time.Second)
				if failures := log.all(); len(failures) < 2 || len(failures) > 6 || failures[0].Err.Error() != tt.want {
					t.Errorf("failures %+v", failures)
				}
				if got, _ := r.Current("a"); got != first {
					t.Error("it replaced the good token")
				}
			})
		})
	}
}

// TestPutRight: the signer's clock was a year ahead once and is right now. The
// token of that time must not be kept for its late expiry.
func TestPutRight(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(ttls{"a": time.Hour})
		r := start(t, renew.Config{Source: f, Jitter: middle, Initial: map[string]identity.Token{
			"a": newToken(1, time.Now().Add(365*24*time.Hour), time.Hour)}})
		after(31 * time.Minute)
		if got, _ := r.Current("a"); got.IssuedAt().After(time.Now()) {
			t.Errorf("the token is still the one issued at %v", got.IssuedAt())
		}
	})
}

func TestPermanent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(ttls{"a": time.Hour})
		r, err := renew.New(renew.Config{Source: f, Names: []string{"a"}, Jitter: middle})
		if err != nil {
			t.Fatal(err)
		}
		lost := errors.New("the task is lost")
		ended := make(chan error, 1)
		go func() { ended <- r.Run(t.Context()) }()
		synctest.Wait()
		w := r.Watch()
		receive(t, w)
		f.fail(fmt.Errorf("sign: %w", renew.Permanent(lost)))
		after(30 * time.Minute)
		select {
		case err := <-ended:
			if !renew.IsPermanent(err) || !errors.Is(err, lost) || err.Error() != "sign: the task is lost" {
				t.Errorf("Run: %v", err)
			}
		default:
			t.Fatal("Run goes on")
		}
		if _, open := <-w.C(); open {
			t.Error("the watcher's channel is open")
		}
		w.Stop()
		if _, ok := r.Current("a"); !ok {
			t.Error("the last token is gone")
		}
		late := r.Watch()
		receive(t, late)
		if _, open := <-late.C(); open {
			t.Error("a late watcher's channel is open")
		}
		if err := r.Renew(t.Context(), "a"); err == nil || err.Error() != "renew: renewing has ended" {
			t.Errorf("Renew: %v", err)
		}
		if err := r.Run(t.Context()); err == nil || err.Error() != "renew: Run was called before" {
			t.Errorf("Run again: %v", err)
		}
	})
	if renew.Permanent(nil) != nil || renew.IsPermanent(errDown) || renew.IsPermanent(nil) {
		t.Error("Permanent of nothing")
	}
}

func TestNewErrors(t *testing.T) {
	f := newFake(nil)
	for _, tt := range []struct {
		cfg  renew.Config
		want string
	}{
		{renew.Config{Names: []string{"a"}}, "renew: a source and at least one identity are needed"},
		{renew.Config{Source: f}, "renew: a source and at least one identity are needed"},
		{renew.Config{Source: f, Names: []string{"a", "b", "a"}}, `renew: identity "a" is given twice`},
	} {
		if _, err := renew.New(tt.cfg); err == nil || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
}

func TestRenewOnDemand(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(ttls{"a": time.Hour, "b": 0})
		r := start(t, renew.Config{Source: f, Jitter: middle})
		w := r.Watch()
		receive(t, w)
		f.take()
		// At once, within the second that the present ones were signed in.
		if err := r.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		if u := receive(t, w); strings.Join(u.Changed, " ") != "a b" {
			t.Errorf("changed: %v", u.Changed)
		}
		after(10 * time.Minute)
		if err := r.Renew(t.Context(), "a", "a"); err != nil {
			t.Fatal(err)
		}
		if got := r.NextRenewal()["a"].Sub(f.begin); got != 40*time.Minute {
			t.Errorf("next renewal after %v", got)
		}
		f.fail(errDown)
		if err := r.Renew(t.Context()); !errors.Is(err, errDown) {
			t.Errorf("got %v", err)
		}
		if next := r.NextRenewal(); len(next) != 1 || next["a"].Sub(f.begin) != 40*time.Minute {
			t.Errorf("a failure on demand moved the plan: %v", next)
		}
		checkCalls(t, f.take(), call{0, "a b"}, call{10 * time.Minute, "a"}, call{10 * time.Minute, "a b"})
		if err := r.Renew(t.Context(), "x"); err == nil || err.Error() != `renew: there is no identity "x"` {
			t.Errorf("got %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		idle, err := renew.New(renew.Config{Source: f, Names: []string{"a"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := idle.Renew(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("without Run: %v", err)
		}
	})
}
