package taskapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// maxWait is Nomad's bound on ?wait= and what an index without a wait means.
const maxWait = 5 * time.Minute

// lateError says that an upstream accepted a request and never answered.
type lateError struct{ after time.Duration }

func (e *lateError) Error() string {
	return fmt.Sprintf("the upstream accepted the request and did not answer within %s", e.after)
}

// patientTransport gives an upstream that is just being replaced time to come
// back, and an upstream that hangs a limit.
//
// A request is sent again only when that cannot repeat a write: a read without
// a body whose answer had not begun. A write is never sent twice; that it waits
// for a connection first (see patientDial) repeats nothing.
type patientTransport struct {
	next         http.RoundTripper
	answerWithin time.Duration
	streams      func(r *http.Request) bool // nil: none
	retryFor     time.Duration
}

func (t *patientTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	var deadline time.Time
	for delay := 10 * time.Millisecond; ; delay = min(2*delay, 250*time.Millisecond) {
		resp, err := t.once(r)
		if err == nil || !repeatable(r, err) || r.Context().Err() != nil || t.retryFor < 0 {
			return resp, err
		}
		if deadline.IsZero() {
			deadline = time.Now().Add(t.retryFor)
		} else if time.Now().After(deadline) {
			return nil, err
		}
		select {
		case <-r.Context().Done():
			return nil, r.Context().Err()
		case <-time.After(delay):
		}
	}
}

// once sends the request and limits the wait for the head of its answer only: a
// body may stream for as long as it likes, and be sent for as long as it moves.
func (t *patientTransport) once(r *http.Request) (*http.Response, error) {
	if t.answerWithin < 0 || t.streams != nil && t.streams(r) {
		return t.next.RoundTrip(r)
	}
	ctx, cancel := context.WithCancel(r.Context())
	within := t.answerWithin + queryWait(r.URL.RawQuery)
	var late atomic.Bool
	timer := newAnswerTimer(within, func() {
		late.Store(true)
		cancel()
	})
	r = r.WithContext(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &movingBody{r.Body, timer}
	}
	resp, err := t.next.RoundTrip(r)
	stopped := timer.stop()
	if err != nil {
		cancel()
		if late.Load() {
			return nil, &lateError{within}
		}
		return nil, err
	}
	if !stopped {
		cancel()
		_ = resp.Body.Close()
		return nil, &lateError{within}
	}
	resp.Body = releasing(resp.Body, cancel)
	return resp, nil
}

// answerTimer runs anew with everything that is sent, until it is stopped.
type answerTimer struct {
	within time.Duration

	mu      sync.Mutex // guards what follows
	timer   *time.Timer
	stopped bool
}

func newAnswerTimer(within time.Duration, late func()) *answerTimer {
	return &answerTimer{within: within, timer: time.AfterFunc(within, late)}
}

func (t *answerTimer) again() {
	t.mu.Lock()
	defer t.mu.Unlock()
	// A body may go on being sent after its answer began.
	if !t.stopped {
		t.timer.Reset(t.within)
	}
}

// stop reports whether it was in time.
func (t *answerTimer) stop() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	return t.timer.Stop()
}

// movingBody is a request's body that keeps its timer from running out.
type movingBody struct {
	io.ReadCloser
	timer *answerTimer
}

func (b *movingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.timer.again()
	return n, err
}

// queryWait is how long a blocking query may hold its answer back: what it
// asked for and the sixteenth part that Nomad adds, or nothing for a plain one.
func queryWait(query string) time.Duration {
	if !strings.Contains(query, "index=") {
		return 0
	}
	q, _ := url.ParseQuery(query) // what cannot be parsed is left out
	if n, err := strconv.ParseUint(q.Get("index"), 10, 64); err != nil || n == 0 {
		return 0
	}
	wait := maxWait
	if d, err := time.ParseDuration(q.Get("wait")); err == nil && d > 0 && d < maxWait {
		wait = d
	}
	return wait + wait/16
}

func repeatable(r *http.Request, err error) bool {
	var late *lateError
	var op *net.OpError
	if errors.As(err, &late) || errors.As(err, &op) && op.Op == "dial" {
		return false
	}
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && (r.Body == nil || r.Body == http.NoBody)
}

// patientDial dials until it works, the request goes away or patience ends.
func patientDial(dial func(ctx context.Context) (net.Conn, error), patience time.Duration) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		var deadline time.Time
		for delay := 5 * time.Millisecond; ; delay = min(2*delay, 250*time.Millisecond) {
			c, err := dial(ctx)
			if err == nil {
				return c, nil
			}
			if deadline.IsZero() {
				deadline = time.Now().Add(patience)
			}
			if patience < 0 || time.Now().After(deadline) {
				return nil, &net.OpError{Op: "dial", Net: "unix", Err: err}
			}
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(delay):
			}
		}
	}
}

// releasing frees the request's context when its body is closed. A body that
// can be written to is an upgraded connection and must stay one.
func releasing(body io.ReadCloser, release func()) io.ReadCloser {
	if rw, ok := body.(io.ReadWriteCloser); ok {
		return &releasingConn{rw, release}
	}
	return &releasingBody{body, release}
}

type releasingBody struct {
	io.ReadCloser
	release func()
}

func (b *releasingBody) Close() error {
	defer b.release()
	return b.ReadCloser.Close()
}

type releasingConn struct {
	io.ReadWriteCloser
	release func()
}

func (c *releasingConn) Close() error {
	defer c.release()
	return c.ReadWriteCloser.Close()
}
