package renew

import (
	"context"
	"errors"

	"github.com/taskagent/taskagent/identity"
)

// Source hands out tokens.
type Source interface {
	// Fetch returns a fresh token for each of the identities, in one go. It may
	// return some of them together with an error about the others. An error made
	// by Permanent says that trying again is of no use. Fetch must come back soon
	// after ctx is done. A Renewer makes one call at a time.
	Fetch(ctx context.Context, names []string) (map[string]identity.Token, error)
}

// Notifier is a Source whose tokens are renewed by somebody else. A Renewer does
// not ask it for new ones on a schedule of its own but when it is told, and once
// a token expired.
type Notifier interface {
	Source
	// Notify calls changed, from any goroutine, whenever a token may have become
	// another. It blocks until ctx is done.
	Notify(ctx context.Context, changed func()) error
}

// PermanentError says that a source will not hand out tokens again: the task is
// lost, its allocation ended, the identity is not there.
type PermanentError struct{ Err error }

// Permanent marks err as a PermanentError. A nil err stays nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &PermanentError{err}
}

// Error returns the text of the cause alone.
func (e *PermanentError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *PermanentError) Unwrap() error { return e.Err }

// IsPermanent reports whether err is, or wraps, a PermanentError.
func IsPermanent(err error) bool {
	_, ok := errors.AsType[*PermanentError](err)
	return ok
}
