package keyring_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/leader/keyring"
)

func states(kr *keyring.Keyring) string {
	var s []string
	for _, m := range kr.List() {
		s = append(s, string(m.State))
	}
	return strings.Join(s, " ")
}

func advance(t *testing.T, kr *keyring.Keyring) time.Time {
	t.Helper()
	next, err := kr.Advance()
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func none(string) (bool, error)         { return false, nil }
func noForever(time.Time) (bool, error) { return false, nil }

// The whole life of a key: published half of its time early, active for the
// time it was made for, and published until what it signed has expired.
func TestSchedule(t *testing.T) {
	c := newClock()
	kr, path := create(t, c, identity.EdDSA)
	kr.SetHooks(keyring.Hooks{Variables: none, Forever: noForever})
	start := c.Now()

	steps := []struct {
		at     time.Duration // since the start
		states string
		next   time.Duration
	}{
		{0, "active", 360 * time.Hour},
		{359 * time.Hour, "active", 360 * time.Hour},
		{360 * time.Hour, "active prepublished", 720 * time.Hour},
		{719 * time.Hour, "active prepublished", 720 * time.Hour},
		// The first signed something for 3 h just before; coarse makes that 4 h.
		{720 * time.Hour, "inactive active", 724*time.Hour + time.Minute},
		{724 * time.Hour, "inactive active", 724*time.Hour + time.Minute},
		{724*time.Hour + time.Minute, "active", 1080 * time.Hour},
		{1080 * time.Hour, "active prepublished", 1440 * time.Hour},
		{1440 * time.Hour, "inactive active", 1440*time.Hour + time.Minute},
		{1440*time.Hour + time.Minute, "active", 1800 * time.Hour},
	}
	if _, err := kr.Sign(c.claims(3 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		c.add(start.Add(s.at).Sub(c.Now()))
		next := advance(t, kr)
		if got := states(kr); got != s.states || !next.Equal(start.Add(s.next)) {
			t.Fatalf("at %v: %s, next %v; want %s, next %v", s.at, got, next.Sub(start), s.states, s.next)
		}
		if got := states(reopen(t, path, c)); got != s.states {
			t.Fatalf("at %v: the file has %s, want %s", s.at, got, s.states)
		}
	}
}

// A leader that was away when a key was due still gives verifiers time to learn it.
func TestScheduleAfterAbsence(t *testing.T) {
	c := newClock()
	kr, _ := create(t, c, identity.EdDSA)
	c.add(5000 * time.Hour)
	next := advance(t, kr)
	if got := states(kr); got != "active prepublished" || next.Sub(c.Now()) != 360*time.Hour {
		t.Fatalf("%s, next in %v", got, next.Sub(c.Now()))
	}
	c.add(9000 * time.Hour)
	advance(t, kr)
	if got := states(kr); got != "inactive active prepublished" {
		t.Fatalf("%s", got)
	}
}

func TestRetiredKeyStaysWhileNeeded(t *testing.T) {
	for _, tt := range []struct {
		name      string
		ttl       time.Duration
		variable  bool
		forever   bool
		wait      time.Duration
		want      string
		uses      bool
		wantError string
	}{
		{name: "nothing signed", ttl: -1, wait: 2 * time.Minute, want: "active", uses: true},
		{name: "token alive", ttl: time.Hour, wait: time.Hour, want: "inactive active", uses: true},
		{name: "token expired", ttl: time.Hour, wait: time.Hour + time.Minute, want: "active", uses: true},
		{name: "variable", ttl: -1, variable: true, wait: 9999 * time.Hour, want: "inactive active prepublished", uses: true},
		{name: "task with a token for ever", forever: true, wait: time.Hour, want: "inactive active", uses: true},
		{name: "token for ever, task ended", wait: time.Hour, want: "active", uses: true},
		{name: "nobody to ask", ttl: -1, wait: time.Hour, want: "inactive active"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newClock()
			kr, _ := create(t, c, identity.EdDSA)
			if tt.uses {
				kr.SetHooks(keyring.Hooks{
					Variables: func(string) (bool, error) { return tt.variable, nil },
					Forever: func(before time.Time) (bool, error) {
						if !before.Equal(newClock().Now().Add(time.Minute)) {
							return false, fmt.Errorf("asked about %v", before)
						}
						return tt.forever, nil
					},
				})
			}
			if tt.ttl >= 0 {
				if _, err := kr.Sign(c.claims(tt.ttl)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := kr.Rotate(false, time.Time{}); err != nil {
				t.Fatal(err)
			}
			c.add(tt.wait)
			advance(t, kr)
			if got := states(kr); got != tt.want {
				t.Fatalf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// What the old key signed stays good, and so does what it encrypted.
func TestRotateKeepsOldKey(t *testing.T) {
	c := newClock()
	kr, path := create(t, c, identity.RS256)
	raw, err := kr.Sign(c.claims(0))
	if err != nil {
		t.Fatal(err)
	}
	id, sealed, _ := kr.Encrypt([]byte("v"), nil)
	kr = reopen(t, path, c) // with EdDSA from the next key on
	m, err := kr.Rotate(false, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if m.State != keyring.StateActive || m.Algorithm != "aes256-gcm" || m.CreateIndex != 2 || m.PublishTime != 0 {
		t.Fatalf("%+v", m)
	}
	kr = reopen(t, path, c)
	if _, err := identity.Verify(raw, kr, identity.VerifyOptions{Now: c.Now()}); err != nil {
		t.Fatal(err)
	}
	if plain, err := kr.Decrypt(id, sealed, nil); err != nil || string(plain) != "v" {
		t.Fatalf("%q %v", plain, err)
	}
	raw, err = kr.Sign(c.claims(0))
	if err != nil {
		t.Fatal(err)
	}
	if h, _ := identity.ParseHeaderInsecure(raw); h.Algorithm != identity.EdDSA || h.KeyID != m.KeyID {
		t.Fatalf("%+v", h)
	}
}

func TestRotateByHand(t *testing.T) {
	c := newClock()
	kr, _ := create(t, c, identity.EdDSA)
	kr.SetHooks(keyring.Hooks{Variables: none, Forever: noForever})
	if _, err := kr.Rotate(true, c.Now()); !errors.Is(err, keyring.ErrFullLate) {
		t.Fatalf("got %v", err)
	}
	m, err := kr.Rotate(false, c.Now().Add(time.Hour))
	if err != nil || m.State != keyring.StatePrepublished || m.PublishTime != c.Now().Add(time.Hour).UnixNano() {
		t.Fatalf("%+v %v", m, err)
	}
	if next := advance(t, kr); !next.Equal(c.Now().Add(time.Hour)) {
		t.Fatalf("next %v", next)
	}
	c.add(time.Hour)
	advance(t, kr)
	if got := states(kr); got != "inactive active" {
		t.Fatalf("got %s", got)
	}
	if _, err := kr.Rotate(true, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got := states(kr); got != "rekeying rekeying active" {
		t.Fatalf("got %s", got)
	}
	for _, m := range kr.List()[:2] {
		if err := kr.Rekeyed(m.KeyID); err != nil {
			t.Fatal(err)
		}
	}
	if got := states(kr); got != "inactive inactive active" {
		t.Fatalf("got %s", got)
	}
	if err := kr.Rekeyed(kr.List()[0].KeyID); !errors.Is(err, keyring.ErrNoKey) {
		t.Fatalf("got %v", err)
	}
}

func TestRemove(t *testing.T) {
	c := newClock()
	kr, path := create(t, c, identity.EdDSA)
	first := kr.List()[0].KeyID
	used := true
	kr.SetHooks(keyring.Hooks{Variables: func(id string) (bool, error) { return used && id == first, nil }})
	raw, err := kr.Sign(c.claims(0))
	if err != nil {
		t.Fatal(err)
	}
	if err := kr.Remove(first, true); err == nil || err.Error() != "active root key cannot be deleted - call rotate first" {
		t.Fatalf("active: %v", err)
	}
	if err := kr.Remove("no", true); err == nil || err.Error() != "root key not found" {
		t.Fatalf("unknown: %v", err)
	}
	if _, err := kr.Rotate(false, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := kr.Remove(first, false); err == nil || err.Error() != "root key in use, cannot delete" {
		t.Fatalf("in use: %v", err)
	}
	used = false
	if err := kr.Remove(first, false); err != nil {
		t.Fatal(err)
	}
	if _, err := identity.Verify(raw, reopen(t, path, c), identity.VerifyOptions{Now: c.Now()}); !errors.Is(err, identity.ErrUnknownKey) {
		t.Fatalf("a removed key still verifies: %v", err)
	}
}

func TestIndexComesFromOutside(t *testing.T) {
	kr, _ := create(t, newClock(), identity.EdDSA)
	n, changes := uint64(100), 0
	kr.SetHooks(keyring.Hooks{NextIndex: func() uint64 { n++; return n }, Changed: func() { changes++ }})
	m, err := kr.Rotate(false, time.Time{})
	if err != nil || m.CreateIndex != 101 || kr.List()[0].ModifyIndex != 101 {
		t.Fatalf("%+v %v %v", m, kr.List(), err)
	}
	c := newClock()
	if _, err := kr.Sign(c.claims(0)); err != nil { // recorded in the file, but nothing to see
		t.Fatal(err)
	}
	if changes != 1 || kr.Index() != 101 {
		t.Fatalf("%d changes, index %d", changes, kr.Index())
	}
}
