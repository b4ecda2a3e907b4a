//go:build unix

package envinject

import (
	"syscall"

	"github.com/taskagent/taskagent/platform"
)

// jobControl keeps the task, this process and the user's shell of one mind
// about who has the terminal and who is stopped. To the shell the job is this
// process's group, to the terminal it is the task's: so what stops the task
// must stop this process too, and what continues this process the task.
type jobControl struct {
	terminal *platform.Terminal // nil: the task is not to have it
	saved    bool               // its modes are saved
	given    bool               // the task has it
	asked    bool               // SIGTSTP came from outside and went to the task, and SIGCONT has not since
	asleep   bool               // the task's process is stopped, as far as known
	starved  bool               // it is stopped for want of a terminal that it will not be given
}

func newJobControl(terminal bool) *jobControl {
	j := &jobControl{}
	if terminal {
		j.terminal = platform.ControllingTerminal(0, 1)
	}
	return j
}

// toGive is the terminal if the next process is to have it from the start.
func (j *jobControl) toGive() *platform.Terminal {
	if j.terminal == nil || !j.terminal.OwnForeground() {
		return nil
	}
	if !j.saved {
		j.saved = j.terminal.SaveModes() == nil
	}
	return j.terminal
}

// started says that a process runs, and whether it has the terminal.
func (j *jobControl) started(given bool) {
	j.given, j.asked, j.asleep, j.starved = given, false, false, false
}

// stopped says that a signal stopped the process.
func (j *jobControl) stopped(p *platform.Process, sig syscall.Signal) {
	j.asleep = true
	if j.terminal == nil {
		j.starved = sig == syscall.SIGTTIN || sig == syscall.SIGTTOU
		if j.asked {
			// The task obeyed, so this process does. It wakes by SIGCONT,
			// which is relayed like any other.
			j.asked = false
			platform.StopSelf(syscall.SIGTSTP)
		}
		return
	}
	given := j.given
	if given {
		// What fails does so because the terminal was hung up.
		_ = j.terminal.Take()
		j.given = false
	}
	switch sig {
	case syscall.SIGSTOP:
		// Somebody froze the task. Without a shell that stays so until
		// somebody continues it; with one, SIGCONT comes and is received.
		platform.StopSelf(sig)
	case syscall.SIGTTIN, syscall.SIGTTOU:
		// A shell brings a running job to the foreground without telling it:
		// the task's wish to use the terminal is how we learn.
		j.terminal.StopSelf(sig, !given)
		j.wake(p)
	default:
		j.terminal.StopSelf(sig, false)
		j.wake(p)
	}
}

// received says that this process got a signal that goes to the task next.
func (j *jobControl) received(p *platform.Process, sig syscall.Signal) {
	switch sig {
	case syscall.SIGTSTP:
		j.asked = true
	case syscall.SIGCONT:
		j.asked = false
		if j.terminal != nil {
			j.wake(p)
		}
	}
}

// release continues a task that waits in vain for the terminal and was just
// asked to end: it would see that only once continued, and Ctrl-C has to work.
func (j *jobControl) release(p *platform.Process) {
	if j.starved {
		j.starved = false
		j.wake(p)
	}
}

// wake continues the task's group, after handing it the terminal if that is
// ours.
func (j *jobControl) wake(p *platform.Process) {
	if j.terminal != nil && j.terminal.OwnForeground() {
		j.given = j.terminal.Give(p.PID()) == nil
	}
	if j.asleep {
		j.asleep = false
		// Only what has ended meanwhile cannot be continued.
		_ = p.SignalGroup(syscall.SIGCONT)
	}
}

// ended says that the process has ended. A program that a signal ended had no
// time to leave the terminal as it found it; what another one leaves is meant
// (stty).
func (j *jobControl) ended(killed bool) {
	if !j.given {
		return
	}
	j.given = false
	_ = j.terminal.Take()
	if killed && j.saved && j.terminal.OwnForeground() {
		_ = j.terminal.RestoreModes()
	}
}

// isKeyboardStop reports whether sig is what Ctrl-Z sends.
func isKeyboardStop(sig syscall.Signal) bool { return sig == syscall.SIGTSTP }
