package platform

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"
)

// sioAFUnixGetPeerPID is SIO_AF_UNIX_GETPEERPID of afunix.h.
const sioAFUnixGetPeerPID = 0x58000100

func peerCred(fd uintptr) (Cred, error) {
	var pid, n uint32
	err := windows.WSAIoctl(windows.Handle(fd), sioAFUnixGetPeerPID, nil, 0,
		(*byte)(unsafe.Pointer(&pid)), uint32(unsafe.Sizeof(pid)), &n, nil, 0)
	if errors.Is(err, windows.WSAEOPNOTSUPP) || errors.Is(err, windows.WSAEINVAL) {
		return Cred{}, fmt.Errorf("%w (%w)", errors.ErrUnsupported, err)
	}
	if err != nil {
		return Cred{}, err
	}
	c := Cred{UID: -1, GID: -1, PID: int(pid)}
	process, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, pid)
	if err != nil {
		return Cred{}, fmt.Errorf("open process %d: %w", pid, err)
	}
	defer windows.CloseHandle(process)
	var token windows.Token
	if err := windows.OpenProcessToken(process, windows.TOKEN_QUERY, &token); err != nil {
		return Cred{}, fmt.Errorf("open token of process %d: %w", pid, err)
	}
	defer token.Close()
	user, err := token.GetTokenUser()
	if err != nil {
		return Cred{}, fmt.Errorf("read user of process %d: %w", pid, err)
	}
	c.SID = user.User.Sid.String()
	return c, nil
}

func sameUser(c Cred) bool {
	me, err := currentSID()
	return err == nil && c.SID != "" && c.SID == me.String()
}
