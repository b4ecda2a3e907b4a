//go:build unix

package platform_test

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/taskagent/taskagent/platform"
)

func TestPrivateTempRoot(t *testing.T) {
	if asOtherUser(t) {
		return
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("TMPDIR", worldDir(t))
	dir, tmpfs := platform.PrivateTempRoot()
	if !tmpfs && dir != os.TempDir() {
		t.Errorf("%q is neither in memory nor the temporary directory", dir)
	}
	if !tmpfs {
		t.Skip("there is no tmpfs here that we can use")
	}
	if !platform.SafeParent(dir) {
		t.Errorf("%q is no safe place", dir)
	}

	// A runtime directory in memory that is ours comes first, one that
	// others can change does not come at all.
	own := filepath.Join(dir, "own")
	if err := os.Mkdir(own, 0o700); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(own)
	t.Setenv("XDG_RUNTIME_DIR", own)
	if got, tmpfs := platform.PrivateTempRoot(); got != own || !tmpfs {
		t.Errorf("%q, %v; want %q", got, tmpfs, own)
	}
	// Nobody else could reach it.
	if got, _ := platform.PrivateTempRootFor(os.Geteuid() - 1); got != dir {
		t.Errorf("for another user %q, want %q", got, dir)
	}
	if err := os.Chmod(own, 0o777); err != nil {
		t.Fatal(err)
	}
	if got, _ := platform.PrivateTempRoot(); got != dir {
		t.Errorf("%q, want %q", got, dir)
	}
	t.Setenv("XDG_RUNTIME_DIR", "relative")
	if got, _ := platform.PrivateTempRoot(); got != dir {
		t.Errorf("%q, want %q", got, dir)
	}
}

// Under sudo XDG_RUNTIME_DIR may be the caller's, who can read what is there.
func TestTempRootOfAnotherUser(t *testing.T) {
	rootOnly(t)
	root, tmpfs := platform.PrivateTempRoot()
	if !tmpfs {
		t.Skip("there is no tmpfs here that we can use")
	}
	other := filepath.Join(root, "platform-test")
	if err := platform.MakePrivateDirFor(other, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(other)
	t.Setenv("XDG_RUNTIME_DIR", other)
	if got, _ := platform.PrivateTempRoot(); got == other {
		t.Errorf("%q belongs to another user", got)
	}
}

func TestSafeParent(t *testing.T) {
	dir := worldDir(t)
	tests := []struct {
		mode os.FileMode
		want bool
	}{
		{0o700, true}, {0o755, true}, {0o777, false}, {0o775, false},
		{0o777 | os.ModeSticky, true}, {0o775 | os.ModeSticky, true},
	}
	for _, tt := range tests {
		if err := os.Chmod(dir, tt.mode); err != nil {
			t.Fatal(err)
		}
		if got := platform.SafeParent(dir); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.mode, got, tt.want)
		}
	}
	file := filepath.Join(dir, "file")
	writeFile(t, file, "")
	for _, path := range []string{file, filepath.Join(dir, "missing")} {
		if platform.SafeParent(path) {
			t.Errorf("%s is no directory", path)
		}
	}
}

func TestUnwritableIsNoSafeParent(t *testing.T) {
	if asOtherUser(t) {
		return
	}
	dir := worldDir(t)
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, "/"} {
		if platform.SafeParent(path) {
			t.Errorf("we cannot write to %s", path)
		}
	}
}

func TestCanReach(t *testing.T) {
	dir := worldDir(t)
	in := filepath.Join(dir, "in")
	if err := os.Mkdir(in, 0o755); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "darwin" {
		t.Skip("the temporary directory itself is closed to others")
	}
	me, other := os.Geteuid(), os.Geteuid()+1
	check := func(what string, uid int, want bool) {
		t.Helper()
		if got := platform.CanReach(in, uid); got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	check("all open, us", me, true)
	check("all open, another", other, true)
	check("all open, root", 0, true)
	os.Chmod(dir, 0o700)
	check("parent closed, us", me, true)
	check("parent closed, another", other, false)
	check("parent closed, root", 0, true)
	os.Chmod(dir, 0o755)
	os.Chmod(in, 0o750)
	check("closed, another", other, false)
	os.Chmod(in, 0o005)
	check("closed to its owner only, another", other, true)
	check("closed to its owner only, us", me, me == 0)
	os.Remove(in)
	check("missing", other, false)
}
