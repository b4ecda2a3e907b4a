//go:build unix

package uds_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taskagent/taskagent/platform"
	"github.com/taskagent/taskagent/uds"
)

// pathOf returns a path of n bytes in a directory that exists, below a fresh
// one, which is returned too.
func pathOf(t *testing.T, n int) (dir, path string) {
	t.Helper()
	dir = tempDir(t)
	const name = "/api.sock"
	path = dir
	for left := n - len(dir) - len(name); left > 0; left = n - len(path) - len(name) {
		step := min(left, 100)
		if left > 100 && left < 102 {
			step = 50 // a separator needs a letter after it
		}
		path += "/" + strings.Repeat("d", step-1)
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	path += name
	if len(path) != n {
		t.Fatalf("made %d bytes, want %d", len(path), n)
	}
	return filepath.Dir(path), path
}

func TestPathLengths(t *testing.T) {
	longest := uds.MaxPath
	here, err := os.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	if _, ok := platform.DescriptorPath(here); !ok {
		// Bound by its path, in a staging directory with a name of its own.
		longest -= len("/.sock-0123456789/s") - len("/api.sock")
	}
	for _, n := range []int{60, 103, 104, 107, 108, 110, 300, 2000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			dir, path := pathOf(t, n)
			base := tempDir(t)
			l := listen(t, path, mine(base))
			if l.Path() != path {
				t.Errorf("path %q", l.Path())
			}
			if len(l.DialPath()) > uds.MaxPath {
				t.Errorf("dial path %q has %d bytes", l.DialPath(), len(l.DialPath()))
			}
			reaches(t, l, path)
			reaches(t, l, l.DialPath())
			if conn, err := net.Dial("unix", l.DialPath()); err != nil {
				t.Error("any program should be able to connect:", err)
			} else {
				conn.Close()
			}
			if state, err := uds.Probe(path); state != uds.Live || err != nil {
				t.Errorf("probe: %v, %v", state, err)
			}
			wantNames(t, dir, "api.sock")
			target, err := os.Readlink(path)
			if isLink := err == nil; isLink != (n > longest) || (isLink && target != l.DialPath()) {
				t.Errorf("link to %q, %v", target, err)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			wantNames(t, dir)
			wantNames(t, base)
		})
	}
}

// Names that do not fit beside the descriptor of their directory.
func TestLongNames(t *testing.T) {
	for _, n := range []int{1, 64, 65, 90, 107, 200, 255} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			dir, base := tempDir(t), tempDir(t)
			name := strings.Repeat("n", n)
			path := filepath.Join(dir, name)
			l := listen(t, path, mine(base))
			reaches(t, l, path)
			reaches(t, l, l.DialPath())
			wantNames(t, dir, name)
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			wantNames(t, dir)
			wantNames(t, base)
		})
	}
	dir, base := tempDir(t), tempDir(t)
	path := filepath.Join(dir, strings.Repeat("n", 256))
	_, err := uds.Listen(path, mine(base))
	wantError(t, err, fmt.Sprintf("listen on socket %q: file name too long", path), nil)
	wantNames(t, dir)
	wantNames(t, base)
}

// Without a RuntimeDir a place is found, and nothing stays behind there.
func TestDefaultRuntimeDir(t *testing.T) {
	_, path := pathOf(t, 150)
	l := listen(t, path, mine(""))
	reaches(t, l, path)
	short := filepath.Dir(l.DialPath())
	info, err := os.Stat(short)
	if err != nil || info.Mode() != fs.ModeDir|0o700 {
		t.Errorf("the short name's directory is %v, %v", info.Mode(), err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(short); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", short, err)
	}
}

func TestNoPlaceForShortName(t *testing.T) {
	open := tempDir(t)
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	longBase, _ := pathOf(t, 130)
	missing := filepath.Join(open, "missing")
	const unsafe = "%q is not a directory where we can write and others cannot rename what is ours"
	tests := []struct{ name, base, want string }{
		{"missing", missing, fmt.Sprintf(unsafe, missing)},
		{"others can rename", open, fmt.Sprintf(unsafe, open)},
		{"too long", longBase, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, path := pathOf(t, 120)
			_, err := uds.Listen(path, mine(tt.base))
			want := fmt.Sprintf("listen on socket %q: no place for a short name of it: %s", path, tt.want)
			if tt.want == "" {
				if !errors.Is(err, uds.ErrPathTooLong) {
					t.Errorf("%v does not match ErrPathTooLong", err)
				}
			} else {
				wantError(t, err, want, nil)
			}
			wantNames(t, dir)
		})
	}
	wantNames(t, longBase)
}

