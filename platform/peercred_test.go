package platform_test

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/taskagent/taskagent/platform"
)

func TestPeerCred(t *testing.T) {
	if err := platform.AFUnix(); err != nil {
		t.Skip(err)
	}
	dir, err := os.MkdirTemp("", "p") // t.TempDir's may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	addr := &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unix"}
	ln, err := net.ListenUnix("unix", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.DialUnix("unix", nil, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := ln.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for name, conn := range map[string]*net.UnixConn{"client": client, "server": server} {
		c, err := platform.PeerCred(conn)
		if err != nil {
			t.Error(name, err)
			continue
		}
		if c.UID != os.Geteuid() || c.GID != os.Getegid() || !c.SameUser() || (c.SID != "") != onWindows {
			t.Errorf("%s: %+v", name, c)
		}
		if c.PID != os.Getpid() && runtime.GOOS != "freebsd" {
			t.Errorf("%s: process %d, want %d", name, c.PID, os.Getpid())
		}
	}
	client.Close()
	c, err := platform.PeerCred(client)
	checkError(t, err, "", net.ErrClosed)
	if c.SameUser() {
		t.Errorf("beside an error: %+v", c)
	}
}

func TestSameUser(t *testing.T) {
	tests := []struct {
		cred platform.Cred
		want bool
	}{
		{platform.Cred{UID: -1, GID: -1}, false},
		{platform.Cred{UID: os.Geteuid()}, !onWindows},
		{platform.Cred{UID: os.Geteuid() + 1}, false},
		{platform.Cred{UID: -1, SID: "S-1-5-18-1"}, false},
	}
	for _, tt := range tests {
		if got := tt.cred.SameUser(); got != tt.want {
			t.Errorf("%+v: %v, want %v", tt.cred, got, tt.want)
		}
	}
}
