package platform

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockHandle locks one byte far behind the file's content: locks are
// mandatory here, and others are to read what the holder wrote.
func lockHandle(f *os.File, wait bool) error {
	flags := uint32(windows.LOCKFILE_EXCLUSIVE_LOCK)
	if !wait {
		flags |= windows.LOCKFILE_FAIL_IMMEDIATELY
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var opErr error
	err = raw.Control(func(fd uintptr) {
		place := &windows.Overlapped{OffsetHigh: 0x7fffffff}
		opErr = windows.LockFileEx(windows.Handle(fd), flags, 0, 1, 0, place)
	})
	if err != nil {
		return err
	}
	if errors.Is(opErr, windows.ERROR_LOCK_VIOLATION) || errors.Is(opErr, windows.ERROR_IO_PENDING) {
		return ErrLocked
	}
	return opErr
}

func lockDir(*os.File) error { return errors.ErrUnsupported }
