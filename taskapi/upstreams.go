package taskapi

import (
	"errors"
	"net"
	"sync"
	"time"
)

// Idle connections to the upstream: as many as net/http would keep, for as long.
const (
	maxIdleUpstreams    = 16
	upstreamIdleTimeout = 30 * time.Second
)

// errSpokeUnasked is why a connection that sent bytes between two requests is
// not used again: they would be taken for the next answer.
var errSpokeUnasked = errors.New("the upstream spoke unasked")

// upstream is a connection to the upstream, used by one request at a time.
type upstream struct {
	end
	used bool // it has carried a request before
	idle time.Time
}

func newUpstream(conn net.Conn) *upstream {
	u := new(upstream)
	u.init(conn, largeBuffer)
	return u
}

// upstreams keeps connections for the next request, last used first, so that a
// burst's surplus ages and goes. It runs a timer only while it keeps any.
type upstreams struct {
	mu     sync.Mutex // guards what follows
	free   []*upstream
	timer  *time.Timer // nil: none is running
	closed bool
}

// get returns a kept connection or nil. It may have ended meanwhile.
func (p *upstreams) get() *upstream {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.free) - 1
	if n < 0 {
		return nil
	}
	u := p.free[n]
	p.free[n] = nil
	p.free = p.free[:n]
	return u
}

// put keeps u, which nobody uses any more, as of now.
func (p *upstreams) put(u *upstream, now time.Time) {
	u.used, u.idle = true, now
	p.mu.Lock()
	if p.closed || len(p.free) >= maxIdleUpstreams {
		p.mu.Unlock()
		_ = u.conn.Close()
		return
	}
	p.free = append(p.free, u)
	if p.timer == nil {
		p.timer = time.AfterFunc(upstreamIdleTimeout, p.expire)
	}
	p.mu.Unlock()
}

// expire closes what has been idle for long enough.
func (p *upstreams) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	now := time.Now()
	// The stack's bottom has been idle for longest, by and large: a slow answer
	// puts its connection back with the time it was asked at.
	keep := p.free[:0]
	var next time.Duration
	for _, u := range p.free {
		left := upstreamIdleTimeout - now.Sub(u.idle)
		if left <= 0 {
			_ = u.conn.Close()
			continue
		}
		keep = append(keep, u)
		next = max(next, left)
	}
	clear(p.free[len(keep):])
	p.free = keep
	p.timer = nil
	if len(keep) > 0 {
		p.timer = time.AfterFunc(next, p.expire)
	}
}

// close ends all that is kept and keeps nothing from now on.
func (p *upstreams) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
	for _, u := range p.free {
		_ = u.conn.Close()
	}
	p.free = nil
}
