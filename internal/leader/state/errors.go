package state

import (
	"errors"
	"fmt"
)

// Refusals to open or to trust a file; they arrive wrapped in an *Error.
var (
	ErrDamaged = errors.New("is damaged")
	ErrForeign = errors.New("is not a file of taskagent's store")
	ErrNewer   = errors.New("was written by a newer version of taskagent")
	ErrLocked  = errors.New("is held open by another process")
	ErrMissing = errors.New("is missing")
)

// Refusals of a write.
var (
	ErrClosed      = errors.New("the store is closed")
	ErrTaskRunning = errors.New("the task is already running in this allocation")
	ErrTaskUnknown = errors.New("no such task is running")
	ErrOtherJob    = errors.New("the allocation belongs to another job or group")
	ErrNotFound    = errors.New("not found")
	ErrNoLock      = errors.New("the variable holds no lock")
	ErrWrongLock   = errors.New("the variable is locked by another")
	ErrDefault     = errors.New("the default namespace cannot be deleted")
)

// Error is a refusal of one of the store's files.
type Error struct {
	Path string
	Err  error
	// Detail is what was found; may be empty.
	Detail string
	// Advice is the next step for the user; may be empty.
	Advice string
}

// Error names the file and what is wrong with it.
func (e *Error) Error() string {
	if e.Detail == "" {
		return fmt.Sprintf("%s %v", e.Path, e.Err)
	}
	return fmt.Sprintf("%s %v: %s", e.Path, e.Err, e.Detail)
}

// Unwrap returns what kind of refusal this is.
func (e *Error) Unwrap() error { return e.Err }

// Hint returns the next step for the user.
func (e *Error) Hint() string { return e.Advice }

// ConflictError says that a variable is not as the writer expected it.
type ConflictError struct {
	// Current is the variable as it is. Where it is missing, or locked by another,
	// only its namespace and path are set.
	Current Variable
	// Unlocking is set when the refused write was to release a lock.
	Unlocking bool
}

// Error names the variable.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("variable %q in namespace %q is not as expected", e.Current.Path, e.Current.Namespace)
}

// InUseError says that a namespace cannot be deleted because of what it holds.
type InUseError struct {
	Namespace        string
	Tasks, Variables bool
}

// Error names the namespace and what it holds.
func (e *InUseError) Error() string {
	what := "tasks and variables"
	switch {
	case !e.Variables:
		what = "running tasks"
	case !e.Tasks:
		what = "variables"
	}
	return fmt.Sprintf("namespace %q has %s", e.Namespace, what)
}
