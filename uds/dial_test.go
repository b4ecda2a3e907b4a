package uds_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/taskagent/taskagent/uds"
)

func TestDialErrors(t *testing.T) {
	needSockets(t)
	dir := tempDir(t)
	absent := filepath.Join(dir, "absent")
	stale := filepath.Join(dir, "stale")
	dead(t, stale)
	tests := []struct {
		path, want string
		is         error
	}{
		{absent, "no such file or directory", fs.ErrNotExist},
		{stale, "nothing listens on it: connection refused", uds.ErrNotListening},
		{"", "socket path is empty", nil},
		{"a\x00b", `socket path "a\x00b" contains a NUL`, nil},
	}
	for _, tt := range tests {
		_, err := uds.Dial(t.Context(), tt.path)
		want := fmt.Sprintf("connect to socket %q: %s", tt.path, tt.want)
		if underWindows && err != nil {
			want = err.Error() // in the words of Windows
		}
		wantError(t, err, want, tt.is)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := uds.Dial(ctx, absent); !errors.Is(err, context.Canceled) {
		t.Error("cancelled dial:", err)
	}
}

func TestProbe(t *testing.T) {
	needSockets(t)
	dir := tempDir(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	live(t, in("live"))
	dead(t, in("dead"))
	if err := os.WriteFile(in("file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]uds.State{
		"live": uds.Live, "dead": uds.Dead, "file": uds.NotSocket, "absent": uds.Absent, ".": uds.NotSocket,
	}
	for _, name := range []string{"live", "dead", "file", "absent"} {
		if os.Symlink(in(name), in("link to "+name)) == nil { // a privilege on Windows
			tests["link to "+name] = tests[name]
		}
	}
	for name, want := range tests {
		got, err := uds.Probe(in(name))
		if got != want || err != nil {
			t.Errorf("probe %s: %v, %v; want %v", name, got, err, want)
		}
	}
}

func TestStateString(t *testing.T) {
	want := map[uds.State]string{
		uds.Absent: "absent", uds.Live: "live", uds.Dead: "dead",
		uds.Denied: "denied", uds.NotSocket: "not a socket", 99: "State(99)",
	}
	for s, want := range want {
		if s.String() != want {
			t.Errorf("%d is %q, want %q", int(s), s, want)
		}
	}
}

func TestDialReturnsUnixConn(t *testing.T) {
	needSockets(t)
	path := filepath.Join(tempDir(t), "s")
	listen(t, path, mine(""))
	conn, err := uds.Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, ok := conn.(*net.UnixConn); !ok {
		t.Errorf("a %T", conn)
	}
}
