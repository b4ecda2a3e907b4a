package taskapi

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// errGone is why a request ends when its client has hung up, or we are closed.
var errGone = errors.New("the client has gone")

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// watch notices that a client hangs up while its request waits for the upstream.
// Most answers come before one is worth starting: it takes a goroutine, which
// reads what the client sends meanwhile.
type watch struct {
	// ctx ends when the client has gone, when the server is closed, and with the watch.
	ctx    context.Context
	cancel context.CancelFunc
	gone   atomic.Bool
	done   chan struct{} // closed when the goroutine no longer uses the client's end
	untie  func() bool   // undoes tie; nil: nothing is tied
}

// startWatch begins to watch the client, unless it is watched. Until stopWatch
// nobody else may read from it.
func (c *relayed) startWatch() {
	if c.watch != nil {
		return
	}
	w := &watch{done: make(chan struct{})}
	w.ctx, w.cancel = context.WithCancel(c.relay.ctx)
	c.watch = w
	c.in.readBy(time.Time{})
	go w.run(&c.in)
}

// run reads ahead until the client ends the connection, in whole or its half, as
// net/http does not tell the two apart either; or until it has sent more than is
// kept. A request that comes early waits in the buffer.
func (w *watch) run(in *end) {
	defer close(w.done)
	for {
		err := in.fill()
		if err == nil {
			continue
		}
		if !timedOut(err) && !errors.Is(err, errHeldTooMuch) {
			w.gone.Store(true)
			w.cancel()
		}
		return
	}
}

// stopWatch takes the client's end back. It reports false if the client has gone.
func (c *relayed) stopWatch() bool {
	w := c.watch
	if w == nil {
		return true
	}
	c.in.readBy(longAgo)
	<-w.done
	w.cancel()
	c.watch = nil
	c.now = time.Now() // it may have been a while
	return !w.gone.Load()
}

// tie makes the end of the watch's context the end of conn too. Without a watch
// it does nothing.
func (w *watch) tie(conn net.Conn) {
	if w == nil {
		return
	}
	w.untie = context.AfterFunc(w.ctx, func() { _ = conn.Close() })
}

// release undoes tie. It reports false when that was too late.
func (w *watch) release() bool {
	if w == nil || w.untie == nil {
		return true
	}
	ok := w.untie()
	w.untie = nil
	return ok
}
