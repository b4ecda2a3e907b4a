package uds_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/taskagent/taskagent/uds"
)

const underWindows = runtime.GOOS == "windows"

func TestPeerOverHTTP(t *testing.T) {
	needSockets(t)
	path := filepath.Join(tempDir(t), "s")
	l := listen(t, path, mine(""))
	server := &http.Server{
		ConnContext: uds.ConnContext,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			peer, err := uds.PeerFromContext(r.Context())
			fmt.Fprintln(w, peer.UID, peer.GID, peer.PID == os.Getpid() || peer.PID == 0, peer.SameUser(), err)
		}),
	}
	go server.Serve(l)
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return uds.Dial(ctx, path) },
	}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://localhost/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintln(os.Geteuid(), os.Getegid(), true, true, nil)
	if string(body) != want {
		t.Errorf("the handler saw %q, want %q", body, want)
	}
}

// wrapped is a connection around another, as crypto/tls makes them.
type wrapped struct{ net.Conn }

func (w wrapped) NetConn() net.Conn { return w.Conn }

func TestPeerCred(t *testing.T) {
	needSockets(t)
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
	defer server.Close()
	for name, conn := range map[string]net.Conn{"client": client, "server": server, "wrapped": wrapped{server}} {
		peer, err := uds.PeerCred(conn)
		if err != nil || !peer.SameUser() || peer.UID != os.Geteuid() {
			t.Errorf("%s: %+v, %v", name, peer, err)
		}
	}
}

func TestNoPeer(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	const want = "read peer credentials of *net.pipe: unsupported operation"
	peer, err := uds.PeerCred(a)
	wantError(t, err, want, errors.ErrUnsupported)
	if peer.SameUser() || peer.UID != -1 {
		t.Errorf("peer %+v", peer)
	}
	_, err = uds.PeerFromContext(uds.ConnContext(t.Context(), a))
	wantError(t, err, want, errors.ErrUnsupported)
	peer, err = uds.PeerFromContext(t.Context())
	wantError(t, err, "no peer credentials: the connection was not asked for them", nil)
	if peer.SameUser() {
		t.Errorf("peer %+v", peer)
	}
}
