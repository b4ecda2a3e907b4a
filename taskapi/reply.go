package taskapi

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// maxInterim bounds the heads that may come before an answer's own.
const maxInterim = 16

// readAnswer reads the head of the answer and hands interim ones on.
func (c *relayed) readAnswer(u *upstream) error {
	for range maxInterim {
		for {
			whole, err := c.a.parse(u.bytes(), c.q.method == "HEAD")
			if err != nil {
				return err
			}
			if whole {
				break
			}
			if err := c.more(u); err != nil {
				return err
			}
		}
		if !c.a.interim() {
			return nil
		}
		if !c.writeHead(u.bytes()[:c.a.size]) {
			return errGone
		}
		u.skip(c.a.size)
	}
	return fmt.Errorf("%w: it has more than %d interim heads", errMalformed, maxInterim)
}

// answer hands on the answer whose head was read. Once it has begun, the client
// can learn of a failure only by the end of its connection.
func (c *relayed) answer(u *upstream) verdict {
	c.bound = time.Time{}
	body := bodySpan{frame: c.a.frame, left: c.a.length}
	b := u.bytes()
	n, err := body.next(b[c.a.size:])
	if err != nil {
		c.done(u, false)
		return c.refuse(c.relay.explain(c.q.method, err))
	}
	ok := c.writeHead(b[:c.a.size+n])
	u.skip(c.a.size + n)
	for ok && !body.done {
		c.now = time.Now()
		if err := c.more(u); err != nil {
			break // the end of a body that has no other, too
		}
		if n, err = body.next(u.bytes()); err != nil {
			break
		}
		ok = c.write(u.bytes()[:n])
		u.skip(n)
	}
	c.done(u, ok && body.done && c.a.reuse)
	if !ok || !body.done || c.q.closing {
		return hangUp
	}
	return goOn
}

// writeHead sends b, which begins with the answer's head and may go on with its
// body, in one piece. As it came, if the head can stay as it is.
func (c *relayed) writeHead(b []byte) bool {
	closing := c.q.closing || c.a.frame == untilClosed
	if c.a.verbatim && (!closing || c.a.interim()) {
		return c.write(b)
	}
	buf := lend(largeBuffer)
	defer giveBack(buf)
	out := c.a.appendHead(buf[:0], b[:c.a.size], closing)
	return c.write(append(out, b[c.a.size:]...))
}

func (c *relayed) write(b []byte) bool {
	_, err := c.in.conn.Write(b)
	return err == nil
}

// refuse answers as the function refuse does.
func (c *relayed) refuse(status int, text string) verdict {
	buf := lend(smallBuffer)
	defer giveBack(buf)
	out := append(buf[:0], "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(status), 10)
	out = append(append(out, ' '), http.StatusText(status)...)
	out = append(out, "\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nDate: "...)
	out = time.Now().UTC().AppendFormat(out, http.TimeFormat)
	out = append(out, "\r\nContent-Length: "...)
	out = strconv.AppendInt(out, int64(len(text)), 10)
	if c.q.closing {
		out = append(out, "\r\nConnection: close"...)
	}
	out = append(out, headEnd...)
	if c.q.method != "HEAD" {
		out = append(out, text...)
	}
	if !c.write(out) || c.q.closing {
		return hangUp
	}
	return goOn
}

// bodySpan tells which bytes of a stream belong to an answer's body.
type bodySpan struct {
	frame  framing
	left   int64
	chunks chunks
	done   bool
}

// next returns how many of the bytes in b do.
func (s *bodySpan) next(b []byte) (n int, err error) {
	switch s.frame {
	case counted:
		n = int(min(s.left, int64(len(b))))
		s.left -= int64(n)
	case chunked:
		n, err = s.chunks.scan(b)
	case untilClosed:
		n = len(b)
	}
	s.done = s.frame == noBody || s.frame == counted && s.left == 0 || s.chunks.done
	return n, err
}
