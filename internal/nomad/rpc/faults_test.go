package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taskagent/taskagent/internal/nomad/msgpack"
	"github.com/taskagent/taskagent/internal/nomad/rpc"
	"github.com/taskagent/taskagent/test/nomadtest"
)

// servers is a cluster of fakes that is reached without a network, by name.
type servers map[string]func(net.Conn)

func (s servers) dial(_ context.Context, addr string) (net.Conn, error) {
	serve := s[addr]
	if serve == nil {
		return nil, errors.New("connection refused")
	}
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		serve(theirs)
	}()
	return ours, nil
}

func secret() ([]byte, error) { return []byte(nomadtest.FakeSecret), nil }

func newClient(t *testing.T, cfg rpc.Config, s servers, addrs ...string) *rpc.Client {
	t.Helper()
	cfg.Servers, cfg.Region = addrs, "global"
	if s != nil {
		cfg.Dial = s.dial
	}
	if cfg.Token == nil {
		cfg.Token = secret
	}
	if cfg.Jitter == nil {
		cfg.Jitter = func() float64 { return 0 } // the first server first
	}
	c, err := rpc.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// getAlloc asks whether the allocation "a" is there.
func getAlloc(found *int) *rpc.Call {
	return &rpc.Call{
		Method: "Alloc.GetAllocs", Param: "AllocIDs",
		Value: func(b []byte) []byte { return msgpack.AppendString(msgpack.AppendArray(b, 1), "a") },
		Reply: func(r *msgpack.Reader) error {
			return r.Fields(func(key string) (bool, error) {
				if key != "Allocs" {
					return false, nil
				}
				n, err := r.Array()
				*found = n
				for i := 0; i < n && err == nil; i++ {
					err = r.Skip()
				}
				return true, err
			})
		},
	}
}

func good(t *testing.T) *nomadtest.FakeRPC {
	f := nomadtest.NewFakeRPC(t, nil)
	f.Set("a", &nomadtest.FakeAlloc{Job: "demo", Tasks: []string{"web"}})
	return f
}

// answer is what a server would answer to the first request, header included.
func answer(t *testing.T) []byte {
	t.Helper()
	f := good(t)
	ours, theirs := net.Pipe()
	go f.ServeConn(theirs)
	rec := &recorder{Conn: ours}
	c := newClient(t, rpc.Config{Dial: func(context.Context, string) (net.Conn, error) { return rec, nil }}, nil, "a:1")
	var n int
	if err := c.Do(t.Context(), getAlloc(&n)); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	return rec.read.Bytes()
}

type recorder struct {
	net.Conn
	read    bytes.Buffer
	written [][]byte // the very slices, to see what becomes of them
	copies  []byte
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.read.Write(p[:n])
	return n, err
}

func (r *recorder) Write(p []byte) (int, error) {
	r.written = append(r.written, p)
	r.copies = append(r.copies, p...)
	return r.Conn.Write(p)
}

// readRequest waits for all of a request, which ends with the secret.
func readRequest(conn net.Conn) {
	var got []byte
	for b := make([]byte, 1); !bytes.HasSuffix(got, []byte(nomadtest.FakeSecret)); got = append(got, b[0]) {
		if _, err := conn.Read(b); err != nil {
			return
		}
	}
}

// TestFaults has the first server misbehave in every way there is. The error
// says how, and the second one is asked at once, or after a time that is bounded.
func TestFaults(t *testing.T) {
	whole := answer(t)
	says := func(b []byte) func(net.Conn) {
		return func(conn net.Conn) {
			readRequest(conn)
			_, _ = conn.Write(b)
		}
	}
	refuses := func(text string) func(net.Conn) {
		return func(conn net.Conn) {
			f := nomadtest.NewFakeRPC(t, nil)
			f.Refuse(text)
			f.ServeConn(conn)
		}
	}
	header := func(seq uint64) []byte {
		b := msgpack.AppendString(msgpack.AppendMap(nil, 3), "Error")
		b = msgpack.AppendString(b, "")
		b = msgpack.AppendUint(msgpack.AppendString(b, "Seq"), seq)
		return msgpack.AppendString(msgpack.AppendString(b, "ServiceMethod"), "Alloc.GetAllocs")
	}
	for name, test := range map[string]struct {
		serve   func(net.Conn)
		want    string
		within  time.Duration
		passing bool // worth another round
	}{
		"nobody there":       {nil, "connection refused", 0, true},
		"accepts and closes": {func(net.Conn) {}, "send the request: io: read/write on closed pipe", 0, true},
		"reads and closes":   {readRequest, "read the answer: the server closed the connection without a word", 0, true},
		"never reads":        {func(conn net.Conn) { time.Sleep(time.Hour) }, "send the request: it takes too long", 5 * time.Second, true},
		"never answers":      {func(conn net.Conn) { readRequest(conn); time.Sleep(time.Hour) }, "read the answer: it takes too long", 15 * time.Second, true},
		"answers very slowly": {func(conn net.Conn) {
			readRequest(conn)
			for i := range whole {
				time.Sleep(time.Second)
				if _, err := conn.Write(whole[i : i+1]); err != nil {
					return
				}
			}
		}, "read the answer: it takes too long", 15 * time.Second, true},
		"tears the header":       {says(whole[:20]), "read the answer: the connection ended in the middle of it", 0, true},
		"tears the body":         {says(whole[:len(whole)/2]), "read the answer to Alloc.GetAllocs: the connection ended in the middle of it", 0, true},
		"forgets the body":       {says(header(0)), "read the answer to Alloc.GetAllocs: the server closed the connection without a word", 0, true},
		"speaks HTTP":            {says([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")), "read the answer: it is not the MessagePack that was expected: a number instead of a map", 0, true},
		"answers another":        {says(header(7)), "read the answer: it is to another request", 0, true},
		"sends a giant header":   {says([]byte("\xdf\xff\xff\xff\xff")), "read the answer: it is longer than allowed", 0, true},
		"sends a giant text":     {says(append(header(0), "\x81\xa1x\xdb\xff\xff\xff\xff"...)), "read the answer to Alloc.GetAllocs: it is longer than allowed", 0, true},
		"sends a giant body":     {says(append(header(0), bytes.Repeat([]byte("\x81\xa1x"), 1<<20)...)), "read the answer to Alloc.GetAllocs: it is longer than allowed", 0, true},
		"sends another type":     {says(append(header(0), "\x81\xa6Allocs\xa4text"...)), "read the answer to Alloc.GetAllocs: it is not the MessagePack that was expected: text instead of an array", 0, true},
		"has no leader":          {refuses("No cluster leader"), "No cluster leader", 0, true},
		"asked a wrong leader":   {refuses("rpc error: rpc error: No cluster leader"), "No cluster leader", 0, true},
		"lost another server":    {refuses("rpc error: EOF"), "EOF", 0, true},
		"is not ready":           {refuses("Not ready to serve consistent reads"), "Not ready to serve consistent reads", 0, true},
		"knows no such region":   {refuses("No path to region"), "No path to region", 0, true},
		"denies":                 {refuses("rpc error: Permission denied"), "Permission denied", 0, false},
		"does not know the call": {refuses("Unknown rpc method"), "Unknown rpc method", 0, false},
		"says things":            {refuses("a\x1b[31mb\r\n\tc " + nomadtest.FakeSecret + strings.Repeat("!", 1000)), "a [31mb   c (token)" + strings.Repeat("!", 512-12-36), 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := servers{"good:1": good(t).ServeConn}
				if test.serve != nil {
					s["bad:1"] = test.serve
				}
				// Alone it fails, with its reason.
				one := rpc.Config{RetryFor: -1, MaxAnswer: 1 << 20}
				var n int
				err := newClient(t, one, s, "bad:1").Do(t.Context(), getAlloc(&n))
				if want := "call Alloc.GetAllocs: server bad:1: " + test.want; err == nil || err.Error() != want {
					t.Errorf("got  %v\nwant %s", err, want)
				}
				if err != nil && strings.Contains(err.Error(), nomadtest.FakeSecret) {
					t.Error("the error has the secret in it")
				}

				begun := time.Now()
				if err := newClient(t, one, s, "bad:1", "good:1").Do(t.Context(), getAlloc(&n)); err != nil || n != 1 {
					t.Errorf("with another server: %v", err)
				}
				if d := time.Since(begun); d != test.within {
					t.Errorf("it took %s to go on to another server", d)
				}

				begun = time.Now()
				patient := rpc.Config{RetryFor: 20 * time.Second, MaxAnswer: 1 << 20}
				if err := newClient(t, patient, s, "bad:1").Do(t.Context(), getAlloc(&n)); err == nil {
					t.Error("no error")
				}
				if again := time.Since(begun) > test.within; again != test.passing {
					t.Errorf("gave up after %s", time.Since(begun))
				}
				time.Sleep(2 * time.Hour) // for the servers to end
			})
		})
	}
}

// TestPreferGoodServer keeps to the server that answered last, and leaves it when
// it fails.
func TestPreferGoodServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []string
		fakes := map[string]*nomadtest.FakeRPC{"a:1": good(t), "b:1": good(t), "c:1": good(t)}
		s := servers{}
		var mu sync.Mutex
		for name, f := range fakes {
			s[name] = func(conn net.Conn) {
				mu.Lock()
				asked = append(asked, name)
				mu.Unlock()
				f.ServeConn(conn)
			}
		}
		c := newClient(t, rpc.Config{RetryFor: -1, Jitter: func() float64 { return 0.5 }}, s, "a:1", "b:1", "c:1")
		do := func(want string) {
			t.Helper()
			var n int
			err := c.Do(t.Context(), getAlloc(&n))
			if got := strings.Join(asked, " "); got != want {
				t.Errorf("asked %s, want %s: %v", got, want, err)
			}
			asked = nil
		}
		do("b:1") // by the jitter
		fakes["b:1"].Refuse("No cluster leader")
		do("b:1 c:1")
		do("c:1")
		fakes["b:1"].Refuse("")
		fakes["c:1"].Refuse("No cluster leader")
		do("c:1 a:1")
		fakes["a:1"].Refuse("No cluster leader")
		fakes["b:1"].Refuse("No cluster leader")
		do("a:1 b:1 c:1")
	})
}

