package taskapi

import "io"

// ParsedRequest is what the relay understood of a request's head.
type ParsedRequest struct {
	Out     string // what goes upstream, without the empty line
	Method  string
	Token   string
	Length  int
	Closing bool
}

// ParseRequest reads head the way the relay does.
func ParseRequest(head []byte, host string) (ParsedRequest, bool) {
	var q request
	out, ok := q.parse(head, nil, host)
	if !ok {
		return ParsedRequest{}, false
	}
	return ParsedRequest{
		Out: string(out), Method: q.method, Length: q.length, Closing: q.closing,
		Token: string(findToken(q.nomad, q.auth)),
	}, true
}

var parsed request

// ParsesRequest reads head into a buffer that is there already.
func ParsesRequest(head []byte) bool {
	buf := lend(smallBuffer)
	defer giveBack(buf)
	_, ok := parsed.parse(head, buf[:0], "up")
	return ok
}

// Unusual is the relay's test of the beginning of a head.
func Unusual(b []byte, seen int) bool { return unusual(b, seen) }

// ParsedAnswer is what the relay understood of an answer's head.
type ParsedAnswer struct {
	Status   int
	Size     int
	Framing  string
	Length   int64
	Reuse    bool
	Verbatim bool
	Head     string // as the client would get it
}

// ParseAnswer reads the head at the start of b the way the relay does.
func ParseAnswer(b []byte, toHead bool) (p ParsedAnswer, whole bool, err error) {
	var a answer
	if whole, err = a.parse(b, toHead); err != nil || !whole {
		return p, whole, err
	}
	p = ParsedAnswer{
		Status: a.status, Size: a.size, Length: a.length, Reuse: a.reuse, Verbatim: a.verbatim,
		Framing: [...]string{"none", "counted", "chunked", "until closed"}[a.frame],
		Head:    string(b[:a.size]),
	}
	if !a.verbatim {
		p.Head = string(a.appendHead(nil, b[:a.size], false))
	}
	return p, true, nil
}

// ChunkedEnd returns how many bytes of b are a whole chunked body, when b is
// looked at step bytes at a time.
func ChunkedEnd(b []byte, step int) (int, error) {
	var s chunks
	total := 0
	for total < len(b) {
		n, err := s.scan(b[total:min(len(b), total+step)])
		total += n
		if err != nil || s.done {
			return total, err
		}
	}
	return total, io.ErrUnexpectedEOF
}

// SetMaxConns lowers the bound of connections.
func (s *Server) SetMaxConns(n int) { s.conns.max = n }

// OpenConns is how many connections the server has.
func (s *Server) OpenConns() int {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	return len(s.conns.open)
}

// IdleConns is how many of them wait for a request.
func (s *Server) IdleConns() int {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	n := 0
	for c := range s.conns.open {
		if c.idle.Load() > 0 {
			n++
		}
	}
	return n
}

// IdleUpstreams is how many connections to the upstream wait for a request.
func (s *Server) IdleUpstreams() int {
	s.relay.upstreams.mu.Lock()
	defer s.relay.upstreams.mu.Unlock()
	return len(s.relay.upstreams.free)
}
