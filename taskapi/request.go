package taskapi

import (
	"bytes"
	"encoding/binary"
	"strconv"
)

// Bounds of what the relay takes on; what goes beyond is net/http's.
const (
	maxHead = 64 << 10 // of a request's or an answer's head
	maxBody = 64 << 10 // of a request's body; Nomad's own bound on a variable
)

var (
	crlf    = []byte("\r\n")
	headEnd = []byte("\r\n\r\n")
	version = []byte(" HTTP/1.1")
)

// request is what the relay understands of a request. It refers to the bytes
// that were parsed.
type request struct {
	method      string
	target      []byte
	nomad, auth []byte // values of the two headers that may hold a token
	credentials bool   // one of the two was there
	length      int    // of the body
	closing     bool   // the client wants no further request
}

// parse understands a request in a grammar that is tiny on purpose: whatever is
// unusual, ambiguous or needs thought is refused, and net/http gets to read the
// same bytes. It is not refused as wrong.
//
// Understood is: HTTP/1.1 with lines that end in CRLF; GET, HEAD, PUT, POST,
// DELETE or PATCH; a target that starts with a slash and is made of characters
// that need no escape; header names that are tokens, followed by a colon; values
// of visible ASCII, spaces and tabs; exactly one Host; at most one
// Content-Length, up to maxBody; at most one Connection, keep-alive or close; at
// most one of each header that may hold a token. No Transfer-Encoding and no
// other header that is about the connection, the framing or a proxy.
//
// What was understood is appended to out, written afresh, as the head to send
// upstream: with the given host, without Connection, and without the empty line
// that ends it. Nothing else reaches the upstream, so there is nothing that the
// two could read differently. head ends with its empty line.
func (q *request) parse(head, out []byte, host string) (_ []byte, ok bool) {
	*q = request{}
	line, rest, ok := cutLine(head)
	if !ok || !q.parseLine(line) {
		return out, false
	}
	out = append(append(out, line...), "\r\nHost: "...)
	out = append(append(out, host...), crlf...)
	var seen fieldSet
	for {
		if line, rest, ok = cutLine(rest); !ok {
			return out, false
		}
		if len(line) == 0 {
			break
		}
		name, value, ok := cutField(line)
		if !ok || !plainText(value) {
			return out, false
		}
		switch f := fieldOf(name); {
		case f == otherField:
		case f >= codingField || seen.has(f):
			return out, false
		default:
			seen.add(f)
			if !q.note(f, value) {
				return out, false
			}
			if f == hostField || f == connectionField || f == lengthField {
				continue
			}
		}
		out = appendField(out, name, value)
	}
	if !seen.has(hostField) || len(rest) > 0 {
		return out, false
	}
	if q.length > 0 || q.method[0] == 'P' { // as net/http does: these have a body, if an empty one
		out = append(out, "Content-Length: "...)
		out = append(strconv.AppendInt(out, int64(q.length), 10), crlf...)
	}
	return out, true
}

func (q *request) parseLine(line []byte) bool {
	line, ok := bytes.CutSuffix(line, version)
	if !ok {
		return false
	}
	method, target, ok := bytes.Cut(line, []byte(" "))
	if !ok || !plainTarget(target) {
		return false
	}
	q.target = target
	for _, known := range [...]string{"GET", "PUT", "POST", "DELETE", "HEAD", "PATCH"} {
		if string(method) == known {
			q.method = known
			return true
		}
	}
	return false
}

// note takes in the value of a field that means something here.
func (q *request) note(f field, value []byte) bool {
	switch f {
	case hostField:
		return allOf(hostChar, value)
	case connectionField:
		q.closing = bytes.EqualFold(value, []byte("close"))
		return q.closing || bytes.EqualFold(value, []byte("keep-alive"))
	case lengthField:
		n, ok := parseLength(value)
		q.length = int(n)
		return ok && n <= maxBody
	case nomadTokenField:
		q.nomad, q.credentials = value, true
	case authorizationField:
		q.auth, q.credentials = value, true
	}
	return true
}

// repeatable says that sending the request again changes nothing.
func (q *request) repeatable() bool {
	return (q.method == "GET" || q.method == "HEAD") && q.length == 0
}

// forget lets go of the bytes that were parsed.
func (q *request) forget() { q.target, q.nomad, q.auth = nil, nil, nil }

// query is the raw query of the target.
func (q *request) query() []byte {
	_, query, _ := bytes.Cut(q.target, []byte("?"))
	return query
}

// plainText reports whether b is visible ASCII, spaces and tabs. A token is most
// of a request, so it looks at eight bytes at a time.
func plainText(b []byte) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; len(b) >= 8; b = b[8:] {
		x := binary.LittleEndian.Uint64(b)
		// A top bit: a byte under 0x20 in the first term, 0x7f in the second, any
		// from 0x80 on in the third. Borrows and carries come from such bytes only.
		if ((x-0x20*ones)|(x+ones)|x)&tops != 0 && !plainBytes(b[:8]) {
			return false
		}
	}
	return plainBytes(b)
}

func plainBytes(b []byte) bool {
	for _, c := range b {
		if (c < 0x20 && c != '\t') || c >= 0x7f {
			return false
		}
	}
	return true
}

// plainTarget reports whether b is a path, and maybe a query, that any two
// parsers read in the same way and none has reason to escape again.
func plainTarget(b []byte) bool {
	if len(b) == 0 || b[0] != '/' {
		return false
	}
	class := pathChar
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c >= 0x80:
			return false
		case charClass[c]&class != 0:
		case c == '%' && i+2 < len(b) && isHex(b[i+1]) && isHex(b[i+2]):
			i += 2
		case c == '?' && class == pathChar:
			class = queryChar
		default:
			return false
		}
	}
	return true
}
