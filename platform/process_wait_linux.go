package platform

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// childInfo is the kernel's siginfo_t as waitid fills it; unix.Siginfo leaves
// these fields out. On 64-bit machines the union that holds the process id is
// aligned to eight bytes.
type childInfo struct {
	signo, errno, code int32
	_                  [^uint(0) >> 63]int32
	pid                int32
	uid                uint32
	status             int32
	_                  [128]byte
}

// Values of childInfo.code; what is none of them has exited.
const (
	childKilled  = 2
	childDumped  = 3
	childStopped = 5
)

// waitChild takes the next news of child pid, or of any with -1. It looks
// before it waits: ending is called while the ended child is still a zombie,
// because only as long as it is one can nobody else have its group's number.
func waitChild(pid int, ending func(pid int)) (int, ProcessEvent, bool) {
	info, ok := waitid(pid, unix.WEXITED|unix.WSTOPPED|unix.WNOHANG|unix.WNOWAIT)
	if !ok {
		return 0, ProcessEvent{}, false
	}
	child := int(info.pid)
	if info.code == childStopped {
		// Not WEXITED: should the child have ended since, that is for the
		// next round.
		if info, ok = waitid(child, unix.WSTOPPED|unix.WNOHANG); !ok {
			return waitChild(pid, ending)
		}
		return child, ProcessEvent{Kind: ProcessStopped, Signal: syscall.Signal(info.status)}, true
	}
	ending(child)
	info, ok = waitid(child, unix.WEXITED|unix.WNOHANG)
	switch {
	case !ok:
		return 0, ProcessEvent{}, false
	case info.code == childKilled || info.code == childDumped:
		return child, ProcessEvent{Kind: ProcessKilled, Signal: syscall.Signal(info.status)}, true
	default:
		return child, ProcessEvent{Kind: ProcessExited, Code: int(info.status)}, true
	}
}

// waitid reports whether there was anything to see.
func waitid(pid, options int) (childInfo, bool) {
	idType := unix.P_PID
	if pid == -1 {
		idType, pid = unix.P_ALL, 0
	}
	for {
		var info childInfo
		err := unix.Waitid(idType, pid, (*unix.Siginfo)(unsafe.Pointer(&info)), options, nil)
		if err == unix.EINTR {
			continue
		}
		return info, err == nil && info.pid != 0
	}
}

func (p *Process) ended() bool {
	processMu.Lock()
	defer processMu.Unlock()
	if p.reaped {
		return true
	}
	_, ended := waitid(p.pid, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT)
	return ended
}
