package platform

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/windows"
)

// minAFUnixBuild is the first build of Windows 10 with Unix sockets.
const minAFUnixBuild = 17063

// afUnix asks RtlGetVersion, which unlike GetVersionEx tells every program
// the truth.
func afUnix() error {
	v := windows.RtlGetVersion()
	if v.BuildNumber < minAFUnixBuild {
		return fmt.Errorf("AF_UNIX sockets need Windows build %d or later, this is %d.%d.%d: %w",
			minAFUnixBuild, v.MajorVersion, v.MinorVersion, v.BuildNumber, errors.ErrUnsupported)
	}
	return haveAFUnix()
}

// haveAFUnix makes a socket, because a build that should have them may not:
// the driver can be left out, and Wine has none.
var haveAFUnix = sync.OnceValue(func() error {
	var data windows.WSAData
	if err := windows.WSAStartup(0x202, &data); err != nil {
		return fmt.Errorf("start Winsock: %w", err)
	}
	defer windows.WSACleanup()
	s, err := windows.WSASocket(windows.AF_UNIX, windows.SOCK_STREAM, 0, nil, 0, windows.WSA_FLAG_NO_HANDLE_INHERIT)
	if errors.Is(err, windows.WSAEAFNOSUPPORT) || errors.Is(err, windows.WSAEINVAL) {
		return fmt.Errorf("this Windows has no AF_UNIX sockets: %w", errors.ErrUnsupported)
	}
	if err == nil {
		windows.Closesocket(s)
	}
	return nil // whatever else is wrong shows, and is explained, when one is used
})
