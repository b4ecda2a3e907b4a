package taskapi

import (
	"bufio"
	"bytes"
	"net/http"
)

// inject asks Config.Inject for the token of a request without credentials, which
// has the given head, and reports whether out got one.
func (c *relayed) inject(out, head []byte) (_ []byte, ok bool) {
	if c.relay.cfg.Inject == nil || c.q.credentials {
		return out, false
	}
	// What request.parse understands net/http reads in the same way.
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		return out, false
	}
	r.Body = http.NoBody
	r.RemoteAddr = c.in.conn.RemoteAddr().String()
	if c.ctx == nil {
		c.ctx = c.relay.ctx
		if c.relay.connContext != nil {
			c.ctx = c.relay.connContext(c.ctx, c.in.conn)
		}
	}
	token := c.relay.injected(r.WithContext(c.ctx))
	if token == "" {
		return out, false
	}
	return appendField(out, []byte(TokenHeader), []byte(token)), true
}
