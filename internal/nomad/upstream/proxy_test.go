package upstream_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taskagent/taskagent/internal/nomad/upstream"
	"github.com/taskagent/taskagent/taskapi"
)

// pipes is a listener without a network.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) dial(ctx context.Context, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.done:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// proxied is a client of a Task API in front of an upstream, all in memory.
type proxied struct {
	t    *testing.T
	face *pipes
	http *http.Client
}

// proxy serves handler as the upstream of a Task API.
func proxy(t *testing.T, handler http.HandlerFunc) *proxied {
	t.Helper()
	back := newPipes()
	server := &http.Server{Handler: handler}
	go server.Serve(back)
	return front(t, back.dial, func() { server.Close() })
}

// front is a Task API in front of what dial reaches.
func front(t *testing.T, dial func(context.Context, string) (net.Conn, error), closeUpstream func()) *proxied {
	t.Helper()
	up, err := upstream.New(upstream.Config{URL: "http://nomad.example:4646", Dial: dial})
	if err != nil {
		t.Fatal(err)
	}
	h := taskapi.New(taskapi.Config{Transport: up.Transport, Scheme: up.Scheme, Host: up.Host, Streams: upstream.Streams})
	p := &proxied{t: t, face: newPipes()}
	server := taskapi.NewServer(h, nil)
	server.Serve(p.face, func(err error) { t.Error(err) })
	tr := &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return p.face.dial(ctx, "") },
		DisableCompression: true,
	}
	p.http = &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		server.Close()
		up.Close()
		closeUpstream()
	})
	return p
}

func (p *proxied) request(ctx context.Context, method, path string, body io.Reader) *http.Request {
	p.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, "http://task"+path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("X-Nomad-Token", "token")
	return r
}

func (p *proxied) do(r *http.Request) *http.Response {
	p.t.Helper()
	resp, err := p.http.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func (p *proxied) get(path string) (status int, body string) {
	p.t.Helper()
	resp := p.do(p.request(p.t.Context(), "GET", path, nil))
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// inBubble runs f with a clock of its own.
func inBubble(f func(t *testing.T)) func(*testing.T) {
	return func(t *testing.T) { synctest.Test(t, f) }
}

// TestPassesThrough wants what a client sends to arrive as it was, and what the
// upstream answers to come back as it is.
func TestPassesThrough(t *testing.T) { synctest.Test(t, testPassesThrough) }

func testPassesThrough(t *testing.T) {
	p := proxy(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Nomad-Index", "42")
		h.Set("Location", "/v1/elsewhere")
		h["Date"] = nil
		w.WriteHeader(307)
		fmt.Fprintf(w, "%s %s host=%s\n", r.Method, r.RequestURI, r.Host)
		r.Header.Write(w)
	})
	for _, uri := range []string{
		"/v1/var/nomad%2Fjobs%2Fdemo?namespace=a%2Fb",
		"/v1/vars?prefix=a%20b&filter=Path+matches+%22x;y%22&empty&=&a=1;b=2",
		"/v1/client/fs/ls/x?path=%2F..%2F",
		"/v1/a//b/./c/../d/",
		"/v1/%E2%82%AC/%25/~!$&'()*+,;=:@",
	} {
		r := p.request(t.Context(), "PUT", "/", nil)
		r.URL.Opaque = "//task" + uri // as it is, with nothing cleaned up
		r.Header.Set("User-Agent", "nomad/2")
		r.Header.Set("X-Forwarded-For", "10.0.0.1")
		resp := p.do(r)
		body, _ := io.ReadAll(resp.Body)
		want := "PUT " + uri + " host=nomad.example:4646\nContent-Length: 0\r\nUser-Agent: nomad/2\r\nX-Nomad-Token: token\r\n"
		if string(body) != want || resp.StatusCode != 307 || resp.Header.Get("X-Nomad-Index") != "42" || resp.Header.Get("Location") != "/v1/elsewhere" {
			t.Errorf("%d %v\ngot  %q\nwant %q", resp.StatusCode, resp.Header, body, want)
		}
	}
}

// TestCompressedBodies lets the two ends agree about compression.
func TestCompressedBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := proxy(t, func(w http.ResponseWriter, r *http.Request) {
			if enc := r.Header.Get("Accept-Encoding"); enc != "" {
				w.Header().Set("Content-Encoding", enc)
			}
			_, _ = io.WriteString(w, "as it is")
		})
		for _, enc := range []string{"", "gzip"} {
			r := p.request(t.Context(), "GET", "/v1/jobs", nil)
			if enc != "" {
				r.Header.Set("Accept-Encoding", enc)
			}
			resp := p.do(r)
			if body, _ := io.ReadAll(resp.Body); string(body) != "as it is" || resp.Header.Get("Content-Encoding") != enc {
				t.Errorf("%q: %q %v", enc, body, resp.Header)
			}
		}
	})
}

