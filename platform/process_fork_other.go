//go:build unix && !linux

package platform

import (
	"syscall"

	"golang.org/x/sys/unix"
)

func onForkThread(f func()) { f() }

// highestInheritable is the highest descriptor, at least 2, that a child would
// inherit. Without a /proc that is always there it asks for each number, up to
// one that no shell or service manager hands down.
func highestInheritable() int {
	limit := 4096
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err == nil && uint64(lim.Cur) < uint64(limit) {
		limit = int(lim.Cur)
	}
	highest := 2
	for fd := 3; fd < limit; fd++ {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			highest = fd
		}
	}
	return highest
}
