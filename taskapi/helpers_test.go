package taskapi_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taskagent/taskagent/taskapi"
)

type dialer = func(context.Context) (net.Conn, error)

// A network makes a listener and says how to reach it.
type network func(t testing.TB) (net.Listener, dialer)

// networks are the two that matter: sockets, which the relay reads in its own way
// where the system lets it, and connections of any other kind.
var networks = map[string]network{"sockets": sockets, "pipes": pipes}

func sockets(t testing.TB) (net.Listener, dialer) {
	t.Helper()
	dir, err := os.MkdirTemp("", "api") // t.TempDir's is too long on some systems
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
}

func pipes(t testing.TB) (net.Listener, dialer) {
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	t.Cleanup(func() { l.Close() })
	return l, func(ctx context.Context) (net.Conn, error) {
		ours, theirs := net.Pipe()
		select {
		case l.conns <- theirs:
			return ours, nil
		case <-l.done:
			return nil, errors.New("nobody listens")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// door is a Server and the way in.
type door struct {
	*taskapi.Server
	dial dialer
	// byNetHTTP counts the connections that net/http got.
	byNetHTTP atomic.Int32
}

// open serves cfg; changes come before the first connection.
func open(t testing.TB, n network, cfg taskapi.Config, changes ...func(*taskapi.Server)) *door {
	t.Helper()
	return openHandler(t, n, taskapi.New(cfg), changes...)
}

func openHandler(t testing.TB, n network, h http.Handler, changes ...func(*taskapi.Server)) *door {
	t.Helper()
	d := new(door)
	d.Server = taskapi.NewServer(h, func(ctx context.Context, _ net.Conn) context.Context {
		d.byNetHTTP.Add(1)
		return ctx
	})
	for _, change := range changes {
		change(d.Server)
	}
	l, dial := n(t)
	d.dial = dial
	d.Serve(l, func(err error) { t.Error(err) })
	t.Cleanup(d.Close)
	return d
}

// client is a raw connection to a door.
type client struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func (d *door) connect(t testing.TB) *client {
	t.Helper()
	c, err := d.dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &client{t, c, bufio.NewReader(c)}
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Errorf("send: %v", err)
	}
}

// want reads exactly s.
func (c *client) want(s string) {
	c.t.Helper()
	b := make([]byte, len(s))
	n, err := io.ReadFull(c.r, b)
	if err != nil || string(b) != s {
		c.t.Fatalf("received %q, %v\nwant %q", b[:n], err, s)
	}
}

// wantEnd waits for the end of the connection.
func (c *client) wantEnd() {
	c.t.Helper()
	if rest, _ := io.ReadAll(c.r); len(rest) > 0 {
		c.t.Fatalf("received %q, want the end", rest)
	}
}

// answer reads an answer, its body included.
func (c *client) answer(method string) (*http.Response, string) {
	c.t.Helper()
	r, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("read an answer: %v", err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Fatalf("read an answer's body: %v", err)
	}
	return r, string(body)
}

func (c *client) wantAnswer(status int, body string) {
	c.t.Helper()
	r, got := c.answer("GET")
	if r.StatusCode != status || got != body {
		c.t.Fatalf("answer %d %.200q, want %d %.200q", r.StatusCode, got, status, body)
	}
}

// script is an upstream that speaks raw bytes: it is called with each connection.
func script(t testing.TB, n network, f func(i int, c *client)) dialer {
	t.Helper()
	l, dial := n(t)
	var served sync.WaitGroup
	t.Cleanup(func() { l.Close(); served.Wait() })
	served.Go(func() {
		for i := 0; ; i++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer conn.Close()
				f(i, &client{t, conn, bufio.NewReader(conn)})
			})
		}
	})
	return dial
}

// request reads a request's head and body, "" at the end of the connection.
func (c *client) request() string {
	r, err := http.ReadRequest(c.r)
	if err != nil {
		return ""
	}
	body, _ := io.ReadAll(r.Body)
	return r.Method + " " + r.RequestURI + " " + string(body)
}

// serveHTTP is an upstream of net/http.
func serveHTTP(t testing.TB, n network, h http.HandlerFunc) dialer {
	t.Helper()
	l, dial := n(t)
	s := &http.Server{Handler: h}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return dial
}

const token = "X-Nomad-Token: t\r\n"

// get is a request that the relay understands.
func get(path string, headers ...string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: nomad\r\n" + token + strings.Join(headers, "") + "\r\n"
}

func put(path, body string, headers ...string) string {
	return "PUT " + path + " HTTP/1.1\r\nHost: nomad\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n" + token + strings.Join(headers, "") + "\r\n" + body
}

// waitFor fails the test if c stays silent for long.
func waitFor[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}

// eventually waits until ok, which is expected at once or very soon.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
		runtime.Gosched()
	}
}
