package platform

import (
	"os"
	"syscall"
)

// ParseSignal reads the name or number of a signal: "SIGHUP", "hup" and "1"
// are the same, in any case; on Linux also SIGRTMIN+n and SIGRTMAX-n, counted
// as the C library counts, from 34 to 64. A signal that this system cannot
// deliver is an error matching errors.ErrUnsupported: Windows has SIGINT,
// SIGTERM and SIGKILL only.
func ParseSignal(name string) (syscall.Signal, error) { return parseSignal(name) }

// SignalName is the name of a signal that ParseSignal reads back, in the form
// SIGHUP, and the bare number where the signal has none.
func SignalName(sig syscall.Signal) string { return signalName(sig) }

// NotifySignals relays to c every signal that this process can catch, until
// stop is called, except those that are about this process itself:
//
//   - SIGCHLD, SIGURG (Go's runtime sends it to itself), SIGTTIN and SIGTTOU;
//   - SIGPIPE, which is caught and dropped, so that a broken standard error
//     fails a write and does not end the process;
//   - a SIGHUP or SIGTSTP that was ignored from the start, which stays so here
//     and in every child: that is what nohup asks for. An ignored SIGINT, as
//     in a shell's background job, is dropped here but goes to its default in
//     a child, which is safe from the keyboard in a group of its own and may
//     be stopped by that very signal.
//
// On Linux real-time signals are among them, on amd64 and arm64 the first one
// and SIGPROF as well, which os/signal does not deliver. Equal signals that
// arrive faster than they are read become one. On Windows they are os.Interrupt
// (a Ctrl-C or Ctrl-Break) and SIGTERM (console closed, log-off, shutdown).
//
// c should have room: nothing blocks on it, what does not fit is lost.
func NotifySignals(c chan<- os.Signal) (stop func()) { return notifySignals(c) }
