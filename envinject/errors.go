package envinject

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/taskagent/taskagent/platform"
)

var (
	// ErrNotStarted says that there is no task yet.
	ErrNotStarted = errors.New("the task was not started")
	// ErrEnded says that there is no task any more, or that it is being
	// stopped for good.
	ErrEnded = errors.New("the task has ended")
	// ErrNotFound is matched by a StartError for a command that is not there.
	ErrNotFound = errors.New("command not found")
	// ErrNotExecutable is matched by a StartError for a command that is there
	// and cannot be executed.
	ErrNotExecutable = errors.New("command not executable")
	// ErrRelativePath is matched by a StartError for a command that only a
	// relative entry of PATH leads to.
	ErrRelativePath = errors.New("found through a relative entry of PATH")
)

// The exit statuses that a shell, env, nohup and their like use for a command
// that could not be started.
const (
	codeFailed        = 125
	codeNotExecutable = 126
	codeNotFound      = 127
)

// StartError says why a command could not be started.
type StartError struct {
	Command string // as it was given
	Path    string // the file that was tried; empty when none was found
	Err     error  // the reason

	code int
	hint string
}

func (e *StartError) Error() string {
	if e.Path != "" && e.Path != e.Command {
		return fmt.Sprintf("start %q (%s): %v", e.Command, e.Path, e.Err)
	}
	return fmt.Sprintf("start %q: %v", e.Command, e.Err)
}

// Unwrap returns the reason.
func (e *StartError) Unwrap() error { return e.Err }

// Is lets errors.Is find ErrNotFound and ErrNotExecutable by what the error
// means for the exit status.
func (e *StartError) Is(target error) bool {
	return target == ErrNotFound && e.code == codeNotFound || target == ErrNotExecutable && e.code == codeNotExecutable
}

// ExitCode is the status to end with, as a shell has it: 127 when the command
// was not found, 126 when it was and cannot be executed (a directory, no
// permission, an interpreter that is missing, no format the system knows), and
// 125 when the fault is not the command's.
func (e *StartError) ExitCode() int { return e.code }

// Hint says what may help, or is empty.
func (e *StartError) Hint() string { return e.hint }

// InterruptedError says that a signal asked this process to end before the
// task was started.
type InterruptedError struct{ Signal syscall.Signal }

func (e *InterruptedError) Error() string {
	return fmt.Sprintf("%s came before the task was started", platform.SignalName(e.Signal))
}

// ExitCode is 128+N for signal N.
func (e *InterruptedError) ExitCode() int { return 128 + int(e.Signal) }
