package taskapi

import "bytes"

// field is a header that the relay treats in a way of its own.
type field uint8

const (
	otherField field = iota
	hostField
	lengthField
	connectionField
	nomadTokenField
	authorizationField
	// What follows sends a request to net/http.
	codingField  // Transfer-Encoding
	trailerField // Trailer
	hopField     // meant for the next hop only
	proxyField   // a client's word on a proxy before us, or a question to the next hop
)

// fieldOf tells them by name, in any case. Together they are the ones that
// httputil.ReverseProxy takes out of a request, and those with a meaning here.
func fieldOf(name []byte) field {
	switch len(name) {
	case 2:
		return named(name, "te", hopField)
	case 4:
		return named(name, "host", hostField)
	case 6:
		return named(name, "expect", proxyField)
	case 7:
		return named(name, "upgrade", hopField) + named(name, "trailer", trailerField)
	case 9:
		return named(name, "forwarded", proxyField)
	case 10:
		return named(name, "connection", connectionField) + named(name, "keep-alive", hopField)
	case 13:
		return named(name, "x-nomad-token", nomadTokenField) + named(name, "authorization", authorizationField)
	case 14:
		return named(name, "content-length", lengthField) + named(name, "http2-settings", hopField)
	case 15:
		return named(name, "x-forwarded-for", proxyField)
	case 16:
		return named(name, "proxy-connection", hopField) + named(name, "x-forwarded-host", proxyField)
	case 17:
		return named(name, "transfer-encoding", codingField) + named(name, "x-forwarded-proto", proxyField)
	case 18:
		return named(name, "proxy-authenticate", hopField)
	case 19:
		return named(name, "proxy-authorization", hopField)
	}
	return otherField
}

// named is f if name is want, else otherField, which is zero.
func named(name []byte, want string, f field) field {
	if bytes.EqualFold(name, []byte(want)) {
		return f
	}
	return otherField
}

// fieldSet remembers which fields a head had.
type fieldSet uint16

func (s *fieldSet) add(f field)     { *s |= 1 << f }
func (s fieldSet) has(f field) bool { return s&(1<<f) != 0 }

// Classes of ASCII characters.
const (
	tokenChar byte = 1 << iota // of a header's name
	pathChar                   // of a path, in no need of an escape
	queryChar                  // of a query
	hostChar                   // of a Host
)

var charClass = classify()

func classify() (classes [0x80]byte) {
	const alnum = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	add := func(class byte, chars string) {
		for i := range len(chars) {
			classes[chars[i]] |= class
		}
	}
	add(tokenChar, alnum+"!#$%&'*+-.^_`|~")
	add(pathChar, alnum+"-._~!$&'()*+,;=:@/")
	add(queryChar, alnum+"-._~!$&'()*+,;=:@/?%\"<>[]\\^`{|}")
	add(hostChar, alnum+"-._:[]%")
	return classes
}

// allOf reports whether all of b is of the class.
func allOf(class byte, b []byte) bool {
	for _, c := range b {
		if c >= 0x80 || charClass[c]&class == 0 {
			return false
		}
	}
	return true
}

// cutLine returns the first line without its CRLF. A line that ends in a bare LF
// is none.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 1 || b[i-1] != '\r' {
		return nil, b, false
	}
	return b[:i-1], b[i+1:], true
}

// cutField returns a header line's name and value. It refuses an empty or folded
// line and a space before the colon. The value is not looked at.
func cutField(line []byte) (name, value []byte, ok bool) {
	i := bytes.IndexByte(line, ':')
	if i < 1 || !allOf(tokenChar, line[:i]) {
		return nil, nil, false
	}
	return line[:i], trimBlanks(line[i+1:]), true
}

func appendField(out, name, value []byte) []byte {
	out = append(append(out, name...), ": "...)
	return append(append(out, value...), crlf...)
}

func trimBlanks(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isBlank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// parseLength reads a number of bytes in the only form that can be read in one
// way: digits, without a leading zero.
func parseLength(value []byte) (n int64, ok bool) {
	if len(value) == 0 || len(value) > 18 || value[0] == '0' && len(value) > 1 {
		return 0, false
	}
	for _, c := range value {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, true
}
