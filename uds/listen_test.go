package uds_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/taskagent/taskagent/uds"
)

func TestListenAndClose(t *testing.T) {
	needSockets(t)
	dir := tempDir(t)
	path := filepath.Join(dir, "api.sock")
	l := listen(t, path, mine(""))
	reaches(t, l, path)
	if l.Path() != path || l.DialPath() != path || l.Addr().String() != path || l.Addr().Network() != "unix" {
		t.Errorf("path %q, dial path %q, address %v; want %q", l.Path(), l.DialPath(), l.Addr(), path)
	}
	wantNames(t, dir, "api.sock")

	accept := make(chan error)
	go func() {
		_, err := l.Accept()
		accept <- err
	}()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-accept; !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after close: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	wantNames(t, dir)
}

func TestRelativePath(t *testing.T) {
	needSockets(t)
	dir := tempDir(t)
	t.Chdir(dir)
	// To package net a leading @ is an abstract socket, open to everybody.
	for _, name := range []string{"api.sock", "@api.sock"} {
		l := listen(t, name, mine(""))
		if want := filepath.Join(dir, name); l.Path() != want {
			t.Errorf("path %q, want %q", l.Path(), want)
		}
		reaches(t, l, name)
	}
	wantNames(t, dir, "@api.sock", "api.sock")
}

func TestDeadSocketIsReplaced(t *testing.T) {
	needSockets(t)
	dir := tempDir(t)
	path := filepath.Join(dir, "api.sock")
	dead(t, path)
	reaches(t, listen(t, path, mine("")), path)
	wantNames(t, dir, "api.sock")
}

func TestKilledListenerIsReplaced(t *testing.T) {
	needSockets(t)
	dir := tempDir(t)
	path := filepath.Join(dir, "api.sock")
	process, _ := startListener(t, path, "")
	process.Process.Kill()
	process.Wait()
	reaches(t, listen(t, path, mine("")), path)
}

func TestLiveSocketIsKept(t *testing.T) {
	needSockets(t)
	dir := tempDir(t)
	path := filepath.Join(dir, "api.sock")
	process, _ := startListener(t, path, "")
	_, err := uds.Listen(path, mine(""))
	want := fmt.Sprintf("socket %q is in use by process %d", path, process.Process.Pid)
	if runtime.GOOS == "freebsd" {
		want = fmt.Sprintf("socket %q is in use by another process", path)
	}
	wantError(t, err, want, uds.ErrInUse)
	var inUse *uds.InUseError
	if !errors.As(err, &inUse) || inUse.Path != path || inUse.State != uds.Live {
		t.Errorf("error %#v", err)
	}
	wantNames(t, dir, "api.sock")
	conn, err := uds.Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func TestInTheWay(t *testing.T) {
	needSockets(t)
	dir := tempDir(t)
	const notOurs = ": not a socket of ours"
	tests := []struct {
		name string
		make func(path string) error
		want string
	}{
		{"file", func(p string) error { return os.WriteFile(p, nil, 0o600) }, "a regular file is in the way" + notOurs},
		{"directory", func(p string) error { return os.Mkdir(p, 0o700) }, "a directory is in the way" + notOurs},
		{"symlink to nothing", func(p string) error { return os.Symlink("nothing", p) }, `a symlink to "nothing" is in the way` + notOurs},
		{"symlink to a dead socket", func(p string) error {
			target := filepath.Join(dir, "target")
			dead(t, target)
			return os.Symlink(target, p)
		}, fmt.Sprintf("a symlink to %q is in the way", filepath.Join(dir, "target")) + notOurs},
		{"alias of a file", func(p string) error {
			short := filepath.Join(dir, "taskagent-abcdefgh23")
			if err := os.Mkdir(short, 0o700); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(short, "s"), nil, 0o600); err != nil {
				return err
			}
			return os.Symlink(filepath.Join(short, "s"), p)
		}, fmt.Sprintf("an alias of %q is in the way", filepath.Join(dir, "taskagent-abcdefgh23", "s")) + notOurs},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(dir, fmt.Sprint("socket", i))
			if err := tt.make(path); err != nil {
				t.Skip(err) // symlinks are a privilege on Windows
			}
			before, _ := os.Lstat(path)
			_, err := uds.Listen(path, mine(""))
			wantError(t, err, fmt.Sprintf("listen on socket %q: %s", path, tt.want), uds.ErrInTheWay)
			if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) || before.Mode() != after.Mode() {
				t.Errorf("it was changed: %v, %v", after, err)
			}
		})
	}
}

