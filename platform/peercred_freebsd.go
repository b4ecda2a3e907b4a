package platform

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Of FreeBSD's sys/un.h and sys/ucred.h; x/sys has neither.
const (
	solLocal      = 0
	xucredVersion = 0
)

func peerCred(fd uintptr) (Cred, error) {
	x, err := unix.GetsockoptXucred(int(fd), solLocal, unix.LOCAL_PEERCRED)
	if err != nil {
		return Cred{}, err
	}
	if x.Version != xucredVersion || x.Ngroups < 1 {
		return Cred{}, errors.New("the kernel answered in an unknown layout")
	}
	return Cred{UID: int(x.Uid), GID: int(x.Groups[0])}, nil
}
