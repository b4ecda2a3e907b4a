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
func stopSelf(sig syscall.Signal, swallow bool, unless func() bool) {
	if sig != syscall.SIGTTIN {
		sig = syscall.SIGTSTP // SIGSTOP would stop an orphan for ever
	}
	processMu.Lock() // no fork with the wrong action
	defer processMu.Unlock()
	var old sigaction
	if err := rtSigaction(sig, nil, &old); err != nil || old.handler == handlerIgnore {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if swallow {
		// SIGCONT continues a process whatever its action; without a handler
		// that is all it does.
		var caught sigaction
		if err := rtSigaction(syscall.SIGCONT, &sigaction{handler: handlerDefault}, &caught); err == nil {
			defer rtSigaction(syscall.SIGCONT, &caught, nil)
		}
	}
	var stop, mask unix.Sigset_t
	stop.Val[0] = 1 << (sig - 1)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &stop, &mask); err != nil {
		return
	}
	defer unix.PthreadSigmask(unix.SIG_SETMASK, &mask, nil)

	// The signal waits at this thread while unless is asked. Should a shell
	// continue the job just then, that drops the signal: whatever comes first,
	// there is no stop after the SIGCONT that was meant for it.
	_ = rtSigaction(sig, &sigaction{handler: handlerDefault}, nil)
	defer rtSigaction(sig, &old, nil)
	_ = unix.Tgkill(unix.Getpid(), unix.Gettid(), sig)
	if unless() {
		_ = rtSigaction(sig, &sigaction{handler: handlerIgnore}, nil) // drops it, too
		return
	}
	// The whole group, as the keyboard would: a script or make around the
	// agent stops too. Of the two that this process has now, SIGCONT drops the
	// one that did not stop it.
	_ = unix.Kill(0, sig)
	_ = unix.PthreadSigmask(unix.SIG_UNBLOCK, &stop, nil)
}
