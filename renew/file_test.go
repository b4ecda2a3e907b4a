package renew_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/renew"
)

// patience is how long a change of a file may take to be noticed before a test
// gives up. Nothing waits that long unless it fails.
const patience = 20 * time.Second

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDeliveredPaths(t *testing.T) {
	got := renew.DeliveredPaths(filepath.FromSlash("/t/secrets/"), []identity.Spec{
		{Name: "default"}, {Name: "a"}, {Name: "b", File: true, Filepath: "local/b"}, {Name: "c", File: true, Filepath: "c.jwt"}})
	want := map[string]string{
		"default": filepath.FromSlash("/t/secrets/nomad_token"), "a": filepath.FromSlash("/t/secrets/nomad_a.jwt"),
		"b": filepath.FromSlash("/t/local/b"), "c": filepath.FromSlash("/t/c.jwt"),
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFindDelivered(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"nomad_token", "nomad_aws.jwt", "nomad_.jwt", "nomad_default.jwt", "nomad_a b.jwt", "aws.jwt", "nomad_x", "api.sock", "env"} {
		write(t, filepath.Join(dir, name), "")
	}
	got, err := renew.FindDelivered(dir)
	want := map[string]string{"default": filepath.Join(dir, "nomad_token"), "aws": filepath.Join(dir, "nomad_aws.jwt")}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if _, err := renew.FindDelivered(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestFileSourceFetch(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	raw := rawToken(1, time.Now(), time.Hour)
	write(t, in("good"), raw+"\n")
	write(t, in("cut"), raw[:len(raw)-10])
	s := &renew.FileSource{Paths: map[string]string{"good": in("good"), "cut": in("cut"), "missing": in("missing")}}
	tokens, err := s.Fetch(t.Context(), []string{"good"})
	if err != nil || tokens["good"].Reveal() != raw {
		t.Errorf("got %v, %v", tokens, err)
	}
	tokens, err = s.Fetch(t.Context(), []string{"cut", "good", "missing", "other"})
	_, missing := os.Stat(in("missing"))
	want := fmt.Sprintf("identity \"cut\": read %q: it is empty or incomplete\n", in("cut")) +
		fmt.Sprintf("identity \"missing\": read %q: %v: was it delivered?\n", in("missing"), errors.Unwrap(missing)) +
		"identity \"other\": no file is known of it"
	if len(tokens) != 1 || err == nil || err.Error() != want {
		t.Errorf("%d tokens and\n%v, want\n%s", len(tokens), err, want)
	}
	if renew.IsPermanent(err) {
		t.Error("a file that may still come is a permanent failure")
	}
}

// TestFileSourceFollowed: the tokens of a Nomad client arrive as it writes them,
// in place, and are never asked for on a schedule.
func TestFileSourceFollowed(t *testing.T) {
	dir := t.TempDir()
	paths := map[string]string{"a": filepath.Join(dir, "nomad_a.jwt"), "b": filepath.Join(dir, "nomad_b.jwt")}
	now := time.Now()
	write(t, paths["a"], rawToken(1, now.Add(-2*time.Hour), time.Hour)) // expired while the machine was off
	var log failureLog
	r, err := renew.New(renew.Config{Source: &renew.FileSource{Paths: paths}, Names: []string{"a", "b"},
		OnFailure: log.add})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	w := r.Watch()
	want := func(name, changed string, token identity.Token) {
		t.Helper()
		select {
		case u := <-w.C():
			if fmt.Sprint(u.Changed) != changed || u.Tokens[name] != token {
				t.Fatalf("changed %v, want %s", u.Changed, changed)
			}
		case <-time.After(patience):
			t.Fatal("not noticed")
		}
	}
	want("a", "[a]", newToken(1, now.Add(-2*time.Hour), time.Hour))
	write(t, paths["a"], rawToken(2, now, time.Hour))
	want("a", "[a]", newToken(2, now, time.Hour))
	write(t, paths["b"], rawToken(3, now, 0)+"\n")
	want("b", "[b]", newToken(3, now, 0))
	write(t, paths["a"], "") // damaged: the good one stays
	write(t, paths["b"], rawToken(4, now, 2*time.Hour))
	want("b", "[b]", newToken(4, now, 2*time.Hour))
	if got, _ := r.Current("a"); got != newToken(2, now, time.Hour) {
		t.Error("the good token is gone")
	}
	if next := r.NextRenewal(); len(next) != 0 {
		t.Errorf("renewals planned: %v", next)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
	if len(log.all()) == 0 {
		t.Error("nothing said about the expired token and the missing one")
	}
}

// deaf is a Notifier whose files nobody renews.
type deaf struct {
	*fake
	stop error
}

func (d deaf) Notify(ctx context.Context, changed func()) error {
	if d.stop != nil {
		return d.stop
	}
	<-ctx.Done()
	return ctx.Err()
}

// TestNotRenewed: an expired token that nobody renewed is said so, at a slow pace.
func TestNotRenewed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFake(ttls{"a": time.Hour})
		f.make = func(string, int) identity.Token { return newToken(1, f.begin, time.Hour) }
		var log failureLog
		start(t, renew.Config{Source: deaf{fake: f}, Names: []string{"a"}, OnFailure: log.add})
		after(59 * time.Minute)
		if failures := log.all(); len(failures) != 0 {
			t.Errorf("failures before it expired: %+v", failures)
		}
		after(11 * time.Minute)
		if failures := log.all(); len(failures) < 9 || len(failures) > 11 || failures[0].Err.Error() != "the token expired and nobody renewed it" {
			t.Errorf("failures: %+v", failures)
		}
	})
}

func TestNotifierEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, err := renew.New(renew.Config{Source: deaf{newFake(ttls{"a": time.Hour}), errDown}, Names: []string{"a"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Run(t.Context()); !errors.Is(err, errDown) || err.Error() != "renew: the source stopped telling of new tokens: the source is down" {
			t.Errorf("Run: %v", err)
		}
	})
}
