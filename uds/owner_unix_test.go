//go:build unix

package uds_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/taskagent/taskagent/platform"
	"github.com/taskagent/taskagent/uds"
)

func TestMode(t *testing.T) {
	tests := []struct {
		mode  os.FileMode
		umask int
		want  os.FileMode
	}{
		{0, 0, 0o600}, {0, 0o077, 0o600}, {0o600, 0o022, 0o600}, {0o660, 0o077, 0o660}, {0o666, 0o022, 0o666},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%04o umask %04o", tt.mode, tt.umask), func(t *testing.T) {
			dir, base := tempDir(t), tempDir(t)
			_, long := pathOf(t, 150)
			for _, path := range []string{filepath.Join(dir, "api.sock"), long} {
				o := mine(base)
				o.Mode = tt.mode
				old := syscall.Umask(tt.umask)
				l, err := uds.Listen(path, o)
				syscall.Umask(old)
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				info, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				if got := info.Mode(); got != fs.ModeSocket|tt.want {
					t.Errorf("mode of %s is %v, want %v", path, got, tt.want)
				}
			}
		})
	}
}

// Whenever the socket is seen it has the mode and the owner asked for.
func TestNeverSeenWider(t *testing.T) {
	dir := tempDir(t)
	path := filepath.Join(dir, "api.sock")
	o := mine("")
	if os.Geteuid() == 0 {
		o.UID, o.GID = 65534, 65534
	}
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	seen := 0
	wg.Go(func() {
		for ctx.Err() == nil {
			info, err := os.Lstat(path)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				t.Error(err)
				return
			}
			seen++
			uid, gid, _ := platform.FileOwner(info)
			if info.Mode() != fs.ModeSocket|0o600 || (o.UID != -1 && (uid != o.UID || gid != o.GID)) {
				t.Errorf("seen with %v, owner %d:%d", info.Mode(), uid, gid)
				return
			}
		}
	})
	for range 300 {
		l, err := uds.Listen(path, o)
		if err != nil {
			t.Error(err)
			break
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	stop()
	wg.Wait()
	t.Logf("seen %d times", seen)
	wantNames(t, dir)
}

// A failed chown is an error, and leaves nothing.
func TestOwnerCannotBeSet(t *testing.T) {
	if asUser(t, 65534) {
		return
	}
	dir, base := tempDir(t), tempDir(t)
	longDir, long := pathOf(t, 150)
	path := filepath.Join(dir, "api.sock")
	o := mine(base)
	o.UID, o.GID = os.Geteuid()+1, -1
	_, err := uds.Listen(path, o)
	wantError(t, err, fmt.Sprintf("listen on socket %q: give it to uid %d gid -1: operation not permitted", path, o.UID), fs.ErrPermission)
	_, err = uds.Listen(long, o)
	wantError(t, err, fmt.Sprintf("listen on socket %q: give it to uid %d gid -1: operation not permitted", long, o.UID), fs.ErrPermission)
	wantNames(t, dir)
	wantNames(t, longDir)
	wantNames(t, base)
}

func TestSocketOfAnotherUser(t *testing.T) {
	needRoot(t)
	dir, base := tempDir(t), tempDir(t)
	_, long := pathOf(t, 150)
	for _, path := range []string{filepath.Join(dir, "api.sock"), long} {
		o := mine(base)
		o.UID, o.GID = 65534, 65533
		l := listen(t, path, o)
		for _, p := range []string{l.Path(), l.DialPath()} {
			info, err := os.Stat(p)
			if err != nil {
				t.Fatal(err)
			}
			if uid, gid, _ := platform.FileOwner(info); uid != o.UID || gid != o.GID || info.Mode().Perm() != 0o600 {
				t.Errorf("%s is %v, owner %d:%d", p, info.Mode(), uid, gid)
			}
			if got, want := dialAs(t, o.UID, p), fmt.Sprintln("connected to uid", os.Geteuid(), nil); got != want {
				t.Errorf("its owner: %q, want %q", got, want)
			}
			if got, want := dialAs(t, 65532, p), fmt.Sprintf("error: connect to socket %q: permission denied\n", p); got != want {
				t.Errorf("somebody else: %q, want %q", got, want)
			}
		}
		if path == long {
			info, err := os.Stat(filepath.Dir(l.DialPath()))
			if err != nil {
				t.Fatal(err)
			}
			if uid, gid, _ := platform.FileOwner(info); uid != o.UID || gid != o.GID || info.Mode() != fs.ModeDir|0o700 {
				t.Errorf("the short name's directory is %v, owner %d:%d", info.Mode(), uid, gid)
			}
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	wantNames(t, dir)
	wantNames(t, base)

	// A place the user cannot reach is no place for the short name.
	if err := os.Chmod(base, 0o700); err != nil {
		t.Fatal(err)
	}
	o := mine(base)
	o.UID = 65534
	_, err := uds.Listen(long, o)
	wantError(t, err, fmt.Sprintf("listen on socket %q: no place for a short name of it: uid 65534 cannot reach %q", long, base), nil)
}

// A socket we may not connect to could be anybody's, so it stays.
func TestDeniedSocketIsKept(t *testing.T) {
	if asUser(t, 65534) {
		return
	}
	dir := tempDir(t)
	path := filepath.Join(dir, "api.sock")
	dead(t, path)
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if state, err := uds.Probe(path); state != uds.Denied || err != nil {
		t.Errorf("probe: %v, %v", state, err)
	}
	_, err := uds.Listen(path, mine(""))
	wantError(t, err, fmt.Sprintf("socket %q is somebody else's: we may not connect to it", path), uds.ErrInUse)
	wantNames(t, dir, "api.sock")
	_, err = uds.Dial(t.Context(), path)
	wantError(t, err, fmt.Sprintf("connect to socket %q: permission denied", path), fs.ErrPermission)
}

// An alias that another user put there is not ours to follow or replace.
func TestForeignAliasIsKept(t *testing.T) {
	needRoot(t)
	dir := tempDir(t)
	path := filepath.Join(dir, "api.sock")
	target := "/run/taskagent-abcdefgh23/s"
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(path, 65534, -1); err != nil {
		t.Fatal(err)
	}
	_, err := uds.Listen(path, mine(""))
	wantError(t, err, fmt.Sprintf("listen on socket %q: a symlink to %q is in the way: not a socket of ours", path, target), uds.ErrInTheWay)
}

func TestUnwritableDirectory(t *testing.T) {
	if asUser(t, 65534) {
		return
	}
	dir := tempDir(t)
	path := filepath.Join(dir, "api.sock")
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	_, err := uds.Listen(path, mine(""))
	wantError(t, err, fmt.Sprintf("listen on socket %q: make a staging directory beside it: permission denied", path), fs.ErrPermission)
}

// A hardened process still listens and dials through its descriptors.
func TestHardened(t *testing.T) {
	if asUser(t, 65534) {
		return
	}
	if os.Getenv(helperUser) == "" {
		t.Skip("hardening would stay on for the other tests")
	}
	if err := platform.Harden(); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{60, 107, 150} {
		_, path := pathOf(t, n)
		l := listen(t, path, mine(tempDir(t)))
		reaches(t, l, path)
		conn, err := uds.Dial(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if peer, err := uds.PeerCred(conn); err != nil || !peer.SameUser() {
			t.Errorf("peer %+v, %v", peer, err)
		}
	}
}
