package taskapi_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taskagent/taskagent/taskapi"
)

// inBubble runs a test on pipes with a clock of its own.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		f(t)
		t.Logf("took %v", time.Since(start))
	})
}

// took fails the test unless about d has passed since start.
func took(t *testing.T, start time.Time, d time.Duration) {
	t.Helper()
	if got := time.Since(start); got < d || got > d+time.Second {
		t.Errorf("took %v, want %v", got, d)
	}
}

func hang(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func TestUpstreamThatHangs(t *testing.T) {
	for target, want := range map[string]time.Duration{
		"/":                     30 * time.Second,
		"/?wait=5m":             30 * time.Second,
		"/?index=0&wait=5m":     30 * time.Second,
		"/?index=5":             30*time.Second + 5*time.Minute + 5*time.Minute/16,
		"/?index=5&wait=1m":     30*time.Second + time.Minute + time.Minute/16,
		"/?index=5&wait=1h":     30*time.Second + 5*time.Minute + 5*time.Minute/16,
		"/?index=5&wait=xx&%zz": 30*time.Second + 5*time.Minute + 5*time.Minute/16,
	} {
		for _, warm := range []bool{false, true} {
			inBubble(t, func(t *testing.T) {
				d := open(t, pipes, taskapi.Config{Dial: serveHTTP(t, pipes, func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != "/warm" {
						hang(w, r)
					}
				})})
				c := d.connect(t)
				if warm {
					c.send(get("/warm"))
					c.wantAnswer(200, "")
				}
				start := time.Now()
				c.send(get(target))
				c.wantAnswer(504, "taskagent: the upstream accepted the request and did not answer within "+want.String())
				took(t, start, want)
				c.send(get("/warm"))
				c.wantAnswer(200, "")
			})
		}
	}
}

func TestUpstreamThatHangsUnbounded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := open(t, pipes, taskapi.Config{AnswerWithin: -1, Dial: serveHTTP(t, pipes, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Hour)
			echo(w, r)
		})})
		c := d.connect(t)
		c.send(get("/"))
		c.wantAnswer(200, "GET / localhost ")
	})
}

// Only the head of an answer has to come in time.
func TestBodyMayTakeItsTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := open(t, pipes, taskapi.Config{Dial: serveHTTP(t, pipes, func(w http.ResponseWriter, r *http.Request) {
			for range 3 {
				w.Write([]byte("tick"))
				http.NewResponseController(w).Flush()
				time.Sleep(10 * time.Minute)
			}
		})})
		c := d.connect(t)
		c.send(get("/v1/event/stream"))
		c.wantAnswer(200, "ticktickticktick"[:12])
		c.send(get("/v1/event/stream"))
		c.wantAnswer(200, "ticktickticktick"[:12])
	})
}

// An upstream that is being replaced is waited for, by reads and writes alike.
func TestUpstreamAwaited(t *testing.T) {
	for _, request := range []string{get("/"), put("/", "x")} {
		for _, downFor := range []time.Duration{10 * time.Second, time.Minute} {
			inBubble(t, func(t *testing.T) {
				back := time.Now().Add(downFor)
				dial := serveHTTP(t, pipes, func(http.ResponseWriter, *http.Request) {})
				d := open(t, pipes, taskapi.Config{Dial: func(ctx context.Context) (net.Conn, error) {
					if time.Now().Before(back) {
						return nil, errors.New("nobody listens")
					}
					return dial(ctx)
				}})
				c := d.connect(t)
				start := time.Now()
				c.send(request)
				if downFor > 15*time.Second {
					c.wantAnswer(502, "taskagent: the Task API's upstream cannot be reached: dial unix: nobody listens")
					took(t, start, 15*time.Second)
					return
				}
				c.wantAnswer(200, "")
				took(t, start, downFor)
			})
		}
	}
}

// A dialer that blocks is given as long as an answer.
func TestDialThatHangs(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := open(t, pipes, taskapi.Config{Dial: func(ctx context.Context) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		c := d.connect(t)
		start := time.Now()
		c.send(get("/"))
		c.wantAnswer(504, "taskagent: the upstream accepted the request and did not answer within 30s")
		took(t, start, 30*time.Second)
	})
}

