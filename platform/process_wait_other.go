//go:build unix && !linux

package platform

import "syscall"

// waitChild takes the next news of child pid, or of any with -1. These systems
// either have no way to look at an ended child without waiting for it or one
// that differs from release to release, so ending is called right after the
// wait. Should the child have been the last of its group, and its number be
// given to a new group's leader within these microseconds, the wrong group
// would be killed; accepted, as every process supervisor there accepts it.
func waitChild(pid int, ending func(pid int)) (int, ProcessEvent, bool) {
	var status syscall.WaitStatus
	for {
		child, err := syscall.Wait4(pid, &status, syscall.WNOHANG|syscall.WUNTRACED, nil)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil || child <= 0:
			return 0, ProcessEvent{}, false
		case status.Stopped():
			return child, ProcessEvent{Kind: ProcessStopped, Signal: status.StopSignal()}, true
		case status.Signaled():
			ending(child)
			return child, ProcessEvent{Kind: ProcessKilled, Signal: status.Signal()}, true
		default:
			ending(child)
			return child, ProcessEvent{Kind: ProcessExited, Code: status.ExitStatus()}, true
		}
	}
}

func (p *Process) ended() bool {
	processMu.Lock()
	defer processMu.Unlock()
	return p.reaped
}

// groupOfZombies is only known on Linux.
func (p *Process) groupOfZombies() bool { return false }
