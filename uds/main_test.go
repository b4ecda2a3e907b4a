package uds_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/taskagent/taskagent/platform"
	"github.com/taskagent/taskagent/uds"
)

// What the test binary does instead of testing, when it is started as a
// helper process by one of its tests.
const (
	helperListen = "UDS_TEST_LISTEN" // listen on this path until killed
	helperDial   = "UDS_TEST_DIAL"   // dial this path once
	helperBase   = "UDS_TEST_BASE"   // Options.RuntimeDir of helperListen
)

func TestMain(m *testing.M) {
	if path := os.Getenv(helperListen); path != "" {
		l, err := uds.Listen(path, uds.Options{UID: -1, GID: -1, RuntimeDir: os.Getenv(helperBase)})
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		fmt.Println(l.DialPath())
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	if path := os.Getenv(helperDial); path != "" {
		conn, err := uds.Dial(context.Background(), path)
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		cred, err := uds.PeerCred(conn)
		fmt.Println("connected to uid", cred.UID, err)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// mine are options for a socket of our own.
func mine(base string) uds.Options {
	return uds.Options{UID: -1, GID: -1, RuntimeDir: base}
}

// tempDir returns a fresh directory with a short path, which t.TempDir has not.
// Everybody may enter it, so that helpers of another user can.
func tempDir(t *testing.T) string {
	t.Helper()
	root := os.TempDir()
	if runtime.GOOS != "windows" {
		root = "/tmp" // macOS has a long one
	}
	dir, err := os.MkdirTemp(root, "u")
	if err != nil {
		t.Fatal(err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// needSockets skips where a system that should have Unix sockets has none:
// Wine says it is a Windows that has them.
func needSockets(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "windows" {
		return
	}
	err := platform.AFUnix()
	if err != nil && underWine() {
		t.Skip("Wine: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func listen(t *testing.T, path string, o uds.Options) *uds.Listener {
	t.Helper()
	l, err := uds.Listen(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// reaches dials path and checks that l is at the other end.
func reaches(t *testing.T, l *uds.Listener, path string) {
	t.Helper()
	conn, err := uds.Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	const hello = "hello"
	if _, err := io.WriteString(conn, hello); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(hello))
	if _, err := io.ReadFull(accepted, got); err != nil || string(got) != hello {
		t.Fatalf("the listener read %q, %v", got, err)
	}
}

// dead leaves a socket at path that nobody listens on.
func dead(t *testing.T, path string) {
	t.Helper()
	live(t, path).Close()
}

// live listens at path without this package. Closing it leaves the socket.
func live(t *testing.T, path string) *net.UnixListener {
	t.Helper()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	t.Cleanup(func() { ln.Close() })
	return ln
}

// names lists what is in dir.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

func wantError(t *testing.T, err error, want string, is error) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", want)
	}
	if err.Error() != want {
		t.Errorf("error\n got %s\nwant %s", err, want)
	}
	if is != nil && !errors.Is(err, is) {
		t.Errorf("%v does not match %v", err, is)
	}
}

// startListener starts a process that listens on path until it is killed.
func startListener(t *testing.T, path, base string) (process *exec.Cmd, dialPath string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperListen+"="+path, helperBase+"="+base)
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line := make([]byte, 4096)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	dialPath = strings.TrimSpace(string(line[:n]))
	if strings.HasPrefix(dialPath, "error:") {
		t.Fatal(dialPath)
	}
	return cmd, dialPath
}
