// Package fault gives errors the two things a command line needs beside their
// text: a hint at what to do next, and whether the command line alone was wrong.
//
// It prints the project's one voice: "taskagent: error: …", then "hint: …".
package fault

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// HintedError is an error with a next step for the user.
type HintedError struct {
	Err  error
	Hint string
}

func (e *HintedError) Error() string { return e.Err.Error() }
func (e *HintedError) Unwrap() error { return e.Err }

// Hint adds a next step to err. A nil err stays nil.
func Hint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &HintedError{err, hint}
}

// UsageError is a mistake that the command line alone shows.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Usage marks err as a mistake of the command line, with an optional hint.
func Usage(err error, hint string) error {
	if hint != "" {
		err = Hint(err, hint)
	}
	return &UsageError{err}
}

// ExitError asks for a certain exit status.
type ExitError struct {
	Err  error
	Code int
}

func (e *ExitError) Error() string { return e.Err.Error() }
func (e *ExitError) Unwrap() error { return e.Err }

// hinter is what other packages' errors implement to bring a hint along
// without importing this package.
type hinter interface{ Hint() string }

// Print writes err in one line, and a line for each hint in its chain.
func Print(w io.Writer, err error) {
	fmt.Fprintf(w, "taskagent: error: %s\n", oneLine(err.Error()))
	for e := err; e != nil; e = errors.Unwrap(e) {
		switch h := e.(type) {
		case *HintedError:
			fmt.Fprintf(w, "hint: %s\n", oneLine(h.Hint))
		case hinter:
			if hint := h.Hint(); hint != "" {
				fmt.Fprintf(w, "hint: %s\n", oneLine(hint))
			}
		}
	}
}

// HintOf returns the first hint in the chain of err, empty when there is none.
func HintOf(err error) string {
	for e := err; e != nil; e = errors.Unwrap(e) {
		switch h := e.(type) {
		case *HintedError:
			return h.Hint
		case hinter:
			if hint := h.Hint(); hint != "" {
				return hint
			}
		}
	}
	return ""
}

func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
