package platform

import (
	"os"
	"sync"
	"syscall"
	"time"
)

// Credential is who a process is started as, in numbers: names are looked up
// by the caller. Groups are the supplementary groups; none means none, the
// starter's own are dropped.
type Credential struct {
	UID, GID int
	Groups   []int
}

// ProcessSpec says what StartProcess starts. Path and Args are required.
//
// The process gets this process's standard input, output and error as they
// are, and every other descriptor that is inheritable (on Unix: without
// close-on-exec, which is what Go's own never are), so that descriptors handed
// to the agent by a service manager reach the task.
type ProcessSpec struct {
	Path       string      // the file to execute; never searched for; a relative one is taken from Dir
	Args       []string    // from the program's own name on
	Env        []string    // the whole environment
	Dir        string      // working directory; empty: this process's own
	Credential *Credential // nil: as this process; another one needs root and is ErrUnsupported on Windows

	// Terminal, when set, is handed to the new process's group before the
	// program runs. The caller has made sure that it is in the foreground.
	Terminal *Terminal
	// KillGroup sends SIGKILL to what is left in the process's group as soon
	// as the process ended, before its id can be used again.
	KillGroup bool
}

// ProcessEventKind is what happened to a process.
type ProcessEventKind int

// What can happen to a process. The last event of every process is
// ProcessExited or ProcessKilled. Windows knows only these two.
const (
	ProcessExited  ProcessEventKind = iota + 1 // it ended with Code
	ProcessKilled                              // Signal ended it
	ProcessStopped                             // Signal stopped it; that it was continued is not told
)

// ProcessEvent is one change in the life of a process.
type ProcessEvent struct {
	Kind   ProcessEventKind
	Code   int            // of ProcessExited
	Signal syscall.Signal // of ProcessKilled and ProcessStopped
}

// Ended reports whether the event is the process's last.
func (e ProcessEvent) Ended() bool { return e.Kind == ProcessExited || e.Kind == ProcessKilled }

// processMu serialises forks, waits and signals. No child is waited for before
// it is on record, a process id is never signalled after it was given back,
// and the wait inside a failed fork meets no other.
var processMu sync.Mutex

// Process is a running child with a process group (on Windows: a job) of its
// own. Its methods may be called from any goroutine.
type Process struct {
	pid    int
	events chan ProcessEvent
	process
}

// StartProcess starts a process in a process group of its own and makes sure,
// where the system can, that it is killed when this process dies, even by
// SIGKILL: with a parent-death signal on Linux and FreeBSD, with a job object
// on Windows. The others have no such thing. The parent-death signal reaches
// the process itself, not those it started, and the kernel forgets it when the
// process runs a set-user-id program.
//
// One loop in this package waits for every process started here; the caller
// must read Events until the last one, and nothing else may wait for the
// process. An error of the execution itself is the bare errno of the system.
func StartProcess(spec ProcessSpec) (*Process, error) { return startProcess(spec) }

// PID is the process's id, and on Unix that of its group.
func (p *Process) PID() int { return p.pid }

// Events delivers what happens to the process, in order. The channel is closed
// after the last event. It has to be read: the wait loop blocks on it.
func (p *Process) Events() <-chan ProcessEvent { return p.events }

// Signal sends sig to the process, not to its group. It returns
// os.ErrProcessDone once the process was waited for. On Windows SIGINT and
// SIGTERM become CTRL_BREAK, which needs a console, SIGKILL ends the process,
// and any other is an error matching errors.ErrUnsupported.
func (p *Process) Signal(sig syscall.Signal) error { return p.signal(sig) }

// SignalGroup sends sig to every member of the process's group, and returns
// os.ErrProcessDone once the process was waited for. On Windows only SIGKILL
// is possible: it ends every process of the job.
func (p *Process) SignalGroup(sig syscall.Signal) error { return p.signalGroup(sig) }

// Ended reports whether the process has ended, whether or not its last event
// was read already. Where the system cannot tell without waiting it may say no
// a moment too long.
func (p *Process) Ended() bool { return p.ended() }

// GroupGone reports whether nothing is left of the process and its group.
func (p *Process) GroupGone() bool { return p.groupGone() }

// WaitGroupGone waits until nothing is left of the process's group, at most
// for limit, and reports whether that is so. It is meant for after the group
// was killed: a killed process still takes a moment to give back its locks and
// ports. Zombies that their parent does not wait for have given back
// everything; on Linux they count as gone.
//
// The members adopted by this process (see ReapOrphans) announce their end;
// for the others there is no event, so the group is looked at again after 1 ms,
// 2 ms, 4 ms and so on, up to 50 ms.
func (p *Process) WaitGroupGone(limit time.Duration) bool {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		if p.GroupGone() || (pause > 4*time.Millisecond && p.groupOfZombies()) {
			return true
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-childReaped():
			again.Stop()
		case <-deadline.C:
			again.Stop()
			return p.GroupGone()
		}
	}
}

// DetachedSpec says what StartDetached starts. Path and Args are required.
type DetachedSpec struct {
	Path   string
	Args   []string // from the program's own name on
	Env    []string // the whole environment
	Dir    string   // working directory; empty: this process's own
	Stdout *os.File // nil: the null device
	Stderr *os.File // nil: the null device
}

// StartDetached starts a process that outlives this one: in a session of its
// own (on Windows: without a console and outside of this process's job where
// that is allowed), with no standard input and with no descriptor but the two
// given, so that it keeps no pipe of the caller's open. It returns the
// process's id. Nobody has to wait for the process: should it end first, the
// loop of this package takes it off the books.
func StartDetached(spec DetachedSpec) (pid int, err error) { return startDetached(spec) }

// ReapOrphans makes this process wait for every child it has, not only those
// started here, and adopt the orphans among its descendants where the system
// offers that (Linux, FreeBSD, DragonFly; elsewhere only process 1 gets any).
// From then on nothing in this process may wait for a child by other means:
// os/exec would lose its exit status. It is for programs, not for libraries.
//
// The error matches errors.ErrUnsupported where there is no adoption; the
// children this process has are waited for all the same. On Windows there are
// no orphans to adopt and nothing happens.
func ReapOrphans() error { return reapOrphans() }
