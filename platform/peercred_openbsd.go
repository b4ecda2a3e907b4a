package platform

import "golang.org/x/sys/unix"

// peerCred reads struct sockpeercred: uid, gid, pid.
func peerCred(fd uintptr) (Cred, error) {
	v, err := getsockopt3(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Cred{}, err
	}
	return Cred{UID: int(v[0]), GID: int(v[1]), PID: int(int32(v[2]))}, nil
}
