package renew_test

import (
	"strings"
	"testing"
	"time"

	"github.com/taskagent/taskagent/renew"
)

func changed(u renew.Update) string { return strings.Join(u.Changed, " ") }

func TestWatchers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(ttls{"a": time.Hour, "b": 4 * time.Hour, "c": 0})
		r := start(t, renew.Config{Source: f, Jitter: middle})
		all, again, onlyB, unknown := r.Watch(), r.Watch(), r.Watch("b"), r.Watch("x")
		for _, w := range []*renew.Watcher{all, again} {
			if u := receive(t, w); changed(u) != "a b c" || len(u.Tokens) != 3 {
				t.Errorf("primed with %s", changed(u))
			}
		}
		if u := receive(t, onlyB); changed(u) != "b" || len(u.Tokens) != 1 {
			t.Errorf("primed with %s", changed(u))
		}
		after(31 * time.Minute)
		u := receive(t, all)
		if now, _ := r.Current("a"); changed(u) != "a" || u.Tokens["a"] != now || len(u.Tokens) != 3 {
			t.Errorf("changed %s", changed(u))
		}
		nothing(t, onlyB)
		nothing(t, unknown)

		// again has not received that one. What follows is merged into it.
		after(2 * time.Hour)
		u = receive(t, again)
		if now, _ := r.Current("a"); changed(u) != "a b" || u.Tokens["a"] != now {
			t.Errorf("changed %s", changed(u))
		}
		nothing(t, again)

		all.Stop()
		all.Stop()
		for range all.C() { // what is left in it, then closed
		}
		after(time.Hour)
		receive(t, again)
		nothing(t, unknown)
	})
}
