//go:build unix

package secretsdir_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/taskagent/taskagent/platform"
	"github.com/taskagent/taskagent/secretsdir"
)

func TestLayoutOfAnother(t *testing.T) {
	needRoot(t)
	parent := t.TempDir()
	must(t, os.Chmod(parent, 0o711))
	l, err := secretsdir.CreateLayout(parent, somebody, someGroup)
	must(t, err)
	for _, dir := range []string{l.Root, l.Secrets, l.Local, l.Alloc} {
		checkOwner(t, dir, os.ModeDir|0o700, somebody, someGroup)
	}
	d := open(t, l.Secrets, secretsdir.Options{UID: somebody, GID: someGroup})
	must(t, d.Publish("nomad_token", []byte("x")))
	must(t, l.Remove())
}

// TestSweepOfAnother: what a killed agent of root's left behind is swept though
// it was given to the task's user, and in a sticky directory, too.
func TestSweepOfAnother(t *testing.T) {
	needRoot(t)
	old := time.Now().Add(-time.Hour)
	const dead = "taskagent-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for _, tt := range []struct {
		name   string
		mode   os.FileMode // of the parent
		make   func(t *testing.T, parent, dir string)
		remain bool
	}{
		{name: "only root writes there", mode: 0o755},
		{name: "sticky", mode: 0o777 | os.ModeSticky},
		{name: "whoever likes replaces it", mode: 0o777, remain: true},
		{name: "young", mode: 0o777 | os.ModeSticky, remain: true, make: func(t *testing.T, _, dir string) {
			must(t, os.Chtimes(dir, time.Now(), time.Now()))
		}},
		{name: "its agent lives", mode: 0o777 | os.ModeSticky, remain: true, make: func(t *testing.T, _, dir string) {
			f, err := os.Open(dir)
			must(t, err)
			t.Cleanup(func() { f.Close() })
			must(t, platform.TryLockDir(f))
		}},
		{name: "others can enter", mode: 0o777 | os.ModeSticky, remain: true, make: func(t *testing.T, _, dir string) {
			must(t, os.Chmod(dir, 0o755))
		}},
		{name: "something else in it", mode: 0o777 | os.ModeSticky, remain: true, make: func(t *testing.T, _, dir string) {
			write(t, filepath.Join(dir, "thesis"), "x")
			must(t, os.Chtimes(dir, old, old))
		}},
		{name: "read-only", mode: 0o777 | os.ModeSticky, make: func(t *testing.T, _, dir string) {
			must(t, os.Chmod(filepath.Join(dir, "secrets"), 0o500))
		}},
		{name: "links out of it", mode: 0o777 | os.ModeSticky, make: func(t *testing.T, parent, dir string) {
			must(t, os.Symlink(filepath.Join(parent, "victim"), filepath.Join(dir, "secrets", "link")))
			must(t, os.Symlink(filepath.Join(parent, "victim"), filepath.Join(dir, "local")))
			must(t, os.Chtimes(dir, old, old))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			parent := t.TempDir()
			must(t, os.Mkdir(filepath.Join(parent, "victim"), 0o700))
			write(t, filepath.Join(parent, "victim", "x"), "x")
			dir := filepath.Join(parent, dead)
			for _, d := range []string{dir, filepath.Join(dir, "secrets")} {
				must(t, os.Mkdir(d, 0o700))
				must(t, os.Chown(d, somebody, someGroup))
			}
			write(t, filepath.Join(dir, "secrets", "nomad_token"), "x")
			must(t, os.Chtimes(dir, old, old))
			if tt.make != nil {
				tt.make(t, parent, dir)
			}
			must(t, os.Chmod(parent, tt.mode))
			next, err := secretsdir.CreateLayout(parent, secretsdir.Keep, secretsdir.Keep)
			must(t, err)
			must(t, next.Remove())
			want := "victim"
			if tt.remain {
				want = dead + " " + want
			}
			if got := names(t, parent); !sameNames(got, want) {
				t.Errorf("left: %q, want %q", got, want)
			}
			if content(t, filepath.Join(parent, "victim", "x")) != "x" {
				t.Error("another's file was changed")
			}
		})
	}
}
