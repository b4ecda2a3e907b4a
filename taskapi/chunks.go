package taskapi

import "fmt"

// maxChunkLine bounds a chunk's size line with its extensions, and all trailers
// together. Nobody sends such; a proxy that reads them for ever would be at fault.
const maxChunkLine = 16 << 10

// chunks finds the end of a chunked body that is handed on as it is. It accepts
// only what every reader takes for the same: a size in hexadecimal, trailers that
// are headers, lines that end in CRLF.
type chunks struct {
	state  chunkState
	left   uint64 // of the chunk's data
	digits int    // of the chunk's size
	line   int    // bytes of lines since data was seen
	done   bool
}

type chunkState uint8

const (
	chunkSize chunkState = iota
	chunkExtension
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	trailerStart
	trailerName
	trailerValue
	trailerLF
	endLF
)

// scan returns how many bytes of b belong to the body; done says whether it has
// ended with them.
func (s *chunks) scan(b []byte) (n int, err error) {
	for n < len(b) && !s.done {
		if s.state == chunkData {
			k := min(s.left, uint64(len(b)-n))
			n += int(k)
			if s.left -= k; s.left == 0 {
				s.state = chunkDataCR
			}
			continue
		}
		if s.line++; s.line > maxChunkLine || !s.next(b[n]) {
			return n, fmt.Errorf("%w: its chunks", errMalformed)
		}
		n++
	}
	return n, nil
}

// next takes one byte outside of chunks' data.
func (s *chunks) next(c byte) bool {
	switch s.state {
	case chunkSize:
		return s.sizeByte(c)
	case chunkExtension:
		return s.until(c, chunkSizeLF)
	case chunkSizeLF:
		s.state, s.digits = chunkData, 0
		if s.left == 0 {
			s.state = trailerStart
		}
		return c == '\n'
	case chunkDataCR:
		s.state = chunkDataLF
		return c == '\r'
	case chunkDataLF:
		s.state, s.line = chunkSize, 0
		return c == '\n'
	case trailerStart:
		if c == '\r' {
			s.state = endLF
			return true
		}
		s.state = trailerName
		return isToken(c)
	case trailerName:
		if c == ':' {
			s.state = trailerValue
			return true
		}
		return isToken(c)
	case trailerValue:
		return s.until(c, trailerLF)
	case trailerLF:
		s.state = trailerStart
		return c == '\n'
	case endLF:
		s.done = true
		return c == '\n'
	}
	return false
}

func (s *chunks) sizeByte(c byte) bool {
	switch {
	case isHex(c):
		if s.digits++; s.digits > 15 {
			return false
		}
		s.left = s.left<<4 | uint64(hexValue(c))
		return true
	case s.digits == 0:
		return false
	case c == '\r':
		s.state = chunkSizeLF
		return true
	case c == ';':
		s.state = chunkExtension
		return true
	}
	return false
}

// until stays in a line until its CR, which leads to state then.
func (s *chunks) until(c byte, then chunkState) bool {
	if c == '\r' {
		s.state = then
		return true
	}
	return c >= 0x20 && c != 0x7f || c == '\t'
}

func isToken(c byte) bool { return c < 0x80 && charClass[c]&tokenChar != 0 }

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func hexValue(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
