//go:build unix

package secretsdir_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/taskagent/taskagent/platform"
	"github.com/taskagent/taskagent/secretsdir"
)

// somebody is a user that is not root, with a group of another number.
const somebody, someGroup = 54321, 54322

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: gives files to another user")
	}
}

func checkOwner(t *testing.T, path string, mode os.FileMode, uid, gid int) {
	t.Helper()
	info, err := os.Lstat(path)
	must(t, err)
	gotUID, gotGID, _ := platform.FileOwner(info)
	if info.Mode() != mode || gotUID != uid || gotGID != gid {
		t.Errorf("%s: %v %d:%d, want %v %d:%d", path, info.Mode(), gotUID, gotGID, mode, uid, gid)
	}
}

func TestModes(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o277} {
		old := syscall.Umask(umask)
		path := filepath.Join(t.TempDir(), "secrets")
		must(t, os.Chmod(filepath.Dir(path), 0o700)) // made under that umask
		o := keep
		o.Create = true
		d := open(t, path, o)
		must(t, d.Publish("a/x", []byte("x")))
		syscall.Umask(old)
		checkOwner(t, path, os.ModeDir|0o700, os.Geteuid(), os.Getegid())
		checkOwner(t, filepath.Join(path, "a"), os.ModeDir|0o700, os.Geteuid(), os.Getegid())
		checkOwner(t, filepath.Join(path, "a", "x"), 0o600, os.Geteuid(), os.Getegid())
	}
}

// TestModeOfAWideFile: a file that is already there does not pass its mode on.
func TestModeOfAWideFile(t *testing.T) {
	path := privateDir(t)
	d := open(t, path, keep)
	file := filepath.Join(path, "x")
	write(t, file, "old")
	must(t, os.Chmod(file, 0o666))
	must(t, d.Publish("x", []byte("new")))
	checkOwner(t, file, 0o600, os.Geteuid(), os.Getegid())
}

func TestOwner(t *testing.T) {
	needRoot(t)
	path := filepath.Join(t.TempDir(), "secrets")
	d := open(t, path, secretsdir.Options{UID: somebody, GID: someGroup, Create: true})
	must(t, d.Publish("a/x", []byte("x")))
	checkOwner(t, path, os.ModeDir|0o700, somebody, someGroup)
	checkOwner(t, filepath.Join(path, "a"), os.ModeDir|0o700, somebody, someGroup)
	checkOwner(t, filepath.Join(path, "a", "x"), 0o600, somebody, someGroup)
}

// TestOwnerRefused: what cannot be given away is not published at all.
func TestOwnerRefused(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("needs another user than root, who may give everything away")
	}
	path := privateDir(t)
	d := open(t, path, secretsdir.Options{UID: secretsdir.Keep, GID: 0})
	if err := d.Publish("x", []byte("x")); !errors.Is(err, os.ErrPermission) {
		t.Errorf("got %v", err)
	}
	if err := d.Publish("a/x", []byte("x")); !errors.Is(err, os.ErrPermission) {
		t.Errorf("got %v", err)
	}
	if got := names(t, path); got != "" {
		t.Errorf("left behind: %s", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	top := t.TempDir()
	in := func(name string) string { return filepath.Join(top, name) }
	at := func(name, reason string) string { return fmt.Sprintf("open directory %q: %s", in(name), reason) }
	make := func(name string, mode os.FileMode) {
		must(t, os.Mkdir(in(name), 0o700))
		must(t, os.Chmod(in(name), mode))
	}
	make("private", 0o700)
	make("open", 0o755)
	make("group", 0o710)
	write(t, in("file"), "")
	must(t, os.Symlink("private", in("link")))
	for _, tt := range []struct {
		name string
		o    secretsdir.Options
		is   error
		want string
	}{
		{"missing", keep, os.ErrNotExist, "no such file or directory"},
		{"no/parent", secretsdir.Options{UID: -1, GID: -1, Create: true}, os.ErrNotExist, fmt.Sprintf("make private directory %q: no such file or directory", in("no/parent"))},
		{"file", keep, nil, "it is not a directory"},
		{"link", keep, secretsdir.ErrSymlink, "it is a symlink"},
		{"open", keep, secretsdir.ErrNotPrivate, "other users can enter it (mode 0755)"},
		{"group", keep, secretsdir.ErrNotPrivate, "other users can enter it (mode 0710)"},
	} {
		_, err := secretsdir.Open(in(tt.name), tt.o)
		exact(t, err, at(tt.name, tt.want))
		if tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s: %v does not match %v", tt.name, err, tt.is)
		}
	}
	others := keep
	others.AllowOthers = true
	d := open(t, in("open"), others)
	must(t, d.Publish("x", []byte("x")))
	checkOwner(t, in("open/x"), 0o600, os.Geteuid(), os.Getegid())
	checkOwner(t, in("open"), os.ModeDir|0o755, os.Geteuid(), os.Getegid())
}