// TestElection has no leader for a while.
func TestElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := good(t)
		f.Refuse("rpc error: No cluster leader")
		c := newClient(t, rpc.Config{}, servers{"a:1": f.ServeConn}, "a:1")
		time.AfterFunc(6*time.Second, func() { f.Refuse("") })
		var n int
		if err := c.Do(t.Context(), getAlloc(&n)); err != nil || n != 1 {
			t.Error(err)
		}
		if calls := len(f.Calls()); calls > 8 {
			t.Errorf("%d calls in 6 seconds", calls)
		}
	})
}

// TestContext wants a call to end with its context, wherever it is.
func TestContext(t *testing.T) {
	for name, serve := range map[string]func(net.Conn){
		"sending":   func(net.Conn) { time.Sleep(time.Hour) },
		"answering": func(conn net.Conn) { readRequest(conn); time.Sleep(time.Hour) },
		"between":   func(net.Conn) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newClient(t, rpc.Config{}, servers{"a:1": serve}, "a:1")
				cause := errors.New("the task has ended")
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(cause) })
				begun := time.Now()
				var n int
				err := c.Do(ctx, getAlloc(&n))
				if !errors.Is(err, cause) || time.Since(begun) != time.Second {
					t.Errorf("after %s: %v", time.Since(begun), err)
				}
				time.Sleep(2 * time.Hour)
			})
		})
	}
	t.Run("connecting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			hang := func(ctx context.Context, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
			c := newClient(t, rpc.Config{Dial: hang, RetryFor: -1}, nil, "a:1", "b:1")
			begun := time.Now()
			var n int
			err := c.Do(t.Context(), getAlloc(&n))
			want := "call Alloc.GetAllocs: server a:1: connect: it takes too long; server b:1: connect: it takes too long"
			if err == nil || err.Error() != want || time.Since(begun) != 10*time.Second {
				t.Errorf("after %s: %v", time.Since(begun), err)
			}
		})
	})
}

