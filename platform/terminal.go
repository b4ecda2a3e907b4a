package platform

import "syscall"

// Terminal is the terminal that controls this process's session, as its
// standard input and output have it. At any time one process group is in its
// foreground: that one reads the keyboard and gets Ctrl-C.
type Terminal struct{ terminal }

// ControllingTerminal returns the terminal if both descriptors, usually 0 and
// 1, are open on the one that controls this process's session, and nil
// otherwise, always on Windows.
func ControllingTerminal(stdin, stdout uintptr) *Terminal { return controllingTerminal(stdin, stdout) }

// Foreground returns the process group in the foreground.
func (t *Terminal) Foreground() (pgid int, err error) { return t.foreground() }

// OwnForeground reports whether this process is in the foreground.
func (t *Terminal) OwnForeground() bool { return t.ownForeground() }

// Give puts a process group of this session into the foreground, also when
// this process is in the background. From then on this process ignores
// SIGTTOU, so that what it writes never stops it; its children do not.
func (t *Terminal) Give(pgid int) error { return t.give(pgid) }

// Take puts this process's own group back into the foreground, unless the
// group of the parent process has taken the terminal itself: a shell with job
// control does.
func (t *Terminal) Take() error { return t.take() }

// SaveModes remembers how the terminal is set (echo, line by line and so on)
// for RestoreModes.
func (t *Terminal) SaveModes() error { return t.saveModes() }

// RestoreModes sets the terminal as it was at SaveModes.
func (t *Terminal) RestoreModes() error { return t.restoreModes() }

// StopSelf stops this process and the rest of its process group with sig, a
// stop signal, as if it had come from the keyboard, and returns when the
// process was continued. The SIGCONT is delivered like any other signal. When
// there is no shell to continue it, or sig was ignored from the start, it
// returns at once; so it does on Windows.
func StopSelf(sig syscall.Signal) { stopSelf(sig, false, func() bool { return false }) }

// StopSelf is for one who continues the task when it returns, whether this
// process was stopped or not: where possible (Linux) the SIGCONT is not
// delivered. With onlyInBackground it does nothing when this process is in the
// foreground, which is looked at in the last moment: a shell may be bringing
// the job there just now.
func (t *Terminal) StopSelf(sig syscall.Signal, onlyInBackground bool) {
	stopSelf(sig, true, func() bool { return onlyInBackground && t.ownForeground() })
}
