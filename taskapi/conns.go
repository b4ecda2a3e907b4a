package taskapi

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// maxConns bounds the connections of one Server. A task that leaks them, or
// attacks us with them, must not take the descriptors that its own renewals need.
const maxConns = 1024

// clientConns are the connections of a Server.
type clientConns struct {
	mu      sync.Mutex // guards what follows
	changed sync.Cond  // there may be room, or closed was set
	open    map[*clientConn]struct{}
	max     int
	closed  bool

	crowded atomic.Int32 // how many wait in add
}

func (s *clientConns) init(max int) {
	s.max = max
	s.changed.L = &s.mu
	s.open = make(map[*clientConn]struct{})
}

// add takes conn in when there is room, and closes it when the server is. Where
// there is none it ends the connection that has been idle for longest, which a
// client must expect at any time; a busy one is waited for.
func (s *clientConns) add(conn net.Conn) *clientConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed && len(s.open) >= s.max {
		// From now on a connection that becomes idle ends by itself. So one that does
		// not see this is seen by longestIdle.
		s.crowded.Add(1)
		if c := s.longestIdle(time.Now().Add(-soon)); c != nil {
			delete(s.open, c)
			_ = c.Conn.Close()
		} else {
			look := time.AfterFunc(soon, s.changed.Broadcast)
			s.changed.Wait()
			look.Stop()
		}
		s.crowded.Add(-1)
	}
	if s.closed {
		_ = conn.Close()
		return nil
	}
	c := &clientConn{Conn: conn, all: s}
	c.idle.Store(time.Now().UnixNano())
	s.open[c] = struct{}{}
	return c
}

// longestIdle picks a connection that has been idle since before then, so that one
// that has just come can send its request, and makes sure that it takes none now.
func (s *clientConns) longestIdle(then time.Time) *clientConn {
	for {
		var found *clientConn
		since := then.UnixNano()
		for c := range s.open {
			if t := c.idle.Load(); t > 0 && t < since {
				found, since = c, t
			}
		}
		if found == nil || found.idle.CompareAndSwap(since, dismissed) {
			return found
		}
	}
}

func (s *clientConns) remove(c *clientConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
	s.changed.Broadcast()
}

// close ends all connections.
func (s *clientConns) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.open {
		_ = c.Conn.Close()
	}
	clear(s.open)
	s.changed.Broadcast()
}

// clientConn is a client's connection: what net/http takes over, with the bytes
// that were read before.
type clientConn struct {
	net.Conn
	all  *clientConns
	idle atomic.Int64 // since when, as Unix nanoseconds; 0: busy; or dismissed
	read []byte
}

// dismissed stands in clientConn.idle when the connection has to end.
const dismissed = -1

// setIdle says that a request may come. It reports false when none should.
func (c *clientConn) setIdle(now time.Time) bool {
	c.idle.CompareAndSwap(0, now.UnixNano())
	return c.all.crowded.Load() == 0
}

// setBusy says that a request has come. It reports false when it is too late.
func (c *clientConn) setBusy() bool { return c.idle.Swap(0) != dismissed }

func (c *clientConn) Read(b []byte) (int, error) {
	if len(c.read) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.read)
	if c.read = c.read[n:]; len(c.read) == 0 {
		c.read = nil
	}
	return n, nil
}

// Close may be called more than once.
func (c *clientConn) Close() error {
	c.all.remove(c)
	return c.Conn.Close()
}

// CloseWrite lets net/http end its half of an upgraded connection.
func (c *clientConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return net.ErrClosed
}

// NetConn is the connection beneath, for those who ask about the peer.
func (c *clientConn) NetConn() net.Conn { return c.Conn }
