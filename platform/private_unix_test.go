//go:build unix

package platform_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/taskagent/taskagent/platform"
)

func TestPrivateModes(t *testing.T) {
	dir := filepath.Join(worldDir(t), "dir")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	link := dir + "-link"
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	tests := map[os.FileMode]bool{
		0o700: true, 0o500: true, 0o740: true, 0o744: true, 0o766: true,
		0o710: false, 0o701: false, 0o711: false, 0o750: false, 0o755: false, 0o777: false,
		0o777 | fs.ModeSticky: false,
	}
	for mode, want := range tests {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{dir, link} {
			if got, err := platform.IsPrivateDir(path); got != want || err != nil {
				t.Errorf("%v: %v, %v; want %v", mode, got, err, want)
			}
		}
	}
}

// The mode does not depend on the umask nor on what the parent hands down.
func TestPrivateDirMode(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o077} {
		t.Run(fmt.Sprintf("%03o", umask), func(t *testing.T) {
			parent := worldDir(t)
			if err := os.Chmod(parent, 0o755|fs.ModeSetgid); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(parent, "dir")
			old := syscall.Umask(umask)
			err := platform.MakePrivateDir(dir)
			syscall.Umask(old)
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(dir)
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode() != fs.ModeDir|0o700 {
				t.Errorf("mode %v", info.Mode())
			}
		})
	}
}
