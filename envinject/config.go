package envinject

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/taskagent/taskagent/platform"
)

// The defaults of the command line.
const (
	DefaultKillSignal  = syscall.SIGINT
	DefaultKillTimeout = 5 * time.Second
)

// Config says what a Supervisor runs and how. Command is required.
type Config struct {
	// Command is the task's command and its arguments.
	Command []string
	// Dir is the task's working directory; empty means the caller's.
	Dir string
	// User is who the task runs as; nil means as the caller. Another needs
	// root and is ErrUnsupported on Windows.
	User *platform.Credential

	// KillSignal is what Stop and Restart send to the task's process first;
	// zero means DefaultKillSignal.
	KillSignal syscall.Signal
	// KillTimeout is how long the task may take to end on KillSignal before
	// its whole process group gets SIGKILL; zero or less means at once after
	// the signal.
	KillTimeout time.Duration

	// RelaySignals sends every signal that this process receives, but those
	// that platform.NotifySignals leaves out, to the task's process, from New
	// until Close.
	RelaySignals bool
	// Terminal hands the terminal to the task when it is on both standard
	// input and output and this process is in its foreground. The task and
	// this process then stop and continue together, as the user's shell
	// expects of a job. It has no effect without RelaySignals.
	Terminal bool
	// ReapOrphans waits for every child of this process and adopts orphans
	// among the task's descendants where the system offers that. See
	// platform.ReapOrphans for what a program must then not do.
	ReapOrphans bool

	// Notify is told what happens to the task, if it is not nil. It is called
	// from the supervisor's own goroutine: it must not block and must not call
	// the supervisor.
	Notify func(Event)

	after func(time.Duration) (fired <-chan time.Time, stop func() bool)
}

func (c *Config) complete() error {
	if len(c.Command) == 0 {
		return errors.New("supervise a task: no command given")
	}
	if c.KillSignal == 0 {
		c.KillSignal = DefaultKillSignal
	}
	if c.Notify == nil {
		c.Notify = func(Event) {}
	}
	if c.after == nil {
		c.after = func(d time.Duration) (<-chan time.Time, func() bool) {
			t := time.NewTimer(d)
			return t.C, t.Stop
		}
	}
	return nil
}

// EventKind is what happened to the task.
type EventKind string

// What can happen to a task. They are words for a log.
const (
	TaskStarted    EventKind = "task started"     // PID
	TaskStopped    EventKind = "task stopped"     // Signal stopped it (Ctrl-Z, a read of the terminal in the background)
	TaskSignalled  EventKind = "signal sent"      // Signal was relayed to PID, or Err says why not
	SignalDropped  EventKind = "signal dropped"   // Signal came when there was no process to relay it to
	TaskStopping   EventKind = "stopping task"    // KillSignal was sent
	TaskKilled     EventKind = "killing task"     // KillTimeout is over, or KillSignal could not be sent (Err): SIGKILL to the group
	TaskRestarting EventKind = "restarting task"  // the old process is gone, the new one is about to start
	TaskEnded      EventKind = "task ended"       // Exit
	GroupLeft      EventKind = "processes remain" // of the group of PID, though they were killed: they hang in the kernel
)

// Event is one thing that happened to the task. Fields that do not belong to
// the kind are zero.
type Event struct {
	Kind   EventKind
	PID    int
	Signal os.Signal
	Exit   Exit
	Err    error
}

// Exit is how the task ended.
type Exit struct {
	Code   int            // the exit code, if Signal and Err are not set
	Signal syscall.Signal // the signal that ended it, or that came before it was started
	Err    error          // a StartError of the first start or of a restart
}

// Status is the status for this process to end with: the task's own, 128+N for
// signal N, or what a shell reports for a command that cannot be started.
func (e Exit) Status() int {
	var coded interface{ ExitCode() int }
	switch {
	case e.Signal != 0:
		return 128 + int(e.Signal)
	case errors.As(e.Err, &coded):
		return coded.ExitCode()
	case e.Err != nil:
		return codeFailed
	}
	return e.Code
}

// String says how the task ended, for a log.
func (e Exit) String() string {
	switch {
	case e.Err != nil:
		return e.Err.Error()
	case e.Signal != 0:
		return "ended by " + platform.SignalName(e.Signal)
	}
	return fmt.Sprintf("exit status %d", e.Code)
}
