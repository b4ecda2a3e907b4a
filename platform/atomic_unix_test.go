//go:build unix

package platform_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/taskagent/taskagent/platform"
)

func TestOpenExclusiveMode(t *testing.T) {
	dir := worldDir(t)
	root := openRoot(t, dir)
	for _, umask := range []int{0, 0o022, 0o077, 0o277} {
		for _, perm := range []os.FileMode{0o600, 0o400, 0o640, 0o644, 0o000} {
			old := syscall.Umask(umask)
			f, err := platform.OpenExclusive(root, "file", perm)
			syscall.Umask(old)
			if err != nil {
				t.Fatal(err)
			}
			info, err := f.Stat()
			f.Close()
			os.Remove(filepath.Join(dir, "file"))
			if err != nil || info.Mode() != perm {
				t.Errorf("umask %03o: mode %v, want %v; %v", umask, info.Mode(), perm, err)
			}
		}
	}
}
