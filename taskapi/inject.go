package taskapi

import (
	"bufio"
	"bytes"
	"net/http"
)

// admit applies the gate to the request with the given head. It reports whether
// the request may go on, with out completed by a token that was injected; ok is
// false when net/http is to have a look.
func (c *relayed) admit(out, head []byte) (_ []byte, admitted, ok bool) {
	if len(findToken(c.q.nomad, c.q.auth)) > 0 {
		return out, true, true
	}
	if c.q.credentials || c.relay.cfg.Inject == nil {
		return out, false, true
	}
	// What request.parse understands, net/http reads in the same way.
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		return out, false, false
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
		return out, false, true
	}
	return appendField(out, []byte(TokenHeader), []byte(token)), true, true
}
