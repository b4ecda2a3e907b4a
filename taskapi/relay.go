package taskapi

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"time"
)

// soon is how long the relay waits for something before it makes arrangements
// for a longer wait; or half of that.
const soon = 100 * time.Millisecond

// relay carries requests from clients to the upstream and answers back, without
// net/http, where most of the cost of a small request is. It takes only requests
// that request.parse understands, and hands the connection of any other, with
// all that was read and not used, to net/http for good. So this is the fast way
// through a Handler and Handler.ServeHTTP the complete one; they answer alike.
type relay struct {
	*Handler
	dial      func(context.Context) (net.Conn, error)
	upstreams upstreams
	// ctx ends when the server is closed.
	ctx         context.Context
	connContext func(context.Context, net.Conn) context.Context
	// netHTTP takes a connection over.
	netHTTP func(*clientConn)
}

// relayed is a client's connection in the relay. One goroutine uses it.
type relayed struct {
	relay *relay
	conn  *clientConn
	in    end
	ctx   context.Context // for Config.Inject; nil until there is need of it
	now   time.Time       // about when the last thing happened

	// Of the request under way:
	q      request
	a      answer
	within time.Duration // how long its answer may take to begin; negative: any time
	bound  time.Time     // until when; zero: no bound
	watch  *watch        // nil while nobody watches the client
}

// verdict is what becomes of a connection after a step.
type verdict uint8

const (
	goOn verdict = iota
	hangUp
	handOver // to net/http
)

// serve takes requests until the connection ends or is net/http's.
func (r *relay) serve(conn *clientConn) {
	c := &relayed{relay: r, conn: conn, now: time.Now()}
	c.in.init(conn.Conn, smallBuffer)
	v := hangUp
	defer func() {
		// A mistake in here must cost a connection, not the task that we run.
		if p := recover(); p != nil {
			r.cfg.Logger.Error("the Task API's relay failed", "panic", p, "stack", string(debug.Stack()))
			v = hangUp
		}
		if v == handOver {
			c.in.readBy(time.Time{})
			conn.read = c.in.take()
			r.netHTTP(conn)
			return
		}
		_ = conn.Close()
	}()
	for v = c.one(); v == goOn; v = c.one() {
		if len(c.in.bytes()) == 0 && !conn.setIdle(c.now) {
			v = hangUp
			return
		}
	}
}

// one takes one request and answers it.
func (c *relayed) one() verdict {
	n, v := c.readHead()
	if v != goOn {
		return v
	}
	buf := lend(smallBuffer)
	defer giveBack(buf)
	out, ok := c.q.parse(c.in.bytes()[:n], buf[:0], c.relay.cfg.Host)
	if !ok {
		return handOver
	}
	c.within = c.relay.cfg.AnswerWithin
	if q := c.q.query(); c.within >= 0 && bytes.Contains(q, []byte("index=")) {
		c.within += queryWait(string(q))
	}
	admitted := len(findToken(c.q.nomad, c.q.auth)) > 0
	c.q.forget() // reading the body moves what it refers to
	if v = c.readBody(n + c.q.length); v != goOn {
		return v
	}
	request := c.in.bytes()[:n+c.q.length]
	if !admitted {
		out, admitted = c.inject(out, request[:n])
	}
	out = append(append(out, crlf...), request[n:]...)
	c.in.skip(len(request))
	if !admitted {
		return c.refuse(http.StatusUnauthorized, "Unauthorized")
	}
	return c.exchange(out)
}

// readHead waits for a request and returns the size of its head.
func (c *relayed) readHead() (int, verdict) {
	seen := 0
	if len(c.in.bytes()) > 0 {
		c.now = time.Now() // it came ahead of the last answer
	}
	for {
		b := c.in.bytes()
		i := bytes.Index(b[seen:], headEnd)
		switch n := seen + i + len(headEnd); {
		case i >= 0 && n <= maxHead:
			return n, goOn
		case len(b) >= maxHead, len(b) > 0 && unusual(b, seen):
			return 0, handOver
		case len(b) > 0:
			seen = max(0, len(b)-len(headEnd)+1)
			c.in.readWithin(c.now, headerTimeout, time.Second)
		default:
			c.in.readWithin(c.now, idleTimeout, 30*time.Second)
		}
		if err := c.in.fill(); err != nil {
			return 0, hangUp
		}
		if len(b) == 0 {
			if !c.conn.setBusy() {
				return 0, hangUp
			}
			c.now = time.Now()
		}
	}
}

// unusual reports whether the beginning of a head shows that the whole of it will
// not be understood, so that nobody waits for an end that does not come: what
// begins with no method, and lines that end in a bare LF. Bytes before seen were
// looked at.
func unusual(b []byte, seen int) bool {
	if b[0] < 'A' || b[0] > 'Z' {
		return true
	}
	for i := seen; ; i++ {
		j := bytes.IndexByte(b[i:], '\n')
		if j < 0 {
			return false
		}
		if i += j; i == 0 || b[i-1] != '\r' {
			return true
		}
	}
}

// readBody waits until n bytes are there, but not for long: a body that takes its
// time is better sent on as it comes, and net/http does that.
func (c *relayed) readBody(n int) verdict {
	for len(c.in.bytes()) < n {
		c.in.readWithin(c.now, soon/2, soon/2)
		switch err := c.in.fill(); {
		case err == nil:
		case timedOut(err):
			return handOver
		default:
			return hangUp
		}
	}
	return goOn
}

func timedOut(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
