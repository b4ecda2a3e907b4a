//go:build unix

package secretsdir_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

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

	// Left behind by a killed agent, it is swept though it is not root's.
	dead := filepath.Join(parent, "taskagent-ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	must(t, os.Mkdir(dead, 0o700))
	must(t, os.Chown(dead, somebody, someGroup))
	old := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(dead, old, old))
	must(t, os.Chmod(parent, 0o1777)) // but not where that user could have made it
	for _, want := range []string{filepath.Base(dead), ""} {
		next, err := secretsdir.CreateLayout(parent, secretsdir.Keep, secretsdir.Keep)
		must(t, err)
		must(t, next.Remove())
		if got := names(t, parent); got != want {
			t.Errorf("left: %q, want %q", got, want)
		}
		must(t, os.Chmod(parent, 0o755))
	}
}
