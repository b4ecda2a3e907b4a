package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/taskagent/taskagent/internal/wire"
)

// brokenError says that a connection ended, or had to be ended, with a request
// on its way.
type brokenError struct{ err error }

func (e *brokenError) Error() string {
	if errors.Is(e.err, errNoAnswer) {
		return e.err.Error()
	}
	return fmt.Sprintf("the leader went away: %v", e.err)
}

func (e *brokenError) Unwrap() error { return e.err }

// errNoAnswer says that no answer came in time. It matches
// context.DeadlineExceeded.
var errNoAnswer error = noAnswerError{}

type noAnswerError struct{}

func (noAnswerError) Error() string        { return "the leader does not answer" }
func (noAnswerError) Is(target error) bool { return target == context.DeadlineExceeded }

// plain returns the system's reason without what package net says around it: the
// addresses it knows may be ones of /proc.
func plain(err error) error {
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return errNoAnswer
	}
	for {
		switch e := err.(type) {
		case *net.OpError:
			err = e.Err
		case *os.SyscallError:
			err = e.Err
		default:
			return err
		}
	}
}

// session is one connection of a lease. After the handshake one goroutine
// reads; any number may call.
type session struct {
	conn net.Conn
	wire *wire.Conn
	gone chan struct{} // closed when the reader has ended

	mu      sync.Mutex
	next    uint64
	pending map[uint64]chan *wire.Response // answers waited for, buffered
}

// newSession upgrades a fresh connection, which it closes on failure.
func newSession(ctx context.Context, conn net.Conn) (*session, error) {
	s := &session{conn: conn, gone: make(chan struct{}), next: 1, pending: map[uint64]chan *wire.Response{}}
	err := s.within(ctx, func() (err error) {
		s.wire, err = upgrade(conn)
		return err
	})
	if err != nil {
		conn.Close()
		if r, ok := err.(*refusal); ok && r.status != 503 { // 503: it is just going
			return nil, err
		}
		return nil, &brokenError{err}
	}
	return s, nil
}

// within does I/O before the reader runs, for handshakeTime or until ctx ends.
func (s *session) within(ctx context.Context, do func() error) error {
	_ = s.conn.SetDeadline(time.Now().Add(handshakeTime))
	stop := context.AfterFunc(ctx, func() { _ = s.conn.SetDeadline(time.Unix(1, 0)) })
	err := do()
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	_ = s.conn.SetDeadline(time.Time{})
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return context.Cause(ctx) // which ended the wait
	}
	return plain(err)
}

// handshake sends the first request and reads its answer.
func (s *session) handshake(ctx context.Context, req wire.Request) (*wire.Response, error) {
	var resp wire.Response
	err := s.within(ctx, func() error {
		if err := s.wire.Write(req); err != nil {
			return err
		}
		return s.wire.Read(&resp)
	})
	if err != nil {
		return nil, &brokenError{err}
	}
	if resp.Error != nil {
		return nil, resp.Error
	}
	return &resp, nil
}

// read hands answers to those who wait for them, until the connection ends.
func (s *session) read() error {
	defer close(s.gone)
	defer s.conn.Close()
	for {
		resp := new(wire.Response)
		if err := s.wire.Read(resp); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF // the leader has no reason to end it
			}
			return err
		}
		s.mu.Lock()
		answer := s.pending[resp.ID]
		delete(s.pending, resp.ID)
		s.mu.Unlock()
		if answer != nil {
			answer <- resp // an answer that nobody waits for any more is dropped
		}
	}
}

// call sends a request and waits for its answer. When none comes in time the
// connection is dropped: the leader may be stopped, and to continue with
// another connection is as good as with this one.
func (s *session) call(ctx context.Context, req wire.Request) (*wire.Response, error) {
	answer := make(chan *wire.Response, 1)
	s.mu.Lock()
	req.ID = s.next
	s.next++
	s.pending[req.ID] = answer
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.pending, req.ID)
		s.mu.Unlock()
	}()

	_ = s.conn.SetWriteDeadline(time.Now().Add(answerTime))
	if err := s.wire.Write(req); err != nil {
		s.drop()
		return nil, &brokenError{plain(err)}
	}
	limit := time.NewTimer(answerTime)
	defer limit.Stop()
	select {
	case resp := <-answer:
		return resp, nil
	case <-s.gone:
		return nil, &brokenError{net.ErrClosed}
	case <-limit.C:
		s.drop()
		return nil, &brokenError{errNoAnswer}
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// drop ends the connection; its reader notices.
func (s *session) drop() { s.conn.Close() }
