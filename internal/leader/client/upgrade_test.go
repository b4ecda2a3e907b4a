package client

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/taskagent/taskagent/internal/wire"
)

// answerConn is a connection to a leader that answers with what it is given.
type answerConn struct {
	net.Conn
	io.Reader
}

func (c answerConn) Read(p []byte) (int, error)  { return c.Reader.Read(p) }
func (c answerConn) Write(p []byte) (int, error) { return len(p), nil }

func TestUpgrade(t *testing.T) {
	const ok = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"
	for _, tt := range []struct{ name, answer, want string }{
		{"good", ok + `{"id":7}` + "\n", ""},
		{"refused", "HTTP/1.1 403 Forbidden\r\n\r\nnot you\n", "the leader refuses a lease (403): not you"},
		{"refused without a word", "HTTP/1.1 500 x\r\n\r\n", "the leader refuses a lease (500): it gave no reason"},
		{"not HTTP", "SSH-2.0-x\r\n\r\n", "the answer is not HTTP"},
		{"no status", "HTTP/1.1\r\n\r\n", "the answer is not HTTP"},
		{"nothing", "", "EOF"},
		{"no end", string(bytes.Repeat([]byte("x"), 9000)), "the answer's head has no end"},
	} {
		for _, read := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader} {
			c, err := upgrade(answerConn{Reader: read(bytes.NewReader([]byte(tt.answer)))})
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("%s: got %q", tt.name, got)
			}
			if err != nil {
				continue
			}
			var resp wire.Response
			if err := c.Read(&resp); err != nil || resp.ID != 7 {
				t.Errorf("%s: what follows the head is lost: %+v %v", tt.name, resp, err)
			}
		}
	}
}

// Whatever is answered, it ends in a connection or an error.
func FuzzUpgrade(f *testing.F) {
	f.Add([]byte("HTTP/1.1 101 Switching Protocols\r\n\r\n{}\n"))
	f.Add([]byte("HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1  \r\n\r\n"))
	f.Fuzz(func(t *testing.T, answer []byte) {
		c, err := upgrade(answerConn{Reader: bytes.NewReader(answer)})
		if err != nil {
			if r, ok := errors.AsType[*refusal](err); ok && len(r.text) > maxRefusal {
				t.Fatalf("%d bytes of refusal", len(r.text))
			}
			return
		}
		for {
			if err := c.Read(&wire.Response{}); err != nil {
				return
			}
		}
	})
}

// The leader lives on in what it was started with, so that must be nobody's
// credentials.
func TestLeaderEnv(t *testing.T) {
	got := leaderEnv([]string{"HOME=/h", "NOMAD_TOKEN=x", "TASKAGENT_HTTP=:1", "PATH=/bin", "AWS_SECRET_ACCESS_KEY=x", "VAULT_TOKEN=x", "LD_PRELOAD=x", "TZ=", "=C:=x", "odd"})
	if want := []string{"HOME=/h", "PATH=/bin", "TZ="}; !slices.Equal(got, want) {
		t.Fatalf("got %q", got)
	}
}

func TestExecutable(t *testing.T) {
	exe, err := executable("")
	if err != nil || exe == "" {
		t.Fatalf("%q %v", exe, err)
	}
	if runtime.GOOS != "windows" {
		if exe, err = executable("/a/../b"); err != nil || exe != "/b" {
			t.Fatalf("%q %v", exe, err)
		}
	}
}
