package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// MaxLine is the most bytes a message may take, its newline included.
const MaxLine = 1 << 20

// smallBuffer is what a connection holds on to while nothing is under way. A
// leader has one for every task, and most of their time they are idle.
const smallBuffer = 512

// Errors of Conn. After one of them the connection is of no more use.
var (
	ErrTooLong   = fmt.Errorf("message longer than %d bytes", MaxLine)
	ErrMalformed = errors.New("message is not the JSON that was expected")
)

// Conn sends and receives messages, one JSON object a line, over a byte stream
// that it does not close. One goroutine reads; any number may write. Deadlines
// are those of the stream.
type Conn struct {
	rw io.ReadWriter

	buf []byte // received bytes not yet returned; only the reader touches it

	wmu sync.Mutex // makes a message one piece
}

// NewConn returns a Conn over rw. received is what was read from the stream
// already, beyond the upgrade; Conn keeps the slice.
func NewConn(rw io.ReadWriter, received []byte) *Conn {
	return &Conn{rw: rw, buf: received}
}

// Read decodes the next message into v, a pointer to Request or Response. It
// returns io.EOF when the stream ended between messages, io.ErrUnexpectedEOF
// when within one. Members it does not know are left out, so that either side may
// be a newer version. Its errors quote nothing of the message.
func (c *Conn) Read(v any) error {
	line, err := c.line()
	if err != nil {
		return err
	}
	err = json.Unmarshal(line, v)
	c.consume(len(line))
	if err != nil {
		return ErrMalformed // the cause may quote a token
	}
	return nil
}

// line returns the next line with its newline; it stays at the start of buf.
func (c *Conn) line() ([]byte, error) {
	searched := 0
	for {
		if i := bytes.IndexByte(c.buf[searched:], '\n'); i >= 0 {
			if searched+i >= MaxLine {
				return nil, ErrTooLong
			}
			return c.buf[:searched+i+1], nil
		}
		searched = len(c.buf)
		if searched >= MaxLine {
			return nil, ErrTooLong
		}
		if cap(c.buf) == searched {
			c.buf = append(make([]byte, 0, max(smallBuffer, 2*searched)), c.buf...)
		}
		n, err := c.rw.Read(c.buf[searched:cap(c.buf)])
		c.buf = c.buf[:searched+n]
		if n > 0 {
			continue // an error comes again with the next Read
		}
		switch {
		case err == io.EOF && searched > 0:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		}
	}
}

// consume forgets the first n bytes, and a large buffer once it is empty.
func (c *Conn) consume(n int) {
	rest := c.buf[n:]
	if cap(c.buf) > 4*smallBuffer && len(rest) <= smallBuffer {
		c.buf = append(make([]byte, 0, smallBuffer), rest...)
		return
	}
	c.buf = c.buf[:copy(c.buf, rest)]
}

// Write sends v, a Request or Response, as one message. Nothing was sent when
// the error matches ErrTooLong.
func (c *Conn) Write(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	if len(data) >= MaxLine {
		return ErrTooLong
	}
	c.wmu.Lock()
	defer c.wmu.Unlock()
	_, err = c.rw.Write(append(data, '\n'))
	return err
}

// Validate reports whether the request asks for exactly one thing.
func (r *Request) Validate() error {
	n := 0
	for _, set := range []bool{r.Start != nil, r.Resume != nil, r.Sign != nil, r.Report != nil, r.End != nil} {
		if set {
			n++
		}
	}
	if n != 1 {
		return &Error{Code: CodeInvalid, Message: fmt.Sprintf("request %d asks for %d things, not 1", r.ID, n)}
	}
	return nil
}