// TestStreams hands every line on when it comes, after any silence.
func TestStreams(t *testing.T) {
	for _, path := range []string{
		"/v1/event/stream?topic=Node",
		"/v1/agent/monitor?log_level=error&plain=true",
		"/v1/client/fs/logs/a?task=web&type=stdout&follow=true&plain=true",
		"/v1/client/fs/stream/a?path=web%2Fx",
	} {
		t.Run(path, inBubble(func(t *testing.T) {
			p := proxy(t, func(w http.ResponseWriter, r *http.Request) {
				for i := range 5 {
					time.Sleep(time.Hour) // the first before there is a head
					fmt.Fprintf(w, "line %d\n", i)
					w.(http.Flusher).Flush()
				}
			})
			begun := time.Now()
			resp := p.do(p.request(t.Context(), "GET", path, nil))
			if resp.StatusCode != 200 {
				t.Fatal(resp.Status)
			}
			lines := bufio.NewScanner(resp.Body)
			for i := range 5 {
				if !lines.Scan() || lines.Text() != fmt.Sprintf("line %d", i) || time.Since(begun) != time.Duration(i+1)*time.Hour {
					t.Fatalf("%q after %s: %v", lines.Text(), time.Since(begun), lines.Err())
				}
			}
		}))
	}
}

// TestBlockingQueries bounds the wait for an answer by what was asked for.
func TestBlockingQueries(t *testing.T) {
	for name, test := range map[string]struct {
		path        string
		takes, want time.Duration
		status      int
	}{
		"answered":                   {"/v1/jobs?index=7&wait=4m", 4 * time.Minute, 4 * time.Minute, 200},
		"answered at the last":       {"/v1/jobs?index=7&wait=5m", 5*time.Minute + 5*time.Minute/16, 5*time.Minute + 5*time.Minute/16, 200},
		"without a wait of its own":  {"/v1/jobs?index=7", 5 * time.Minute, 5 * time.Minute, 200},
		"never answered":             {"/v1/jobs?index=7&wait=1m", time.Hour, time.Minute + time.Minute/16 + 30*time.Second, 504},
		"not a blocking one":         {"/v1/jobs", time.Hour, 30 * time.Second, 504},
		"not a blocking one, either": {"/v1/jobs?index=0&wait=5m", time.Hour, 30 * time.Second, 504},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			p := proxy(t, func(w http.ResponseWriter, r *http.Request) {
				select {
				case <-time.After(test.takes):
				case <-r.Context().Done():
				}
			})
			begun := time.Now()
			status, body := p.get(test.path)
			if status != test.status || time.Since(begun) != test.want {
				t.Errorf("%d %q after %s", status, body, time.Since(begun))
			}
			if status == 504 && body != "taskagent: the upstream accepted the request and did not answer within "+test.want.String() {
				t.Errorf("%q", body)
			}
		}))
	}
}

// TestSlowUpload takes longer to send than an answer may take to come.
func TestSlowUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := proxy(t, func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, n, err)
		})
		body, sender := io.Pipe()
		go func() {
			for range 100 {
				time.Sleep(20 * time.Second)
				_, _ = sender.Write(make([]byte, 1000))
			}
			sender.Close()
		}()
		resp := p.do(p.request(t.Context(), "PUT", "/v1/operator/snapshot", body))
		if got, _ := io.ReadAll(resp.Body); string(got) != "100000 <nil>" {
			t.Errorf("%d %q", resp.StatusCode, got)
		}
		// An upstream that reads nothing is not waited for.
		begun := time.Now()
		stuck := proxy(t, func(w http.ResponseWriter, r *http.Request) { time.Sleep(time.Hour) })
		resp = stuck.do(stuck.request(t.Context(), "PUT", "/v1/jobs", bytes.NewReader(make([]byte, 64<<20))))
		if resp.StatusCode != 504 || time.Since(begun) != 30*time.Second {
			t.Errorf("%d after %s", resp.StatusCode, time.Since(begun))
		}
		time.Sleep(2 * time.Hour) // for the servers to end
	})
}

// TestLargeBodies sends and gets more than anybody should keep in memory.
func TestLargeBodies(t *testing.T) {
	const size = 64 << 20
	p := proxy(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if n != size || err != nil {
			t.Errorf("the upstream got %d bytes: %v", n, err)
		}
		_, _ = io.CopyN(w, zeros{}, size)
	})
	resp := p.do(p.request(t.Context(), "PUT", "/v1/operator/snapshot", io.LimitReader(zeros{}, size)))
	if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
		t.Errorf("the client got %d bytes: %v", n, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestTrailers passes what comes after a body, in both directions.
func TestTrailers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := proxy(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Trailer", "X-Sum")
			_, _ = io.WriteString(w, "body")
			w.Header().Set("X-Sum", "answer to "+r.Trailer.Get("X-Sum"))
		})
		r := p.request(t.Context(), "PUT", "/v1/jobs", io.MultiReader(strings.NewReader("request")))
		r.Trailer = http.Header{"X-Sum": {"request"}}
		resp := p.do(r)
		body, err := io.ReadAll(resp.Body)
		if got := resp.Trailer.Get("X-Sum"); got != "answer to request" || string(body) != "body" || err != nil {
			t.Errorf("%q, trailer %q: %v", body, got, err)
		}
	})
}

// TestExpectContinue lets the upstream refuse a body before it is sent.
func TestExpectContinue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := proxy(t, func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		})
		p.http.Transport.(*http.Transport).ExpectContinueTimeout = time.Hour
		sent := false
		body := readerFunc(func(p []byte) (int, error) { sent = true; return len(p), nil })
		r := p.request(t.Context(), "PUT", "/v1/jobs", body)
		r.Header.Set("Expect", "100-continue")
		if resp := p.do(r); resp.StatusCode != 413 || sent {
			t.Errorf("%d, body sent: %v", resp.StatusCode, sent)
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
