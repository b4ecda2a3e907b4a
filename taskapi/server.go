package taskapi

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits of a task's listener. A client that opens a connection and says
// nothing holds it for at most headerTimeout.
const (
	headerTimeout  = 30 * time.Second
	idleTimeout    = 5 * time.Minute
	maxHeaderBytes = 128 << 10
)

// Server serves one handler on any number of listeners.
type Server struct {
	http   *http.Server
	relay  *relay // nil: net/http serves every connection
	conns  clientConns
	given  chan net.Conn // to net/http
	start  sync.Once     // of net/http
	cancel context.CancelFunc
	ctx    context.Context // ends with Close
	loops  sync.WaitGroup

	mu        sync.Mutex // guards what follows
	listeners []net.Listener
}

// NewServer returns a server for h. connContext, which may be nil, attaches
// what is known about a connection's peer to it, once (see uds.ConnContext).
//
// When h is a [*Handler] that dials its upstream and leaves the verdict on tokens
// to it, usual requests take a short way that does without net/http. It makes no
// other difference.
func NewServer(h http.Handler, connContext func(context.Context, net.Conn) context.Context) *Server {
	s := &Server{
		http: &http.Server{
			Handler:           h,
			ConnContext:       connContext,
			ReadHeaderTimeout: headerTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeaderBytes,
			// net/http would answer "OPTIONS *" itself, past the gate.
			DisableGeneralOptionsHandler: true,
			ErrorLog:                     log.New(io.Discard, "", 0),
			ConnState: func(c net.Conn, state http.ConnState) {
				conn := c.(*clientConn)
				switch {
				case state == http.StateActive && !conn.setBusy(),
					state == http.StateIdle && !conn.setIdle(time.Now()):
					_ = conn.Close()
				}
			},
		},
		given: make(chan net.Conn),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.conns.init(maxConns)
	if h, ok := h.(*Handler); ok && h.relayable() {
		s.relay = &relay{
			Handler:     h,
			dial:        patientDial(h.cfg.Dial, h.cfg.RetryFor),
			ctx:         s.ctx,
			connContext: connContext,
			netHTTP:     s.give,
		}
	}
	return s
}

// Serve accepts connections from l, which it owns from now on, until Close.
// Failed receives an accept error that is not the end, at most once.
func (s *Server) Serve(l net.Listener, failed func(error)) {
	s.mu.Lock()
	s.listeners = append(s.listeners, l)
	s.mu.Unlock()
	s.loops.Go(func() {
		defer l.Close()
		if err := s.accept(l); s.ctx.Err() == nil && failed != nil {
			failed(err)
		}
	})
	if s.ctx.Err() != nil {
		_ = l.Close()
	}
}

// accept takes connections in until l fails for good.
func (s *Server) accept(l net.Listener) error {
	var delay time.Duration
	for {
		conn, err := l.Accept()
		var passing interface{ Temporary() bool }
		switch {
		case err == nil:
			delay = 0
			s.take(conn)
		case errors.As(err, &passing) && passing.Temporary():
			// Out of descriptors, most likely: what is open may end.
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			select {
			case <-time.After(delay):
			case <-s.ctx.Done():
			}
		default:
			return err
		}
	}
}

// take waits for room, so that a crowd waits in the listener's queue.
func (s *Server) take(conn net.Conn) {
	c := s.conns.add(conn)
	switch {
	case c == nil:
	case s.relay != nil:
		go s.relay.serve(c)
	default:
		s.give(c)
	}
}

// give leaves a connection to net/http, which is started for the first.
func (s *Server) give(c *clientConn) {
	s.start.Do(func() { go func() { _ = s.http.Serve(&givenConns{s}) }() })
	select {
	case s.given <- c:
	case <-s.ctx.Done():
		_ = c.Close()
	}
}

// Close stops accepting, ends all requests under way and waits for the accept
// loops. It may be called more than once.
func (s *Server) Close() {
	s.cancel()
	s.mu.Lock()
	for _, l := range s.listeners {
		_ = l.Close()
	}
	s.mu.Unlock()
	_ = s.http.Close()
	s.conns.close()
	if s.relay != nil {
		s.relay.upstreams.close()
	}
	s.loops.Wait()
}

// givenConns is the listener through which net/http gets its connections.
type givenConns struct{ s *Server }

func (g *givenConns) Accept() (net.Conn, error) {
	select {
	case c := <-g.s.given:
		return c, nil
	case <-g.s.ctx.Done():
		return nil, net.ErrClosed
	}
}

func (g *givenConns) Close() error   { return nil }
func (g *givenConns) Addr() net.Addr { return &net.UnixAddr{} }
