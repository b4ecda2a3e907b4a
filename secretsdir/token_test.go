package secretsdir_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/taskagent/taskagent/secretsdir"
)

func TestPath(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("NOMAD_SECRETS_DIR", dir)
	for name, file := range map[string]string{"": "nomad_token", "default": "nomad_token", "aws": "nomad_aws.jwt", "a-b_1": "nomad_a-b_1.jwt"} {
		got, err := secretsdir.Path(name)
		if want := filepath.Join(dir, file); err != nil || got != want {
			t.Errorf("Path(%q) = %q, %v, want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"../x", "a/b", "/"} {
		_, err := secretsdir.Path(name)
		exact(t, err, fmt.Sprintf("%q is not the name of an identity", name))
	}
	t.Setenv("NOMAD_SECRETS_DIR", "")
	_, err := secretsdir.Path("aws")
	exact(t, err, "find the secrets directory: NOMAD_SECRETS_DIR is not set; is this process run by taskagent or Nomad?")
	_, err = secretsdir.Read("aws")
	exact(t, err, "find the secrets directory: NOMAD_SECRETS_DIR is not set; is this process run by taskagent or Nomad?")
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("NOMAD_SECRETS_DIR", dir)
	path := filepath.Join(dir, "nomad_aws.jwt")
	if _, err := secretsdir.Read("aws"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	for raw, want := range map[string]string{token(1): token(1), token(2) + "\r\n": token(2)} {
		write(t, path, raw)
		if got, err := secretsdir.Read("aws"); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	for _, raw := range []string{"", "\n", token(5)[:60], "hello"} {
		write(t, path, raw)
		_, err := secretsdir.Read("aws")
		exact(t, err, fmt.Sprintf("read token: read %q: it is empty or incomplete", path))
	}
}

func next(t *testing.T, w *secretsdir.Watcher, want string) {
	t.Helper()
	select {
	case got := <-w.C():
		if got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	case <-time.After(patience):
		t.Fatal("the token was not noticed")
	}
	if got, err := w.Current(); err != nil || got != want {
		t.Fatalf("Current is %q, %v, want %q", got, err, want)
	}
}

func TestWatch(t *testing.T) {
	path := privateDir(t)
	d := open(t, path, keep)
	file := filepath.Join(path, "nomad_token")
	ctx, cancel := context.WithCancel(t.Context())
	w, err := secretsdir.Watch(ctx, file)
	must(t, err)
	if _, err := w.Current(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before there is one: %v", err)
	}
	must(t, d.Publish("nomad_token", []byte(token(1))))
	next(t, w, token(1))

	late, err := secretsdir.Watch(ctx, file)
	must(t, err)
	next(t, late, token(1)) // primed

	must(t, d.Publish("nomad_token", []byte(token(1)))) // no change
	must(t, d.Publish("nomad_token", []byte(token(2))))
	next(t, w, token(2))
	next(t, late, token(2))

	write(t, file, token(3)+"\n") // in place, as Nomad does
	next(t, w, token(3))

	must(t, os.Truncate(file, 20)) // damaged
	must(t, os.Remove(file))       // and gone: the last good one stays
	if got, err := w.Current(); err != nil || got != token(3) {
		t.Errorf("Current is %q, %v", got, err)
	}
	must(t, d.Publish("nomad_token", []byte(token(4))))
	next(t, w, token(4))

	cancel()
	for range late.C() { // closed; what is left in it may come first
	}
	for range w.C() {
	}
	if got, err := w.Current(); err != nil || got != token(4) {
		t.Errorf("Current at the end is %q, %v", got, err)
	}
}

// TestWatchLatestWins: who receives late gets the newest, and only that.
func TestWatchLatestWins(t *testing.T) {
	path := privateDir(t)
	d := open(t, path, keep)
	must(t, d.Publish("x", []byte(token(0))))
	w, err := secretsdir.Watch(t.Context(), filepath.Join(path, "x"))
	must(t, err)
	deadline := time.Now().Add(patience)
	for n := 1; n <= 5; n++ {
		must(t, d.Publish("x", []byte(token(n))))
		for got, _ := w.Current(); got != token(n); got, _ = w.Current() {
			if time.Now().After(deadline) {
				t.Fatalf("token %d was not noticed", n)
			}
			time.Sleep(time.Millisecond)
		}
	}
	next(t, w, token(5))
}

func TestWatchErrors(t *testing.T) {
	_, err := secretsdir.Watch(t.Context(), "")
	exact(t, err, `watch token "": not a path`)
}