// TestTokenOverwritten looks at the memory that held the token.
func TestTokenOverwritten(t *testing.T) {
	var held [][]byte
	token := func() ([]byte, error) {
		b := []byte(nomadtest.FakeSecret)
		held = append(held, b)
		return b, nil
	}
	f := good(t)
	var recorders []*recorder
	dial := func(context.Context, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go f.ServeConn(theirs)
		r := &recorder{Conn: ours}
		recorders = append(recorders, r)
		return r, nil
	}
	c := newClient(t, rpc.Config{Dial: dial, Token: token, RetryFor: -1}, nil, "a:1")
	var n int
	if err := c.Do(t.Context(), getAlloc(&n), getAlloc(&n)); err != nil {
		t.Fatal(err)
	}
	f.Refuse("no")
	if err := c.Do(t.Context(), getAlloc(&n)); err == nil {
		t.Fatal("no error")
	}
	for _, b := range held {
		if !bytes.Equal(b, make([]byte, len(b))) {
			t.Errorf("the token is still there: %q", b)
		}
	}
	for _, r := range recorders {
		if !bytes.Contains(r.copies, []byte(nomadtest.FakeSecret)) {
			t.Error("the token was not sent")
		}
		for _, b := range r.written {
			if !bytes.Equal(b, make([]byte, len(b))) {
				t.Error("a request is still there")
			}
		}
	}
	if len(held) != 4 || len(recorders) != 2 {
		t.Errorf("%d tokens, %d connections", len(held), len(recorders))
	}
}

// TestNoToken does not ask servers without a token.
func TestNoToken(t *testing.T) {
	fails := func() ([]byte, error) { return nil, errors.New("read the node's secret: no") }
	f := good(t)
	c := newClient(t, rpc.Config{Token: fails}, servers{"a:1": f.ServeConn, "b:1": f.ServeConn}, "a:1", "b:1")
	var n int
	err := c.Do(t.Context(), getAlloc(&n))
	if err == nil || err.Error() != "call Alloc.GetAllocs: read the node's secret: no" {
		t.Error(err)
	}
}

// TestBlockingWait gives a blocking query the time it asked for, and a bit.
func TestBlockingWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, rpc.Config{RetryFor: -1}, servers{"a:1": func(conn net.Conn) { readRequest(conn); _, _ = io.Copy(io.Discard, conn) }}, "a:1")
		begun := time.Now()
		var n int
		call := getAlloc(&n)
		call.Query = rpc.Query{MinIndex: 5, Wait: 16 * time.Minute}
		err := c.Do(t.Context(), call)
		if err == nil || time.Since(begun) != 17*time.Minute+15*time.Second {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
	})
}