// A read that keeps breaking is tried for a while, with pauses.
func TestReadsAreRepeatedForAWhile(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var n atomic.Int32
		d := open(t, pipes, taskapi.Config{Dial: script(t, pipes, func(_ int, c *client) {
			c.request()
			n.Add(1)
		})})
		c := d.connect(t)
		start := time.Now()
		c.send(get("/"))
		c.wantAnswer(502, "taskagent: the Task API's upstream cannot be reached: EOF")
		took(t, start, 15*time.Second)
		if n := n.Load(); n < 10 || n > 100 {
			t.Errorf("sent %d times", n)
		}
	})
}

func TestClientsThatSayNothing(t *testing.T) {
	begin := get("/")[:20]
	for name, test := range map[string]struct {
		sent string
		end  time.Duration
	}{
		"nothing":                {"", 5*time.Minute + 30*time.Second},
		"part of a head":         {begin, 31 * time.Second},
		"nothing after a first":  {get("/"), 5*time.Minute + 30*time.Second},
		"part of a second":       {get("/") + begin, 31 * time.Second},
		"nothing, with net/http": {get("/", "TE: trailers\r\n"), 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				d := open(t, pipes, taskapi.Config{Dial: serveHTTP(t, pipes, func(http.ResponseWriter, *http.Request) {})})
				c := d.connect(t)
				start := time.Now()
				go c.send(test.sent)
				if len(test.sent) >= len(get("/")) {
					c.wantAnswer(200, "")
				}
				c.wantEnd()
				if got := time.Since(start); got > test.end || got < test.end/2 {
					t.Errorf("took %v, want at most %v", got, test.end)
				}
				synctest.Wait()
				if n := d.OpenConns(); n != 0 {
					t.Errorf("%d connections are open", n)
				}
			})
		})
	}
}

// A head that comes byte by byte is one, if it comes in time.
func TestSlowHead(t *testing.T) {
	for _, test := range []struct {
		pause time.Duration
		ok    bool
	}{{10 * time.Millisecond, true}, {time.Second, false}} {
		inBubble(t, func(t *testing.T) {
			d := open(t, pipes, taskapi.Config{Dial: serveHTTP(t, pipes, echo)})
			c := d.connect(t)
			sent := make(chan struct{})
			defer func() { <-sent }()
			go func() {
				defer close(sent)
				for _, b := range []byte(get("/slow")) {
					time.Sleep(test.pause)
					if _, err := c.Write([]byte{b}); err != nil {
						return
					}
				}
			}()
			if test.ok {
				c.wantAnswer(200, "GET /slow localhost ")
			} else {
				start := time.Now()
				c.wantEnd()
				took(t, start, 31*time.Second)
			}
			if d.byNetHTTP.Load() != 0 {
				t.Error("net/http got the connection")
			}
		})
	}
}

// A body that takes its time is net/http's, and comes through whole.
func TestSlowBody(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := open(t, pipes, taskapi.Config{Dial: serveHTTP(t, pipes, echo)})
		c := d.connect(t)
		request := put("/slow", "onetwo")
		go func() {
			c.send(request[:len(request)-3])
			time.Sleep(5 * time.Second)
			c.send(request[len(request)-3:])
		}()
		c.wantAnswer(200, "PUT /slow localhost onetwo")
		if d.byNetHTTP.Load() != 1 {
			t.Error("net/http did not get the connection")
		}
	})
}

// Connections to the upstream go when there has been no use for them, and with
// them the last timer.
func TestIdleUpstreamsGo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		gate := make(chan struct{})
		d := open(t, pipes, taskapi.Config{Dial: serveHTTP(t, pipes, func(http.ResponseWriter, *http.Request) { <-gate })})
		for range 20 {
			c := d.connect(t)
			go func() {
				c.send(get("/"))
				c.wantAnswer(200, "")
			}()
		}
		synctest.Wait()
		close(gate)
		synctest.Wait()
		if n := d.IdleUpstreams(); n != 16 {
			t.Errorf("%d connections to the upstream are kept", n)
		}
		c := d.connect(t)
		for range 50 {
			time.Sleep(2 * time.Second)
			c.send(get("/"))
			c.wantAnswer(200, "")
		}
		synctest.Wait()
		if n := d.IdleUpstreams(); n != 1 {
			t.Errorf("of those nobody needs %d are left", n-1)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := d.IdleUpstreams(); n != 0 {
			t.Errorf("%d connections to the upstream are left", n)
		}
	})
}
