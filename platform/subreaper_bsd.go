//go:build dragonfly || (freebsd && (amd64 || arm64 || riscv64))

package platform

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// becomeSubreaper makes procctl's call for this process, P_PID with the id 0.
// Only 64-bit machines pass the id in one argument; the others go without.
func becomeSubreaper() error {
	const idPID, self = 0, 0
	if _, _, errno := syscall.Syscall6(unix.SYS_PROCCTL, idPID, self, procReapAcquire, 0, 0, 0); errno != 0 {
		return fmt.Errorf("adopt orphaned processes: %w", errno)
	}
	return nil
}
