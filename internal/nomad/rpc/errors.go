package rpc

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"unicode"
)

// Error says what came of asking each server, in the last round.
type Error struct {
	Method   string
	Attempts []Attempt
}

// Attempt is one server asked.
type Attempt struct {
	Server string
	Err    error
}

// Error names the method, the servers and their reasons.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "call %s", e.Method)
	for i, a := range e.Attempts {
		if _, ok := errors.AsType[*localError](a.Err); ok {
			return fmt.Sprintf("call %s: %v", e.Method, a.Err) // nothing to do with a server
		}
		fmt.Fprintf(&b, "%s server %s: %v", [...]string{":", ";"}[min(i, 1)], a.Server, a.Err)
	}
	return b.String()
}

// Unwrap returns the errors of all servers.
func (e *Error) Unwrap() []error {
	errs := make([]error, len(e.Attempts))
	for i, a := range e.Attempts {
		errs[i] = a.Err
	}
	return errs
}

// Hint returns a next step for the user, where the reasons suggest one.
func (e *Error) Hint() string {
	for _, a := range e.Attempts {
		if errors.Is(a.Err, ErrDenied) {
			return "the servers know no node with this secret; it changes when a Nomad client's data directory does"
		}
		if refusedTLS(a.Err) {
			return "the servers want a client certificate of their CA, and one for client.<region>.nomad where they verify names"
		}
		if _, ok := errors.AsType[*tls.CertificateVerificationError](a.Err); ok {
			return "the servers' certificate must be for server.<region>.nomad and of the CA that is given"
		}
		if errors.Is(a.Err, errHungUp) {
			return "a server closes a connection with TLS if it has none, and one without if it wants TLS: are CA and client certificate given as they should be?"
		}
	}
	return ""
}

// passing reports whether a server may answer better soon.
func (e *Error) passing() bool {
	for _, a := range e.Attempts {
		if passing(a.Err) {
			return true
		}
	}
	return false
}

func passing(err error) bool {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.passing()
	}
	_, local := errors.AsType[*localError](err)
	_, cert := errors.AsType[*tls.CertificateVerificationError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	return !local && !cert && !name && !refusedTLS(err)
}

// refusedTLS reports whether the other side ended TLS and said why.
func refusedTLS(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error"
}

// ErrDenied matches a Refusal for want of permission.
var ErrDenied = errors.New("permission denied")

// Refusal is what a server answered in place of a result.
type Refusal struct {
	Method string
	// Text is what the server said, shortened and in one line.
	Text string
}

// Error returns the server's text.
func (r *Refusal) Error() string { return r.Text }

// Is makes a refusal for want of permission match ErrDenied.
func (r *Refusal) Is(target error) bool {
	return target == ErrDenied && strings.HasSuffix(r.Text, "Permission denied")
}

// passing knows the refusals that end with an election, a start or a partition.
// What one server reports of another begins with "rpc error"; such an error of
// the connection between them is no refusal by anybody.
func (r *Refusal) passing() bool {
	for _, s := range []string{
		"No cluster leader", "Not ready to serve consistent reads", "No path to region", "leadership",
		"keyring has not been initialized", "EOF", "connection", "i/o timeout", "session shutdown", "rpc error getting client",
	} {
		if strings.Contains(r.Text, s) {
			return true
		}
	}
	return false
}

// localError is a failure that has nothing to do with any server.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

var errSlowConnect = errors.New("connect: it takes too long")

// maxRefusal is how much of a server's refusal is kept, in bytes.
const maxRefusal = 512

// plain makes one printable line of what a server said, without the token.
func plain(text string, token []byte) string {
	b := []byte(text)
	if len(token) > 0 {
		b = bytes.ReplaceAll(b, token, []byte("(token)"))
	}
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, string(b))
	text = strings.TrimSpace(text)
	for {
		rest, ok := strings.CutPrefix(text, "rpc error: ")
		if !ok || rest == "" {
			return text
		}
		text = rest
	}
}

// readable says what happened in place of what a system call reports. A server
// that closes a connection with something of ours unread resets it.
func readable(err error) error {
	switch op, ok := errors.AsType[*net.OpError](err); {
	case refusedTLS(err):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errSlow
	case err == io.EOF, errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return errHungUp
	case err == io.ErrUnexpectedEOF:
		return errTorn
	case ok:
		return op.Err
	}
	return err
}

var (
	errSlow   = errors.New("it takes too long")
	errHungUp = errors.New("the server closed the connection without a word")
	errTorn   = errors.New("the connection ended in the middle of it")
)
