package taskapi_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/taskagent/taskagent/taskapi"
)

// A blocking query is given back when its client goes, before and in its answer.
func TestHangUpReleasesUpstream(t *testing.T) {
	onBoth(t, func(t *testing.T, n network) {
		for _, begun := range []bool{false, true} {
			asked, released := make(chan struct{}), make(chan struct{})
			d := open(t, n, taskapi.Config{Dial: serveHTTP(t, n, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/first" {
					return
				}
				if begun {
					w.WriteHeader(200)
					http.NewResponseController(w).Flush()
				}
				close(asked)
				<-r.Context().Done()
				close(released)
			})})
			c := d.connect(t)
			go c.send(get("/first") + get("/v1/vars?index=7&wait=5m"))
			c.wantAnswer(200, "")
			waitFor(t, "the query", asked)
			if begun {
				c.want("HTTP/1.1 200 OK\r\n")
			}
			c.Close()
			waitFor(t, "the release", released)
			if d.byNetHTTP.Load() != 0 {
				t.Error("net/http got the connection")
			}
		}
	})
}

// A client that goes while the upstream is down is not waited for.
func TestHangUpEndsDialling(t *testing.T) {
	onBoth(t, func(t *testing.T, n network) {
		var attempts atomic.Int32
		dialled, ended := make(chan struct{}), make(chan struct{})
		d := open(t, n, taskapi.Config{Dial: func(ctx context.Context) (net.Conn, error) {
			if attempts.Add(1) == 3 {
				close(dialled)
				<-ctx.Done()
				close(ended)
			}
			return nil, errors.New("nobody is there")
		}})
		c := d.connect(t)
		go c.send(get("/"))
		waitFor(t, "an attempt", dialled)
		c.Close()
		waitFor(t, "the end of the last", ended)
	})
}

// Requests that come while another waits are kept, in order, until its answer.
func TestRequestsBehindASlowOne(t *testing.T) {
	onBoth(t, func(t *testing.T, n network) {
		asked, go_ := make(chan struct{}), make(chan struct{})
		d := open(t, n, taskapi.Config{Dial: serveHTTP(t, n, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				close(asked)
				<-go_
			}
			echo(w, r)
		})})
		c := d.connect(t)
		go c.send(get("/slow"))
		waitFor(t, "the query", asked)
		// More than one read of them, and less than is kept: they come in whole.
		c.send(put("/1", strings.Repeat("1", 60000)) + get("/2") + get("/3")[:30])
		close(go_)
		c.wantAnswer(200, "GET /slow localhost ")
		c.wantAnswer(200, "PUT /1 localhost "+strings.Repeat("1", 60000))
		c.wantAnswer(200, "GET /2 localhost ")
		go c.send(get("/3")[30:])
		c.wantAnswer(200, "GET /3 localhost ")
	})
}

// Who sends a request and then closes its half, as nc does, gets the answer when
// it does not take long.
func TestHalfClosedClientIsAnswered(t *testing.T) {
	d := open(t, sockets, taskapi.Config{Dial: serveHTTP(t, sockets, echo)})
	c := d.connect(t)
	c.send(get("/half"))
	if err := c.Conn.(*net.UnixConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.wantAnswer(200, "GET /half localhost ")
	c.wantEnd()
}

// A write whose answer never came is not sent again; a read is.
func TestOnlyReadsAreRepeated(t *testing.T) {
	onBoth(t, func(t *testing.T, n network) {
		for _, partial := range []string{"", "HTTP/1.1 20"} {
			var got atomic.Int32
			d := open(t, n, taskapi.Config{Dial: script(t, n, func(_ int, c *client) {
				if r := c.request(); got.Add(1)%3 == 0 && strings.HasPrefix(r, "GET /read") {
					c.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
					return
				}
				c.send(partial)
			})})
			c := d.connect(t)
			wants := func(request string, sent int32, status int, body string) {
				t.Helper()
				before := got.Load()
				go c.send(request)
				r, answer := c.answer("GET")
				if r.StatusCode != status || !strings.HasPrefix(answer, body) {
					t.Errorf("answer %d %q", r.StatusCode, answer)
				}
				if n := got.Load() - before; n != sent {
					t.Errorf("sent %d times, want %d", n, sent)
				}
			}
			const why = "taskagent: the Task API's upstream cannot be reached: "
			wants(get("/read"), 3, 200, "ok")
			wants(put("/write", "x"), 1, 502, why)
			wants(get("/read"), 2, 200, "ok")
			// Nobody knows what a read with a body does.
			wants(strings.Replace(put("/read", "x"), "PUT", "GET", 1), 1, 502, why)
			wants(strings.Replace(get("/write"), "GET", "DELETE", 1), 1, 502, why)
		}
	})
}

// Connections that the upstream has closed while nobody used them cost nothing,
// not even a write.
func TestUpstreamRestartHeals(t *testing.T) {
	onBoth(t, func(t *testing.T, n network) {
		var current atomic.Pointer[func(context.Context) (net.Conn, error)]
		start := func() *http.Server {
			l, dial := n(t)
			s := &http.Server{Handler: http.HandlerFunc(echo)}
			go s.Serve(l)
			current.Store(&dial)
			return s
		}
		s := start()
		d := open(t, n, taskapi.Config{Dial: func(ctx context.Context) (net.Conn, error) { return (*current.Load())(ctx) }})
		clients := []*client{d.connect(t), d.connect(t)}
		for range 3 {
			for _, c := range clients {
				c.send(get("/r"))
				c.wantAnswer(200, "GET /r localhost ")
			}
			s.Close()
			s = start()
			for _, c := range clients {
				c.send(put("/w", "x"))
				c.wantAnswer(200, "PUT /w localhost x")
			}
			s.Close()
			s = start()
		}
		s.Close()
	})
}

// An upstream that refuses a body it has not read is heard all the same.
func TestUpstreamAnswersEarly(t *testing.T) {
	d := open(t, sockets, taskapi.Config{RetryFor: -1, Dial: script(t, sockets, func(_ int, c *client) {
		io.ReadFull(c.r, make([]byte, 10))
		c.send("HTTP/1.1 413 Request Entity Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
		c.Conn.(*net.UnixConn).CloseWrite()
		io.Copy(io.Discard, c.r)
	})})
	c := d.connect(t)
	go c.send(put("/w", strings.Repeat("x", 60000)))
	c.wantAnswer(413, "no")
}

func TestCloseEndsEverything(t *testing.T) {
	onBoth(t, func(t *testing.T, n network) {
		asked, released := make(chan struct{}, 1), make(chan struct{})
		d := open(t, n, taskapi.Config{Dial: serveHTTP(t, n, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/block" {
				asked <- struct{}{}
				<-r.Context().Done()
				close(released)
			}
		})})
		idle, busy, byNetHTTP := d.connect(t), d.connect(t), d.connect(t)
		idle.send(get("/"))
		idle.wantAnswer(200, "")
		byNetHTTP.send(get("/", "TE: trailers\r\n"))
		byNetHTTP.wantAnswer(200, "")
		go busy.send(get("/block"))
		waitFor(t, "the query", asked)
		d.Close()
		d.Close()
		idle.wantEnd()
		busy.wantEnd()
		byNetHTTP.wantEnd()
		waitFor(t, "the release", released)
		if n := d.OpenConns(); n != 0 {
			t.Errorf("%d connections are open", n)
		}
	})
}
