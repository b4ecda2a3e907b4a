package taskapi

import (
	"bytes"
	"errors"
	"fmt"
)

// errMalformed is what an answer that cannot be understood fails with. It is not
// asked for again: the upstream has done what the request said.
var errMalformed = errors.New("malformed answer")

// framing is how the end of an answer's body is told.
type framing uint8

const (
	noBody framing = iota
	counted
	chunked
	untilClosed
)

// answer is what the relay understands of the head of an answer.
type answer struct {
	status   int
	size     int // of the head
	frame    framing
	length   int64 // of a counted body
	reuse    bool  // the upstream's connection can take another request
	verbatim bool  // the head can go to the client as it is
}

// interim says that another head follows.
func (a *answer) interim() bool { return a.status < 200 }

// parse understands the head at the start of b, which answers a HEAD request or
// another. It reports false when b does not hold all of it yet. What could be
// read in two ways is an error.
func (a *answer) parse(b []byte, toHead bool) (whole bool, err error) {
	i := bytes.Index(b, headEnd)
	if i < 0 && len(b) >= maxHead || i+len(headEnd) > maxHead {
		return false, fmt.Errorf("%w: its head has more than %d bytes", errMalformed, maxHead)
	}
	if i < 0 {
		return false, nil
	}
	*a = answer{size: i + len(headEnd), reuse: true, verbatim: true}
	line, rest, ok := cutLine(b[:a.size])
	old, ok2 := a.parseStatus(line)
	if !ok || !ok2 {
		return false, fmt.Errorf("%w: it begins with no status line", errMalformed)
	}
	var seen fieldSet
	for {
		if line, rest, ok = cutLine(rest); ok && len(line) == 0 {
			break
		}
		name, value, ok2 := cutField(line)
		if !ok || !ok2 || !answerText(value) {
			return false, fmt.Errorf("%w: one of its header lines is none", errMalformed)
		}
		f := fieldOf(name)
		if !a.note(f, value) || seen.has(f) && (f == lengthField || f == codingField) {
			return false, fmt.Errorf("%w: its header %s", errMalformed, name)
		}
		seen.add(f)
	}
	if seen.has(codingField) && (old || seen.has(lengthField)) {
		return false, fmt.Errorf("%w: a transfer coding beside a length or in HTTP/1.0", errMalformed)
	}
	if a.status == 101 {
		return false, fmt.Errorf("%w: it switches protocols, which nobody asked for", errMalformed)
	}
	a.decide(seen, toHead)
	if old {
		a.reuse, a.verbatim = false, false
	}
	return true, nil
}

func (a *answer) parseStatus(line []byte) (old, ok bool) {
	line, ok = bytes.CutPrefix(line, []byte("HTTP/1."))
	if !ok || len(line) < len("1 200") || line[1] != ' ' || line[0] != '1' && line[0] != '0' {
		return false, false
	}
	n, ok := parseLength(line[2:5])
	a.status = int(n)
	reason := line[5:]
	return line[0] == '0', ok && n >= 100 && (len(reason) == 0 || reason[0] == ' ') && answerText(reason)
}

func (a *answer) note(f field, value []byte) bool {
	switch f {
	case lengthField:
		n, ok := parseLength(value)
		a.length = n
		return ok
	case codingField:
		return bytes.EqualFold(value, []byte("chunked"))
	case connectionField:
		a.verbatim = false
		a.reuse = a.reuse && !listed(value, []byte("close"))
	case hopField:
		a.verbatim = false
	}
	return true
}

// decide settles how the body ends.
func (a *answer) decide(seen fieldSet, toHead bool) {
	switch {
	case toHead || a.status == 304: // may say how long the body would be
	case a.interim() || a.status == 204:
		a.verbatim = a.verbatim && !seen.has(lengthField)
	case seen.has(codingField):
		a.frame = chunked
	case seen.has(lengthField):
		a.frame = counted
	default:
		a.frame, a.reuse = untilClosed, false
	}
	if a.frame != chunked && (seen.has(codingField) || seen.has(trailerField)) {
		a.verbatim = false // it says how something would be sent that is not
	}
}

// appendHead appends the head to out as the client is to get it: in HTTP/1.1,
// without what concerns the connection to the upstream or would say something
// wrong about the body, and with Connection: close when closing.
func (a *answer) appendHead(out, head []byte, closing bool) []byte {
	line, rest, _ := cutLine(head)
	out = append(append(out, "HTTP/1.1"...), line[len("HTTP/1.1"):]...)
	out = append(out, crlf...)
	for {
		line, rest, _ = cutLine(rest)
		if len(line) == 0 {
			break
		}
		name, value, _ := cutField(line)
		switch fieldOf(name) {
		case lengthField:
			if a.interim() || a.status == 204 {
				continue
			}
		case codingField, trailerField:
			if a.frame != chunked {
				continue
			}
		case connectionField, hopField:
			continue
		default:
			if nominated(head, name) {
				continue
			}
		}
		out = appendField(out, name, value)
	}
	if closing && !a.interim() {
		out = append(out, "Connection: close\r\n"...)
	}
	return append(out, crlf...)
}

// nominated reports whether a Connection header says that the header called name
// is meant for the next hop only.
func nominated(head, name []byte) bool {
	_, rest, _ := cutLine(head)
	for {
		var line []byte
		line, rest, _ = cutLine(rest)
		if len(line) == 0 {
			return false
		}
		n, value, _ := cutField(line)
		if fieldOf(n) == connectionField && listed(value, name) {
			return true
		}
	}
}

// listed reports whether word is in a comma-separated list, in any case.
func listed(list, word []byte) bool {
	for w := range bytes.SplitSeq(list, []byte(",")) {
		if bytes.EqualFold(trimBlanks(w), word) {
			return true
		}
	}
	return false
}

// answerText reports whether b may be a header's value: no control characters
// but tabs.
func answerText(b []byte) bool {
	if plainText(b) {
		return true
	}
	for _, c := range b {
		if c < 0x20 && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
