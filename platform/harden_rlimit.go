//go:build unix && !linux && !freebsd

package platform

import (
	"sync"
	"syscall"
)

var core struct {
	mu       sync.Mutex // guards what follows, and the limit itself
	hardened bool
	original syscall.Rlimit
}

func harden() error {
	core.mu.Lock()
	defer core.mu.Unlock()
	if core.hardened {
		return nil
	}
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &core.original); err != nil {
		return err
	}
	if err := zeroCore(); err != nil {
		return err
	}
	core.hardened = true
	return nil
}

// zeroCore leaves the hard limit, so that the soft one can come back.
func zeroCore() error {
	none := syscall.Rlimit{Cur: 0, Max: core.original.Max}
	return syscall.Setrlimit(syscall.RLIMIT_CORE, &none)
}

// startUnhardened puts the limit back for as long as it takes to start a
// child, which inherits it. There is no limit of one process only here.
func startUnhardened(start func() error) error {
	core.mu.Lock()
	defer core.mu.Unlock()
	if !core.hardened {
		return start()
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &core.original); err != nil {
		return err
	}
	startErr := start()
	if err := zeroCore(); err != nil && startErr == nil {
		return err
	}
	return startErr
}
