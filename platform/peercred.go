package platform

import (
	"fmt"
	"net"
)

// Cred is who the kernel says is at the other end of a Unix socket. It is the
// process that connected (for a client: that listened) at that time; it may
// since have ended, changed user, or passed the socket on.
type Cred struct {
	// UID and GID are the effective user and group; -1 on Windows. A user
	// that our user namespace does not map shows as the overflow uid, 65534.
	UID, GID int
	// PID is the process; 0 where the system does not tell or it is outside
	// our pid namespace. It may have been given to another process since, so
	// nothing but a message may rest on it.
	PID int
	// SID is the user on Windows; empty elsewhere. Windows tells the process
	// only, and its user is read from there.
	SID string
}

// SameUser reports whether the peer is the user that this process runs as.
func (c Cred) SameUser() bool {
	return sameUser(c)
}

// PeerCred asks the kernel who is at the other end of conn. Where it cannot
// say the error matches [errors.ErrUnsupported]; the caller must then refuse
// what it would have granted on the answer.
func PeerCred(conn *net.UnixConn) (Cred, error) {
	c := Cred{UID: -1, GID: -1}
	raw, err := conn.SyscallConn()
	if err != nil {
		return c, fmt.Errorf("read peer credentials: %w", err)
	}
	var opErr error
	if err := raw.Control(func(fd uintptr) { c, opErr = peerCred(fd) }); err != nil {
		return Cred{UID: -1, GID: -1}, fmt.Errorf("read peer credentials: %w", err)
	}
	if opErr != nil {
		return Cred{UID: -1, GID: -1}, fmt.Errorf("read peer credentials: %w", opErr)
	}
	return c, nil
}
