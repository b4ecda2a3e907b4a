package taskapi

import (
	"context"
	"errors"
	"net"
	"time"
)

// exchange sends the request in out, hands the answer on, and refuses with the
// Handler's words where there is none.
func (c *relayed) exchange(out []byte) verdict {
	v := hangUp
	u, err := c.ask(out)
	switch {
	case err == nil:
		v = c.answer(u)
	case errors.Is(err, errGone):
	default:
		v = c.refuse(c.relay.explain(c.q.method, err))
	}
	if !c.stopWatch() {
		return hangUp
	}
	return v
}

// ask sends the request until the head of its answer is there. It sends again
// what can be repeated, and what was not sent at all, as patientTransport does.
func (c *relayed) ask(out []byte) (*upstream, error) {
	var giveUp time.Time
	for delay := 10 * time.Millisecond; ; {
		if c.within >= 0 {
			c.bound = c.now.Add(c.within)
		}
		u, err := c.connect()
		if err != nil {
			return nil, err
		}
		sent, err := c.send(u, out)
		if err == nil {
			return u, nil
		}
		c.done(u, false)
		c.now = time.Now()
		switch {
		case final(err), sent > 0 && !c.q.repeatable():
			return nil, err
		case u.used:
			continue // it had ended while nobody used it; there are not many such
		case c.relay.cfg.RetryFor < 0:
			return nil, err
		}
		if giveUp.IsZero() {
			giveUp = c.now.Add(c.relay.cfg.RetryFor)
		} else if c.now.After(giveUp) {
			return nil, err
		}
		if !c.pause(delay) {
			return nil, errGone
		}
		delay = min(2*delay, 250*time.Millisecond)
	}
}

// final says that an error does not get better by asking again.
func final(err error) bool {
	var late *lateError
	return errors.Is(err, errGone) || errors.Is(err, errMalformed) || errors.As(err, &late)
}

// pause waits before another attempt, and reports false if the client goes.
func (c *relayed) pause(d time.Duration) bool {
	c.startWatch()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		c.now = time.Now()
		return true
	case <-c.watch.ctx.Done():
		return false
	}
}

// connect returns a connection to send the request on.
func (c *relayed) connect() (*upstream, error) {
	for {
		u := c.relay.upstreams.get()
		if u == nil {
			break
		}
		// Where nobody can tell whether a connection has ended, a request that must
		// not be repeated gets a new one.
		if c.q.repeatable() || u.checksReuse() {
			c.watch.tie(u.conn)
			return u, nil
		}
		_ = u.conn.Close()
	}
	conn, err := c.dial()
	if err != nil {
		return nil, err
	}
	u := newUpstream(conn)
	c.watch.tie(conn)
	return u, nil
}

// dial dials, and goes on dialling while that fails and the client waits.
func (c *relayed) dial() (net.Conn, error) {
	if c.watch == nil {
		ctx, cancel := context.WithTimeout(c.relay.ctx, soon)
		conn, err := c.relay.cfg.Dial(ctx)
		cancel()
		if err == nil {
			return conn, nil
		}
		c.startWatch()
	}
	ctx, cancel := c.watch.ctx, context.CancelFunc(func() {})
	if !c.bound.IsZero() {
		ctx, cancel = context.WithDeadline(ctx, c.bound)
	}
	defer cancel()
	conn, err := c.relay.dial(ctx)
	if err != nil && c.watch.ctx.Err() == nil && ctx.Err() != nil {
		err = &lateError{c.within}
	}
	return conn, c.unlessGone(err)
}

// send sends the request on u and waits for the head of its answer.
func (c *relayed) send(u *upstream, out []byte) (sent int, err error) {
	u.readWithin(c.now, soon/2, soon/2)
	if len(out) > smallBuffer { // more than a socket may take from an upstream that reads nothing
		_ = u.conn.SetWriteDeadline(c.bound)
		defer u.conn.SetWriteDeadline(time.Time{})
	}
	sent, err = u.ask(out, u.used)
	if sent == 0 && timedOut(err) && c.outwait(u) == nil {
		// We were held up between the clock and the call.
		sent, err = u.ask(out, u.used)
	}
	if sent == len(out) {
		err = c.patiently(u, err)
	} else if sent > 0 && !timedOut(err) && u.fill() == nil {
		// It did not want to hear all of it, and says why.
		err = nil
	}
	if err == nil {
		err = c.readAnswer(u)
	}
	c.a.reuse = c.a.reuse && sent == len(out)
	if timedOut(err) {
		err = &lateError{c.within}
	}
	return sent, c.unlessGone(err)
}

// more waits for more bytes of the answer.
func (c *relayed) more(u *upstream) error { return c.patiently(u, u.fill()) }

// patiently goes on waiting when err says that it takes long.
func (c *relayed) patiently(u *upstream, err error) error {
	for timedOut(err) {
		if err = c.outwait(u); err == nil {
			err = u.fill()
		}
	}
	return c.unlessGone(err)
}

// outwait prepares for a wait on u that takes longer than a client may be left
// unwatched. It fails when it has taken as long as it may.
func (c *relayed) outwait(u *upstream) error {
	if c.watch == nil {
		c.startWatch()
		c.watch.tie(u.conn)
	} else if !c.bound.IsZero() && !time.Now().Before(c.bound) {
		return &lateError{c.within}
	}
	u.readBy(c.bound)
	return nil
}

// unlessGone turns the error of a connection that was closed because the client
// has gone into what it means.
func (c *relayed) unlessGone(err error) error {
	if err != nil && c.watch != nil && c.watch.ctx.Err() != nil {
		return errGone
	}
	return err
}

// done is the end of u's use for this request. With reuse it may serve another.
func (c *relayed) done(u *upstream, reuse bool) {
	if !c.watch.release() {
		reuse = false
	}
	if reuse && len(u.bytes()) == 0 {
		c.relay.upstreams.put(u, c.now)
		return
	}
	_ = u.conn.Close()
	u.drop()
}
