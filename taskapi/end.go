package taskapi

import (
	"errors"
	"net"
	"time"
)

// maxHeld bounds what an end keeps of bytes that were read and not used: the
// largest head and the largest body that the relay takes as a whole.
const maxHeld = maxHead + maxBody

var errHeldTooMuch = errors.New("more bytes than are kept at once")

// end is one end of a connection and the bytes that were read from it and not
// used yet. It holds a buffer only while there are such bytes, where the system
// can tell that something has arrived before it is read (see rawEnd); so a
// connection that waits, for its client or in a blocking query, costs none.
//
// One goroutine at a time may use it. It must not be copied.
type end struct {
	conn net.Conn
	raw  rawEnd
	size int       // of a fresh buffer
	buf  []byte    // nil: none held
	r, w int       // buf[r:w] is there to be used
	due  time.Time // the read deadline in force; zero: none
}

func (e *end) init(conn net.Conn, size int) {
	e.conn, e.size = conn, size
	e.raw.init(e)
}

// bytes is what was read and not used, good until the next fill or skip.
func (e *end) bytes() []byte { return e.buf[e.r:e.w] }

// skip uses up n bytes.
func (e *end) skip(n int) {
	e.r += n
	if e.r == e.w {
		e.drop()
	}
}

func (e *end) drop() {
	if e.buf != nil {
		giveBack(e.buf)
		e.buf, e.r, e.w = nil, 0, 0
	}
}

// take returns a copy of what was read and forgets it.
func (e *end) take() []byte {
	b := append([]byte(nil), e.bytes()...)
	e.drop()
	return b
}

// fill waits for bytes and adds at least one to what is held. Its error is
// io.EOF at the end, and matches os.ErrDeadlineExceeded after the deadline.
func (e *end) fill() error {
	if e.buf != nil && e.w == len(e.buf) && !e.makeRoom() {
		return errHeldTooMuch
	}
	if e.raw.usable() {
		return e.raw.fill(e)
	}
	if e.buf == nil {
		e.buf = lend(e.size)
	}
	n, err := e.conn.Read(e.buf[e.w:])
	e.w += n
	if n > 0 {
		return nil // an error comes again
	}
	if e.r == e.w {
		e.drop()
	}
	return err
}

func (e *end) makeRoom() bool {
	if e.r > 0 {
		e.w = copy(e.buf, e.buf[e.r:e.w])
		e.r = 0
		return true
	}
	if len(e.buf) >= maxHeld {
		return false
	}
	bigger := make([]byte, min(4*len(e.buf), maxHeld))
	copy(bigger, e.buf)
	giveBack(e.buf)
	e.buf = bigger
	return true
}

// checksReuse says that ask finds out before it sends that a connection has ended.
func (e *end) checksReuse() bool { return e.raw.usable() }

// askPlainly sends out and waits for the first bytes that come back.
func (e *end) askPlainly(out []byte) (sent int, err error) {
	if sent, err = e.conn.Write(out); err == nil {
		err = e.fill()
	}
	return sent, err
}

// readBy sets the deadline of reads; zero: none.
func (e *end) readBy(t time.Time) {
	if e.due != t {
		e.due = t
		_ = e.conn.SetReadDeadline(t)
	}
}

// readWithin sees to a deadline between d and d+slack from now. Setting one costs
// the runtime more than reading the clock, so one that still fits stays.
func (e *end) readWithin(now time.Time, d, slack time.Duration) {
	if left := e.due.Sub(now); left < d || left > d+slack {
		e.readBy(now.Add(d + slack))
	}
}
