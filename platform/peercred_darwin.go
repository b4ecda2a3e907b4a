package platform

import (
	"errors"

	"golang.org/x/sys/unix"
)

func peerCred(fd uintptr) (Cred, error) {
	x, err := unix.GetsockoptXucred(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return Cred{}, err
	}
	if x.Version != 0 || x.Ngroups < 1 {
		return Cred{}, errors.New("the kernel answered in an unknown layout")
	}
	c := Cred{UID: int(x.Uid), GID: int(x.Groups[0])}
	if pid, err := unix.GetsockoptInt(int(fd), unix.SOL_LOCAL, unix.LOCAL_PEERPID); err == nil {
		c.PID = pid
	}
	return c, nil
}
