//go:build unix

package taskapi

import (
	"io"
	"net"
	"os"
	"syscall"
)

// rawEnd reads a socket the way package net does, but takes a buffer only when
// there is something to read, and sends a request in one go with the check that
// the connection is still good.
type rawEnd struct {
	conn syscall.RawConn
	// Kept here because a method value made for each call would be garbage.
	onRead, onAsk func(fd uintptr) bool

	probe [1]byte
	check bool
	out   []byte // what ask has to send; nil: it was sent
	sent  int
	err   error
}

// init leaves alone what only embeds a socket: its Read may do more.
func (x *rawEnd) init(e *end) {
	var sys syscall.Conn
	switch c := e.conn.(type) {
	case *net.UnixConn:
		sys = c
	case *net.TCPConn:
		sys = c
	default:
		return
	}
	conn, err := sys.SyscallConn()
	if err != nil {
		return
	}
	x.conn = conn
	x.onRead, x.onAsk = e.readReady, e.askReady
}

func (x *rawEnd) usable() bool { return x.conn != nil }

func (x *rawEnd) fill(e *end) error {
	if err := x.conn.Read(x.onRead); err != nil {
		return err
	}
	return x.err
}

// readReady reads once. It reports false when there was nothing to read.
func (e *end) readReady(fd uintptr) bool {
	x := &e.raw
	lent := e.buf == nil
	if lent {
		e.buf = lend(e.size)
	}
	n, err := again(syscall.Read, int(fd), e.buf[e.w:])
	if n > 0 {
		e.w += n
		x.err = nil
		return true
	}
	if lent {
		e.drop()
	}
	switch err {
	case syscall.EAGAIN:
		return false
	case nil:
		x.err = io.EOF
	default:
		x.err = e.failed("read", err)
	}
	return true
}

// ask sends out and waits for the first bytes that come back. With check it
// sends nothing when the connection has ended or somebody spoke unasked since
// it was used last: that fails with sent 0. When err matches
// os.ErrDeadlineExceeded all was sent, and fill goes on waiting.
func (e *end) ask(out []byte, check bool) (sent int, err error) {
	x := &e.raw
	if !x.usable() {
		return e.askPlainly(out)
	}
	x.check, x.out, x.sent, x.err = check, out, 0, nil
	err = x.conn.Read(x.onAsk)
	x.out = nil
	if err == nil {
		err = x.err
	}
	if err == nil && x.sent < len(out) {
		sent, err = e.askPlainly(out[x.sent:])
	}
	return x.sent + sent, err
}

// askReady is called inside one wait for readability: the wait begins, then the
// check finds the socket empty, then the request goes out. So whatever arrives
// from here on wakes us, and nothing that came before is taken for the answer.
// Beginning to wait after sending would need one more read that finds nothing.
func (e *end) askReady(fd uintptr) bool {
	x := &e.raw
	if x.out == nil {
		return e.readReady(fd)
	}
	if x.check {
		switch n, err := again(syscall.Read, int(fd), x.probe[:]); {
		case n > 0:
			x.err = errSpokeUnasked
			return true
		case err == nil:
			x.err = io.EOF
			return true
		case err != syscall.EAGAIN:
			x.err = e.failed("read", err)
			return true
		}
	}
	n, err := again(syscall.Write, int(fd), x.out)
	x.sent = max(n, 0)
	if err != nil && err != syscall.EAGAIN {
		x.err = e.failed("write", err)
		return true
	}
	whole := x.sent == len(x.out)
	x.out = nil
	return !whole
}

func (e *end) failed(op string, err error) error {
	return &net.OpError{Op: op, Net: e.conn.RemoteAddr().Network(), Err: os.NewSyscallError(op, err)}
}

func again(f func(int, []byte) (int, error), fd int, b []byte) (int, error) {
	for {
		n, err := f(fd, b)
		if err != syscall.EINTR {
			return n, err
		}
	}
}
