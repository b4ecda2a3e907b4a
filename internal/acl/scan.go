package acl

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Error is a mistake in the text of a policy.
type Error struct {
	Line, Column int // counted from 1; columns in characters
	Message      string
}

// Error names the place and the mistake.
func (e *Error) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// place is where something stands in the text of a policy.
type place struct{ line, column int }

func (p place) errorf(format string, args ...any) *Error {
	return &Error{Line: p.line, Column: p.column, Message: fmt.Sprintf(format, args...)}
}

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenString
	tokenNumber
	tokenPunct // one of { } [ ] = : ,
)

type token struct {
	kind  tokenKind
	text  string // the unquoted value of a tokenString
	place place
}

// describe is the token as an error shows it.
func (t token) describe() string {
	switch t.kind {
	case tokenEnd:
		return "the end of the policy"
	case tokenString:
		return strconv.Quote(t.text)
	default:
		return t.text
	}
}

func (t token) is(punct string) bool { return t.kind == tokenPunct && t.text == punct }

// scanner cuts a policy into tokens. It reads the first version of HCL, in
// which Nomad's policies are written: unlike its successor that one allows
// nested blocks and several attributes on a line, commas between them, and
// leaves "${" alone. JSON is near enough to it to be read by the same scanner.
type scanner struct {
	src  string
	pos  int
	here place
	json bool
}

func newScanner(src string) (*scanner, *Error) {
	src = strings.TrimPrefix(src, "\ufeff")
	s := &scanner{src: src, here: place{1, 1}}
	for i, r := range src {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(src[i:]); size == 1 {
				return nil, placeOf(src, i).errorf("not UTF-8 text")
			}
		}
		if r == 0 {
			return nil, placeOf(src, i).errorf("a NUL byte")
		}
	}
	s.json = strings.HasPrefix(strings.TrimSpace(src), "{")
	return s, nil
}

func placeOf(src string, offset int) place {
	before := src[:offset]
	start := strings.LastIndexByte(before, '\n') + 1
	return place{1 + strings.Count(before, "\n"), 1 + utf8.RuneCountInString(before[start:])}
}

// peek returns the next character, or -1 at the end.
func (s *scanner) peek() rune {
	if s.pos >= len(s.src) {
		return -1
	}
	r, _ := utf8.DecodeRuneInString(s.src[s.pos:])
	return r
}

func (s *scanner) advance() rune {
	r, size := utf8.DecodeRuneInString(s.src[s.pos:])
	s.pos += size
	if r == '\n' {
		s.here.line++
		s.here.column = 1
	} else {
		s.here.column++
	}
	return r
}

// skip passes over white space and comments.
func (s *scanner) skip() *Error {
	for {
		rest := s.src[s.pos:]
		switch r := s.peek(); {
		case r == ' ' || r == '\t' || r == '\r' || r == '\n':
			s.advance()
		case r == '#' || strings.HasPrefix(rest, "//"):
			for s.peek() != '\n' && s.peek() != -1 {
				s.advance()
			}
		case strings.HasPrefix(rest, "/*"):
			start := s.here
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				return start.errorf("a comment that does not end")
			}
			for target := s.pos + 2 + end + 2; s.pos < target; {
				s.advance()
			}
		default:
			return nil
		}
	}
}

func (s *scanner) next() (token, *Error) {
	if err := s.skip(); err != nil {
		return token{}, err
	}
	start, from := s.here, s.pos
	switch r := s.peek(); {
	case r == -1:
		return token{tokenEnd, "", start}, nil
	case strings.ContainsRune("{}[]=:,", r):
		s.advance()
		return token{tokenPunct, string(r), start}, nil
	case r == '"':
		text, err := s.quoted()
		return token{tokenString, text, start}, err
	case unicode.IsLetter(r) || r == '_':
		for r := s.peek(); unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' || r == '-' || r == '.'; r = s.peek() {
			s.advance()
		}
		return token{tokenWord, s.src[from:s.pos], start}, nil
	case r == '-' || r >= '0' && r <= '9':
		s.advance()
		for r := s.peek(); unicode.IsLetter(r) || unicode.IsDigit(r) || r == '.' || r == '+' || r == '-'; r = s.peek() {
			s.advance()
		}
		return token{tokenNumber, s.src[from:s.pos], start}, nil
	case strings.HasPrefix(s.src[s.pos:], "<<"):
		return token{}, start.errorf("here-documents have no use in a policy; write the value in quotes")
	default:
		return token{}, start.errorf("unexpected character %q", r)
	}
}

// quoted reads a string in double quotes. "${…}" means nothing in a policy and
// stands for itself, quotes inside its braces too.
func (s *scanner) quoted() (string, *Error) {
	start := s.here
	s.advance()
	var b strings.Builder
	braces := 0
	for {
		at := s.here
		switch r := s.peek(); {
		case r == -1 || r == '\n' && braces == 0:
			return "", start.errorf("a string that does not end on its line")
		case r == '"' && braces == 0:
			s.advance()
			return b.String(), nil
		case r == '\\' && braces == 0:
			s.advance()
			if err := s.escape(&b, at); err != nil {
				return "", err
			}
		case !s.json && braces == 0 && strings.HasPrefix(s.src[s.pos:], "${"):
			b.WriteRune(s.advance())
			b.WriteRune(s.advance())
			braces = 1
		default:
			if braces > 0 && r == '{' {
				braces++
			}
			if braces > 0 && r == '}' {
				braces--
			}
			b.WriteRune(s.advance())
		}
	}
}

// escape reads what follows a backslash.
func (s *scanner) escape(b *strings.Builder, at place) *Error {
	digits := 0
	switch r := s.peek(); r {
	case 'n':
		b.WriteByte('\n')
	case 't':
		b.WriteByte('\t')
	case 'r':
		b.WriteByte('\r')
	case '"', '\\', '/':
		b.WriteRune(r)
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	default:
		return at.errorf("unknown escape in a string; use \\\\ for a backslash")
	}
	s.advance()
	if digits == 0 {
		return nil
	}
	if len(s.src)-s.pos < digits {
		return at.errorf("\\u in a string needs %d hexadecimal digits", digits)
	}
	n, err := strconv.ParseUint(s.src[s.pos:s.pos+digits], 16, 32)
	if err != nil || !utf8.ValidRune(rune(n)) || n == 0 {
		return at.errorf("\\u in a string needs %d hexadecimal digits of a character", digits)
	}
	for range digits {
		s.advance()
	}
	b.WriteRune(rune(n))
	return nil
}
