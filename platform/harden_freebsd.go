package platform

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Of FreeBSD's sys/procctl.h and sys/wait.h.
const (
	pPID                = 0
	procTraceCtl        = 7
	procTraceCtlDisable = 2
)

func denyTrace() error {
	arg := int32(procTraceCtlDisable)
	// The second argument is 64 bits wide, so this is for 64-bit systems.
	_, _, errno := unix.Syscall6(unix.SYS_PROCCTL, pPID, uintptr(os.Getpid()), procTraceCtl, uintptr(unsafe.Pointer(&arg)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