func TestDeadAliasIsReplaced(t *testing.T) {
	dir, path := pathOf(t, 140)
	base := tempDir(t)
	process, dialPath := startListener(t, path, base)
	if filepath.Dir(filepath.Dir(dialPath)) != base {
		t.Fatalf("the helper listens on %q", dialPath)
	}
	_, err := uds.Listen(path, mine(base))
	if !errors.Is(err, uds.ErrInUse) {
		t.Errorf("beside a live alias: %v", err)
	}
	process.Process.Kill()
	process.Wait()

	l := listen(t, path, mine(base))
	reaches(t, l, path)
	wantNames(t, dir, "api.sock")
	wantNames(t, base, filepath.Base(filepath.Dir(l.DialPath()))) // the helper's is gone
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	wantNames(t, dir)
	wantNames(t, base)
}

// After a restart of the machine the alias leads nowhere; a shorter path, of
// a directory that was moved, needs none any more.
func TestDanglingAliasIsReplaced(t *testing.T) {
	dir := tempDir(t)
	path := filepath.Join(dir, "api.sock")
	if err := os.Symlink("/run/taskagent-abcdefgh23/api.sock", path); err != nil {
		t.Fatal(err)
	}
	reaches(t, listen(t, path, mine("")), path)
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSocket == 0 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// What looks like a leftover of ours but is not, stays.
func TestForeignLeftoverIsKept(t *testing.T) {
	tests := map[string]func(t *testing.T, dir string){
		"open to others": func(t *testing.T, dir string) {
			if err := os.Chmod(dir, 0o750); err != nil {
				t.Fatal(err)
			}
		},
		"more in it": func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"elsewhere": func(*testing.T, string) {},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			_, path := pathOf(t, 140)
			base := tempDir(t)
			short := filepath.Join(base, "taskagent-abcdefgh23")
			if err := os.Mkdir(short, 0o700); err != nil {
				t.Fatal(err)
			}
			dead(t, filepath.Join(short, "s"))
			change(t, short)
			if err := os.Symlink(filepath.Join(short, "s"), path); err != nil {
				t.Fatal(err)
			}
			if name == "elsewhere" {
				base = tempDir(t)
			}
			reaches(t, listen(t, path, mine(base)), path)
			if _, err := os.Lstat(short); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCloseKeepsSuccessorOfAlias(t *testing.T) {
	_, path := pathOf(t, 140)
	base := tempDir(t)
	l := listen(t, path, mine(base))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	successor := listen(t, path, mine(base))
	if l.InPlace() || !successor.InPlace() {
		t.Error("replaced: it says it is in place, or the successor is not")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	reaches(t, successor, path)
	wantNames(t, base, filepath.Base(filepath.Dir(successor.DialPath())))
}

// What cleans up old files takes the socket, and leaves the alias.
func TestShortNameRemoved(t *testing.T) {
	_, path := pathOf(t, 140)
	l := listen(t, path, mine(tempDir(t)))
	if err := os.Remove(l.DialPath()); err != nil {
		t.Fatal(err)
	}
	if l.InPlace() {
		t.Error("it says it is in place")
	}
}

// A connection outlives its listener.
func TestConnectionsStay(t *testing.T) {
	path := filepath.Join(tempDir(t), "s")
	l := listen(t, path, mine(""))
	client, err := uds.Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	go func() { io.WriteString(server, "still here"); server.Close() }()
	if got, err := io.ReadAll(client); string(got) != "still here" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
