package identity

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MaxTokenSize is the longest token that is looked at, in bytes.
const MaxTokenSize = 64 << 10

// Header is the part of a token's header that says how it was signed.
type Header struct {
	Algorithm string // alg
	KeyID     string // kid, empty when there is none
}

// ParseHeaderInsecure decodes the header of a token, for showing it or for
// choosing a key. It verifies nothing. Errors match ErrMalformed.
func ParseHeaderInsecure(raw string) (Header, error) {
	parts, err := splitToken(raw)
	if err != nil {
		return Header{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	h, err := parseHeader(parts[0])
	if err != nil {
		return Header{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return h, nil
}

// ParseInsecure decodes a token and its claims. It verifies neither signature
// nor times, so the claims are whatever somebody wrote: good for scheduling and
// display, never for granting anything. Errors match ErrMalformed.
func ParseInsecure(raw string) (Token, Claims, error) {
	t, c, err := parseInsecure(raw)
	if err != nil {
		return Token{}, Claims{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return t, c, nil
}

func parseInsecure(raw string) (Token, Claims, error) {
	parts, err := splitToken(raw)
	if err != nil {
		return Token{}, Claims{}, err
	}
	if _, err := parseHeader(parts[0]); err != nil {
		return Token{}, Claims{}, err
	}
	var c Claims
	if err := c.UnmarshalJSON(parts[1]); err != nil {
		return Token{}, Claims{}, fmt.Errorf("body: %w", err)
	}
	return newToken(raw, c), c, nil
}

// splitToken decodes the three parts of a token in compact form. Only the
// canonical encoding passes: go-jose and encoding/base64 let line breaks and
// stray last bits through, by which one token could be written in many ways.
func splitToken(raw string) (parts [3][]byte, err error) {
	switch {
	case raw == "":
		return parts, errors.New("it is empty")
	case len(raw) > MaxTokenSize:
		return parts, fmt.Errorf("it is longer than %d bytes", MaxTokenSize)
	case strings.Count(raw, ".") != 2:
		return parts, errors.New("it is not three parts separated by dots")
	}
	i := 0
	for part := range strings.SplitSeq(raw, ".") {
		if part == "" || strings.ContainsAny(part, "\r\n") {
			return parts, fmt.Errorf("part %d is empty or has a line break", i+1)
		}
		// The error of base64 quotes nothing of its input, yet says no more than this.
		if parts[i], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil {
			return parts, fmt.Errorf("part %d is not base64url", i+1)
		}
		i++
	}
	return parts, nil
}

func parseHeader(data []byte) (Header, error) {
	var h Header
	err := eachMember(data, func(key string, value json.RawMessage) (err error) {
		switch key {
		case "alg":
			h.Algorithm, err = readString(value)
		case "kid":
			h.KeyID, err = readString(value)
		case "crit":
			// An extension that must be understood to judge the token; none is.
			err = errors.New("is not supported")
		}
		if err != nil {
			return fmt.Errorf("%s %w", key, err)
		}
		return nil
	})
	if err == nil && h.Algorithm == "" {
		err = errors.New("it names no algorithm")
	}
	if err != nil {
		return Header{}, fmt.Errorf("header: %w", err)
	}
	return h, nil
}

// eachMember calls f with every member of a JSON object, names compared exactly:
// decoding into a struct would take "EXP" for "exp" and let a second "exp" win.
// It refuses what is not one object, and a name given twice.
func eachMember(data []byte, f func(key string, value json.RawMessage) error) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return errors.New("it is not a JSON object")
	}
	seen := make(map[string]bool)
	for dec.More() {
		tok, err := dec.Token()
		key, ok := tok.(string)
		if err != nil || !ok {
			return errors.New("it is not valid JSON")
		}
		if seen[key] {
			return fmt.Errorf("%q is there twice", key)
		}
		seen[key] = true
		var value json.RawMessage
		// Errors of the decoder could quote what they stumbled over.
		if dec.Decode(&value) != nil || len(value) == 0 {
			return errors.New("it is not valid JSON")
		}
		if err := f(key, value); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return errors.New("it is not valid JSON")
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows the JSON object")
	}
	return nil
}
