package platform

import (
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// forks holds the work of the fork thread.
var (
	forks      = make(chan func())
	forkThread sync.Once
)

// onForkThread runs f on a thread that lives as long as this process. Linux
// sends the parent-death signal when the thread that forked ends, not the
// process, and Go ends threads when it likes.
func onForkThread(f func()) {
	forkThread.Do(func() {
		go func() {
			runtime.LockOSThread() // never unlocked
			for f := range forks {
				f()
			}
		}()
	})
	done := make(chan struct{})
	forks <- func() {
		defer close(done)
		f()
	}
	<-done
}

// setParentDeathSignal relies on the order in package syscall: the signal is
// set after the change of user, which would clear it, and the child looks
// whether its parent is still there.
func setParentDeathSignal(attr *syscall.SysProcAttr, sig syscall.Signal) { attr.Pdeathsig = sig }

// highestInheritable is the highest descriptor, at least 2, that a child would
// inherit.
func highestInheritable() int {
	const fallback = 1023
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return fallback
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return fallback
	}
	highest := 2
	for _, name := range names {
		fd, err := strconv.Atoi(name)
		if err != nil || fd <= highest {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			highest = fd
		}
	}
	return highest
}
