package client_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taskagent/taskagent/internal/leader/client"
	"github.com/taskagent/taskagent/internal/leader/datadir"
	"github.com/taskagent/taskagent/internal/wire"
)

// fake is a leader that does what the test says. answer returns nil to say
// nothing, and ends the connection with an error.
type fake struct {
	t      *testing.T
	dir    string
	ln     net.Listener
	answer func(conn int, r *wire.Request) (*wire.Response, error)

	answering sync.Mutex // so that answer needs no lock of its own

	mu    sync.Mutex
	conns []net.Conn
	seen  []string // kinds of the requests, with the connection's number
}

func serve(t *testing.T, answer func(int, *wire.Request) (*wire.Response, error)) *fake {
	t.Helper()
	base, err := os.MkdirTemp("", "ta")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	f := &fake{t: t, dir: filepath.Join(base, "data"), answer: answer}
	if err := datadir.Ensure(f.dir); err != nil {
		t.Fatal(err)
	}
	if f.ln, err = net.Listen("unix", filepath.Join(f.dir, wire.LeaderSocket)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 1; ; n++ {
			conn, err := f.ln.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns = append(f.conns, conn)
			f.mu.Unlock()
			wg.Go(func() { f.serve(n, conn) })
		}
	})
	t.Cleanup(func() {
		f.die()
		wg.Wait()
	})
	return f
}

// die ends the leader and all its connections.
func (f *fake) die() {
	f.ln.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		c.Close()
	}
}

func (f *fake) serve(n int, conn net.Conn) {
	defer conn.Close()
	br := bufio.NewReader(conn)
	req, err := http.ReadRequest(br)
	if err != nil {
		return
	}
	if req.URL.Path != wire.LeasePath || req.Header.Get("Upgrade") != wire.Protocol {
		f.t.Errorf("asked for %s, upgrade %q", req.URL, req.Header.Get("Upgrade"))
	}
	io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")
	c := wire.NewConn(struct {
		io.Reader
		io.Writer
	}{br, conn}, nil)
	for {
		var r wire.Request
		if c.Read(&r) != nil {
			return
		}
		f.mu.Lock()
		f.seen = append(f.seen, fmt.Sprintf("%d %s", n, kind(&r)))
		f.mu.Unlock()
		f.answering.Lock()
		resp, err := f.answer(n, &r)
		f.answering.Unlock()
		if err != nil {
			return
		}
		if resp != nil {
			resp.ID = r.ID
			if c.Write(resp) != nil {
				return
			}
		}
	}
}

func kind(r *wire.Request) string {
	v := reflect.ValueOf(r).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Pointer && !f.IsNil() {
			return strings.ToLower(v.Type().Field(i).Name)
		}
	}
	return "nothing"
}

func (f *fake) requests() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.seen, ", ")
}

// good is what a leader answers when nothing is wrong.
func good(r *wire.Request) *wire.Response {
	switch {
	case r.Start != nil:
		return &wire.Response{Started: &wire.Started{AllocID: "a", LeaseID: r.Start.LeaseID, Tokens: map[string]string{"default": "t0"}}}
	case r.Resume != nil:
		return &wire.Response{Resumed: &wire.Resumed{}}
	case r.Sign != nil:
		return &wire.Response{Signed: &wire.Signed{Tokens: map[string]string{r.Sign.Names[0]: "t1"}}}
	}
	return &wire.Response{}
}

