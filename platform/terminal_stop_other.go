//go:build unix && !(linux && (amd64 || arm64))

package platform

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// stopSelf uses SIGSTOP, because os/signal cannot bring the default action of
// the others back, so it has to find out itself whether there is a shell: a
// parent in the same session. A parent in the same group as well (a script, or
// make) is taken for one that has a shell above it. SIGCONT is delivered
// whether or not it should be swallowed; a task then gets one more.
func stopSelf(_ syscall.Signal, _ bool, unless func() bool) {
	sid, err := unix.Getsid(0)
	if err != nil || sid == syscall.Getpid() {
		return
	}
	if parent, err := unix.Getsid(syscall.Getppid()); err != nil || parent != sid {
		return
	}
	if unless() {
		return
	}
	_ = unix.Kill(0, unix.SIGSTOP)
}
