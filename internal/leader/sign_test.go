package leader

import (
	"testing"
	"testing/synctest"
	"time"
)

// A token has whole seconds. Where the lifetime is short, what is cut off of
// the time of issue must not be cut off of the life.
func TestShortLife(t *testing.T) {
	for _, tt := range []struct {
		ttl, into time.Duration // into the second of issue
		want      time.Duration // of life after the start of that second
	}{
		{time.Second, 0, time.Second},
		{time.Second, time.Nanosecond, 2 * time.Second},
		{time.Second, 999 * time.Millisecond, 2 * time.Second},
		{1500 * time.Millisecond, 0, 2 * time.Second},
		{1500 * time.Millisecond, 600 * time.Millisecond, 3 * time.Second},
		{9 * time.Second, 500 * time.Millisecond, 10 * time.Second},
		{10 * time.Second, 500 * time.Millisecond, 10 * time.Second},
		{time.Hour, 500 * time.Millisecond, time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			time.Sleep(tt.into)
			s := request("", "t")
			s.Identities = s.Identities[1:]
			s.Identities[0].TTL, s.Once = tt.ttl, true
			_, tokens := w.begin(t, s, &fakeHolder{})
			v, err := w.auth.verify(tokens["short"])
			if err != nil {
				t.Fatal(err)
			}
			c, issued := v.claims, time.Now().Truncate(time.Second)
			if !c.IssuedAt.Equal(issued) || !c.NotBefore.Equal(issued) || c.Expiry.Sub(issued) != tt.want {
				t.Errorf("ttl %v, %v into a second: issued at %v, good for %v, want %v", tt.ttl, tt.into, c.IssuedAt, c.Expiry.Sub(issued), tt.want)
			}
			// The task of the token lives as long, and status knows.
			task := w.store.Tasks()[0]
			if task.Expires.Before(c.Expiry) {
				t.Errorf("the task ends at %v, its token at %v", task.Expires, c.Expiry)
			}
			if got := w.status(task).Identities[0].Expires; !got.Equal(c.Expiry) {
				t.Errorf("status says %v, the token %v", got, c.Expiry)
			}
			if tt.ttl < shortTTL {
				time.Sleep(tt.ttl - time.Nanosecond)
				w.check(t, tokens["short"], nil)
			}
		})
	}
}
