package nomad_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/nomad"
)

func zeroSecretFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret-id")
	if err := os.WriteFile(path, []byte(zeroSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func subject(t testing.TB, token identity.Token) string {
	t.Helper()
	_, claims, err := identity.ParseInsecure(token.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return claims.Subject
}

// replaySource returns a Source for x that meets a server which passes each of its
// connections to serve, with its number.
func replaySource(t testing.TB, x *exchange, serve func(n int, conn net.Conn)) *nomad.Source {
	t.Helper()
	connections := 0
	s, err := nomad.New(nomad.Config{
		Servers: []string{"nomad.example:4647"}, Region: x.region, SecretFile: zeroSecretFile(t),
		AllocID: x.alloc, Task: x.task, Identities: demoIdentities, RetryFor: -1,
		Dial: func(context.Context, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			n := connections
			connections++
			go func() {
				defer theirs.Close()
				serve(n, theirs)
			}()
			return ours, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestReplay plays recorded exchanges with a real Nomad again. What is sent has to
// be the same to the byte, and what is answered to be understood, however it
// comes.
func TestReplay(t *testing.T) {
	for _, path := range exchangeFiles(t) {
		for how, wrap := range map[string]func(io.Reader) io.Reader{
			"whole":        func(r io.Reader) io.Reader { return r },
			"byte by byte": iotest.OneByteReader,
			"in halves":    iotest.HalfReader,
		} {
			t.Run(filepath.Base(path)+" "+how, func(t *testing.T) {
				x := readExchange(t, path)
				var served sync.WaitGroup
				served.Add(len(x.connections))
				s := replaySource(t, x, func(n int, conn net.Conn) {
					if n >= len(x.connections) {
						t.Error("one connection more than recorded")
						return
					}
					defer served.Done()
					c := x.connections[n]
					sent := make(chan []byte, 1)
					go func() {
						got, _ := io.ReadAll(conn)
						sent <- got
					}()
					_, _ = io.Copy(conn, wrap(bytes.NewReader(c.answered)))
					if got := <-sent; !bytes.Equal(got, c.sent) {
						t.Errorf("sent\n%x\nwant\n%x", got, c.sent)
					}
				})
				if diff := cmp.Diff(x.want, outcome(t, s, x.names)); diff != "" {
					t.Error(diff)
				}
				served.Wait()
			})
		}
	}
}

// FuzzAnswer answers anything. Whatever comes is understood or refused, soon, and
// a token is only taken if it is of the task.
func FuzzAnswer(f *testing.F) {
	var all *exchange
	for _, path := range exchangeFiles(f) {
		x := readExchange(f, path)
		for _, c := range x.connections {
			f.Add(c.answered)
		}
		if filepath.Base(path) == "all" {
			all = x
		}
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		s := replaySource(t, all, func(_ int, conn net.Conn) {
			go func() { _, _ = io.Copy(io.Discard, conn) }()
			_, _ = conn.Write(answer)
		})
		tokens, err := s.Fetch(t.Context(), all.names)
		if err == nil && len(tokens) != len(all.names) {
			t.Errorf("%d tokens and no error", len(tokens))
		}
		for name, token := range tokens {
			_, claims, err := identity.ParseInsecure(token.Reveal())
			if err != nil || claims.AllocationID != all.alloc || claims.Task != all.task && claims.Service == "" {
				t.Errorf("%s: %+v, %v", name, claims, err)
			}
		}
	})
}
