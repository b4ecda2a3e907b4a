//go:build netbsd || openbsd

package platform

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// getsockopt3 reads a socket option that is three 32-bit words. x/sys has no
// getsockopt for that shape, and OpenBSD allows no system call but through
// its libc, so one of x/sys for a longer structure is borrowed: the kernel
// fills no more than the option's own 12 bytes.
func getsockopt3(fd, level, opt int) (v [3]uint32, err error) {
	m, err := unix.GetsockoptIPv6Mreq(fd, level, opt)
	if err != nil {
		return v, err
	}
	for i := range v {
		v[i] = binary.NativeEndian.Uint32(m.Multiaddr[4*i:])
	}
	return v, nil
}
