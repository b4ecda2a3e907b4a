package secretsdir_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/taskagent/taskagent/platform"
	"github.com/taskagent/taskagent/secretsdir"
)

func TestLayout(t *testing.T) {
	parent := t.TempDir()
	l, err := secretsdir.CreateLayout(parent, secretsdir.Keep, secretsdir.Keep)
	must(t, err)
	if filepath.Dir(l.Root) != parent {
		t.Errorf("made in %s, want %s", filepath.Dir(l.Root), parent)
	}
	if got := names(t, l.Root); got != "alloc local secrets" {
		t.Errorf("in it: %s", got)
	}
	for _, dir := range []string{l.Root, l.Secrets, l.Local, l.Alloc} {
		if private, err := platform.IsPrivateDir(dir); err != nil || !private {
			t.Errorf("%s is private: %v, %v", dir, private, err)
		}
	}
	d := open(t, l.Secrets, keep)
	must(t, d.Publish("nomad_token", []byte("x")))
	must(t, os.MkdirAll(filepath.Join(l.Local, "a", "b"), 0o700))
	must(t, os.Chmod(filepath.Join(l.Local, "a"), 0o500))
	d.Close()
	must(t, l.Remove())
	if got := names(t, parent); got != "" {
		t.Errorf("left: %s", got)
	}
	must(t, l.Remove())
}

func TestLayoutDefaultPlace(t *testing.T) {
	l, err := secretsdir.CreateLayout("", secretsdir.Keep, secretsdir.Keep)
	must(t, err)
	defer l.Remove()
	want, tmpfs := platform.PrivateTempRoot()
	if filepath.Dir(l.Root) != want || l.Tmpfs != tmpfs {
		t.Errorf("made in %s (tmpfs %v), want %s (%v)", filepath.Dir(l.Root), l.Tmpfs, want, tmpfs)
	}
}

func TestLayoutNoPlace(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "missing")
	if l, err := secretsdir.CreateLayout(parent, secretsdir.Keep, secretsdir.Keep); err == nil {
		l.Remove()
		t.Error("made a layout in a directory that is not there")
	}
}

// TestLayoutSweep: the next agent removes what a killed one left, and nothing
// of one that lives.
func TestLayoutSweep(t *testing.T) {
	parent := t.TempDir()
	live, err := secretsdir.CreateLayout(parent, secretsdir.Keep, secretsdir.Keep)
	must(t, err)
	defer live.Remove()
	const dead = "taskagent-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	old := time.Now().Add(-time.Hour)
	for _, name := range []string{dead, "taskagent-of-somebody-else", "taskagent-YOUNGYOUNGYOUNGYOUNGYOUNGY"} {
		must(t, os.MkdirAll(filepath.Join(parent, name, "secrets"), 0o700))
		write(t, filepath.Join(parent, name, "secrets", "nomad_token"), "x")
		if name != "taskagent-YOUNGYOUNGYOUNGYOUNGYOUNGY" {
			must(t, os.Chtimes(filepath.Join(parent, name), old, old))
		}
	}
	must(t, os.Chtimes(live.Root, old, old))
	next, err := secretsdir.CreateLayout(parent, secretsdir.Keep, secretsdir.Keep)
	must(t, err)
	must(t, next.Remove())
	probe, err := os.Open(parent)
	must(t, err)
	defer probe.Close()
	want := filepath.Base(live.Root) + " taskagent-YOUNGYOUNGYOUNGYOUNGYOUNGY taskagent-of-somebody-else"
	if platform.TryLockDir(probe) != nil {
		want = "" // directories cannot be locked here, so nothing is known to be dead
	}
	if got := names(t, parent); want != "" && !sameNames(got, want) {
		t.Errorf("left: %s, want %s", got, want)
	}
	if got := names(t, live.Root); got != "alloc local secrets" {
		t.Errorf("left of the one that lives: %s", got)
	}
}
