package platform

// Of NetBSD's sys/un.h; x/sys has neither.
const (
	solLocal     = 0
	localPeerEID = 3
)

// peerCred reads struct unpcbid: pid, euid, egid.
func peerCred(fd uintptr) (Cred, error) {
	v, err := getsockopt3(int(fd), solLocal, localPeerEID)
	if err != nil {
		return Cred{}, err
	}
	return Cred{PID: int(int32(v[0])), UID: int(v[1]), GID: int(v[2])}, nil
}