func TestListenErrors(t *testing.T) {
	needSockets(t)
	dir := tempDir(t)
	missing := filepath.Join(dir, "missing", "api.sock")
	tests := []struct {
		path, want string
		is         error
	}{
		{"", "listen: socket path is empty", nil},
		{"a\x00b", `listen: socket path "a\x00b" contains a NUL`, nil},
		{dir + "/", fmt.Sprintf("listen: socket path %q names a directory", dir+"/"), nil},
		{missing, "", fs.ErrNotExist},
	}
	if runtime.GOOS != "windows" {
		tests[3].want = fmt.Sprintf("listen on socket %q: open its directory: no such file or directory", missing)
	}
	for _, tt := range tests {
		_, err := uds.Listen(tt.path, mine(""))
		if tt.want == "" && err != nil {
			tt.want = err.Error()
		}
		wantError(t, err, tt.want, tt.is)
	}
	wantNames(t, dir)
}

// A successor that does not use this package takes the name while we listen.
func TestCloseKeepsSuccessor(t *testing.T) {
	needSockets(t)
	dir := tempDir(t)
	path := filepath.Join(dir, "api.sock")
	l := listen(t, path, mine(""))
	if !l.InPlace() {
		t.Error("it says it was replaced")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if l.InPlace() {
		t.Error("removed: it says it is in place")
	}
	successor := live(t, path)
	if l.InPlace() {
		t.Error("replaced: it says it is in place")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal("the successor's socket is gone:", err)
	}
	conn.Close()
	successor.Close()

	// Nor does a file that is no socket go.
	os.Remove(path)
	l = listen(t, path, mine(""))
	os.Remove(path)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	wantNames(t, dir, "api.sock")
}

func TestOneOfManyListens(t *testing.T) {
	needSockets(t)
	if runtime.GOOS == "windows" {
		t.Skip("directories cannot be locked on Windows")
	}
	for _, stale := range []bool{false, true} {
		t.Run(fmt.Sprint("stale=", stale), func(t *testing.T) {
			for range 20 {
				dir := tempDir(t)
				path := filepath.Join(dir, "api.sock")
				if stale {
					dead(t, path)
				}
				var (
					wg   sync.WaitGroup
					mu   sync.Mutex // guards won
					won  []*uds.Listener
					gate = make(chan struct{})
				)
				for range 8 {
					wg.Go(func() {
						<-gate
						l, err := uds.Listen(path, mine(""))
						if err != nil {
							if !errors.Is(err, uds.ErrInUse) {
								t.Error(err)
							}
							return
						}
						mu.Lock()
						defer mu.Unlock()
						won = append(won, l)
					})
				}
				close(gate)
				wg.Wait()
				if len(won) != 1 {
					t.Fatalf("%d of them listen", len(won))
				}
				wantNames(t, dir, "api.sock")
				if err := won[0].Close(); err != nil {
					t.Error(err)
				}
				wantNames(t, dir)
			}
		})
	}
}

// Whoever dials while a dead socket is being replaced finds one or the other.
func TestReplacementIsSeamless(t *testing.T) {
	needSockets(t)
	if runtime.GOOS == "windows" {
		t.Skip("a socket is not replaced in one step on Windows")
	}
	dir := tempDir(t)
	path := filepath.Join(dir, "api.sock")
	dead(t, path)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	connected := 0
	wg.Go(func() {
		for ctx.Err() == nil {
			conn, err := uds.Dial(ctx, path)
			switch {
			case err == nil:
				conn.Close()
				connected++
			case errors.Is(err, uds.ErrNotListening), ctx.Err() != nil:
			default:
				t.Error(err)
				return
			}
		}
	})
	for i := range 300 {
		l, err := uds.Listen(path, mine(""))
		if err != nil {
			t.Error(err)
			break
		}
		// One that died: its socket in place of ours, which Close then keeps.
		other := filepath.Join(dir, fmt.Sprint(i))
		dead(t, other)
		if err := os.Rename(other, path); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	stop()
	wg.Wait()
	t.Logf("%d connections", connected)
}
