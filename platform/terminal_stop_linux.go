//go:build linux && (amd64 || arm64)

package platform

import (
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// stopSelf lets the kernel decide: it stops a process on the default action of
// a stop signal, unless nobody outside its group is there to continue it (an
// orphaned process group). os/signal cannot bring the default back, so this
// sets it directly and then gives the runtime its handler again.
func stopSelf(sig syscall.Signal) {
	if sig != syscall.SIGTTIN {
		sig = syscall.SIGTSTP // SIGSTOP would stop an orphan for ever
	}
	processMu.Lock() // no fork with the wrong action
	defer processMu.Unlock()
	var old, byDefault sigaction
	if err := rtSigaction(sig, nil, &old); err != nil || old.handler == handlerIgnore {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := rtSigaction(sig, &byDefault, nil); err != nil {
		return
	}
	// The whole group, as the keyboard would: a script or make around the
	// agent stops too. One more for this thread, because a signal to a
	// process may be taken by any thread later, but one to the calling thread
	// has had its effect when the call returns. SIGCONT drops what is over.
	_ = unix.Kill(0, sig)
	_ = unix.Tgkill(unix.Getpid(), unix.Gettid(), sig)
	_ = rtSigaction(sig, &old, nil)
}
