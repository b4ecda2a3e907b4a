//go:build unix

package platform

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const openNoFollow = syscall.O_NOFOLLOW

func setMode(f *os.File, perm os.FileMode) error {
	return f.Chmod(perm)
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOSYS) {
		return nil
	}
	return err
}

func atomicRename(from, to string) error {
	return os.Rename(from, to)
}

func renameAt(fromDir *os.File, from string, toDir *os.File, to string) error {
	return control(fromDir, func(fromFD int) error {
		return control(toDir, func(toFD int) error {
			return unix.Renameat(fromFD, from, toFD, to)
		})
	})
}

// control calls fn with the descriptor of f, which stays open meanwhile.
func control(f *os.File, fn func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var opErr error
	if err := raw.Control(func(fd uintptr) { opErr = fn(int(fd)) }); err != nil {
		return err
	}
	return opErr
}
