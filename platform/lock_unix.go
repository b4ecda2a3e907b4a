//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package platform

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lockHandle uses flock: unlike POSIX record locks it belongs to the open
// file, so closing another descriptor of the same file does not drop it.
func lockHandle(f *os.File, wait bool) error {
	how := unix.LOCK_EX
	if !wait {
		how |= unix.LOCK_NB
	}
	return control(f, func(fd int) error {
		for {
			err := unix.Flock(fd, how)
			switch {
			case errors.Is(err, unix.EINTR):
				continue
			case errors.Is(err, unix.EWOULDBLOCK):
				return ErrLocked
			}
			return err
		}
	})
}

func lockDir(dir *os.File) error {
	err := lockHandle(dir, false)
	// Some network file systems lock files only.
	if errors.Is(err, unix.EBADF) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOLCK) || errors.Is(err, unix.EISDIR) {
		return errors.ErrUnsupported
	}
	return err
}