func TestOpenOwners(t *testing.T) {
	needRoot(t)
	top := t.TempDir()
	for _, tt := range []struct {
		owner, task int
		want        string
	}{
		{0, secretsdir.Keep, ""},
		{somebody, somebody, ""},
		{0, somebody, "it belongs to the wrong user: only uid 0 can enter it, the task's uid 54321 cannot"},
		{somebody + 1, somebody, "it belongs to the wrong user: uid 54322, which is neither ours, root's nor the task's"},
		{somebody, secretsdir.Keep, "it belongs to the wrong user: uid 54321, which is neither ours, root's nor the task's"},
	} {
		path := filepath.Join(top, fmt.Sprintf("%d-%d", tt.owner, tt.task))
		must(t, os.Mkdir(path, 0o700))
		must(t, os.Chown(path, tt.owner, 0))
		d, err := secretsdir.Open(path, secretsdir.Options{UID: tt.task, GID: secretsdir.Keep})
		if tt.want == "" {
			must(t, err)
			d.Close()
			continue
		}
		exact(t, err, fmt.Sprintf("open directory %q: %s", path, tt.want))
		if !errors.Is(err, secretsdir.ErrOwner) {
			t.Errorf("%v does not match ErrOwner", err)
		}
	}
}

func TestPublishOddFiles(t *testing.T) {
	path := privateDir(t)
	d := open(t, path, keep)
	must(t, syscall.Mkfifo(filepath.Join(path, "fifo"), 0o600))
	exact(t, d.Publish("fifo", []byte("x")), fmt.Sprintf("publish %q: it is not a regular file", filepath.Join(path, "fifo")))
}

// TestSweep: what a killed agent left is removed, what may be in use is not.
func TestSweep(t *testing.T) {
	path := privateDir(t)
	old := time.Now().Add(-time.Hour)
	for _, name := range []string{".taskagent-OLD.tmp", ".taskagent-YOUNG.tmp", ".taskagent-other", "x.tmp"} {
		write(t, filepath.Join(path, name), "half a tok")
		if !strings.Contains(name, "YOUNG") {
			must(t, os.Chtimes(filepath.Join(path, name), old, old))
		}
	}
	open(t, path, keep)
	if got, want := names(t, path), ".taskagent-YOUNG.tmp .taskagent-other x.tmp"; got != want {
		t.Errorf("left: %s, want %s", got, want)
	}
}

// TestPublishFullDisk runs itself with a limit on the size of files, by which a
// write ends in the middle as on a full disk, for every user and everywhere.
func TestPublishFullDisk(t *testing.T) {
	if path := os.Getenv("TEST_FULL_DISK"); path != "" {
		signal.Ignore(syscall.SIGXFSZ)
		var old syscall.Rlimit
		must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old))
		small := old
		small.Cur = 512
		must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small))
		defer syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old)
		d := open(t, path, keep)
		if err := d.Publish("nomad_token", []byte(token(999))); !errors.Is(err, syscall.EFBIG) {
			t.Errorf("got %v", err)
		}
		return
	}
	path := privateDir(t)
	d := open(t, path, keep)
	must(t, d.Publish("nomad_token", []byte(token(1))))
	cmd := exec.Command(os.Args[0], "-test.run=^TestPublishFullDisk$")
	cmd.Env = append(os.Environ(), "TEST_FULL_DISK="+path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := content(t, filepath.Join(path, "nomad_token")); got != token(1) {
		t.Errorf("the old token is now %q", got)
	}
	if got := names(t, path); got != "nomad_token" {
		t.Errorf("left behind: %s", got)
	}
}