var errHangUp = errors.New("hang up")

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func start(t *testing.T, f *fake) *client.Lease {
	t.Helper()
	l, _, err := client.Start(within(t, time.Minute), client.Options{DataDir: f.dir}, wire.Start{Task: "t"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// A connection that breaks under a request is made anew, and both the lease and
// what status shows come with it.
func TestBrokenConnection(t *testing.T) {
	f := serve(t, func(conn int, r *wire.Request) (*wire.Response, error) {
		if r.Sign != nil && conn < 3 {
			return nil, errHangUp
		}
		return good(r), nil
	})
	l := start(t, f)
	if err := l.Report(within(t, time.Minute), wire.Report{Socket: "/s"}); err != nil {
		t.Fatal(err)
	}
	tokens, err := l.Sign(within(t, time.Minute), "default")
	if err != nil || tokens["default"] != "t1" {
		t.Fatalf("%v %v", tokens, err)
	}
	if err := l.End(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	want := "1 start, 1 report, 1 sign, 2 resume, 2 report, 2 sign, 3 resume, 3 report, 3 sign, 3 end"
	if got := f.requests(); got != want {
		t.Fatalf("got %s", got)
	}
	if _, err := l.Sign(within(t, time.Minute), "default"); err == nil || err.Error() != "sign identities: the lease was given back" {
		t.Fatalf("after the end: %v", err)
	}
}

// A start is sent again, as the same one, when its answer is lost or the leader
// cannot do it just now; a refusal is final.
func TestStartAgain(t *testing.T) {
	var ids []string
	f := serve(t, func(conn int, r *wire.Request) (*wire.Response, error) {
		ids = append(ids, r.Start.LeaseID)
		switch conn {
		case 1:
			return nil, errHangUp
		case 2:
			return &wire.Response{Error: &wire.Error{Code: wire.CodeUnavailable, Message: "later"}}, nil
		case 3:
			return good(r), nil
		}
		return &wire.Response{Error: &wire.Error{Code: wire.CodeInvalid, Message: "never"}}, nil
	})
	start(t, f)
	if len(ids) != 3 || ids[0] == "" || ids[0] != ids[1] || ids[1] != ids[2] {
		t.Fatalf("leases %q", ids)
	}
	_, _, err := client.Start(within(t, time.Minute), client.Options{DataDir: f.dir}, wire.Start{Task: "t"})
	if err == nil || err.Error() != `start task "t": never` {
		t.Fatalf("got %v", err)
	}
}

func TestLost(t *testing.T) {
	f := serve(t, func(conn int, r *wire.Request) (*wire.Response, error) {
		switch {
		case r.Sign != nil:
			return nil, errHangUp
		case r.Resume != nil:
			return &wire.Response{Error: &wire.Error{Code: wire.CodeLost, Message: "too late"}}, nil
		}
		return good(r), nil
	})
	l := start(t, f)
	_, err := l.Sign(within(t, time.Minute), "default")
	if !errors.Is(err, client.ErrLost) || err.Error() != "sign identities: the lease on the task is lost: too late" {
		t.Fatalf("got %v", err)
	}
	<-l.Lost()
}

// A leader that says nothing costs no more than the caller's patience.
func TestSilentLeader(t *testing.T) {
	silent := false
	var mu sync.Mutex
	f := serve(t, func(_ int, r *wire.Request) (*wire.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		if silent {
			return nil, nil
		}
		return good(r), nil
	})
	l := start(t, f)
	mu.Lock()
	silent = true
	mu.Unlock()
	if _, err := l.Sign(within(t, 50*time.Millisecond), "default"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("sign: %v", err)
	}
	_, _, err := client.Start(within(t, 50*time.Millisecond), client.Options{DataDir: f.dir}, wire.Start{Task: "t"})
	if err == nil {
		t.Fatal("started")
	}
	mu.Lock()
	silent = false
	mu.Unlock()
	if _, err := l.Sign(within(t, time.Minute), "default"); err != nil {
		t.Fatalf("sign again: %v", err)
	}
}

// Ending is not worth starting a leader for, nor waiting long.
func TestEndWithoutLeader(t *testing.T) {
	f := serve(t, func(_ int, r *wire.Request) (*wire.Response, error) { return good(r), nil })
	started := filepath.Join(f.dir, "started")
	script := filepath.Join(filepath.Dir(f.dir), "leader")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ntouch "+started+"\nsleep 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	l, _, err := client.Start(within(t, time.Minute), client.Options{DataDir: f.dir, Start: false, Exe: script}, wire.Start{Task: "t"})
	if err != nil {
		t.Fatal(err)
	}
	f.die()
	if err := l.End(within(t, 30*time.Second)); !errors.Is(err, client.ErrNoLeader) {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Stat(started); err == nil {
		t.Fatal("a leader was started")
	}
}

func TestNoLeader(t *testing.T) {
	dir := t.TempDir()
	for name, err := range map[string]error{
		"dial":     second(client.Dial(t.Context(), dir)),
		"task":     second(client.DialTask(t.Context(), dir)),
		"status":   second(client.Status(t.Context(), dir)),
		"who":      second(client.Who(t.Context(), dir)),
		"handover": client.Handover(t.Context(), dir),
		"http":     second(client.HTTP(t.Context(), client.Options{DataDir: dir})),
		"nowhere":  second(client.Dial(t.Context(), filepath.Join(dir, "no"))),
	} {
		if !errors.Is(err, client.ErrNoLeader) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
