package platform

import (
	"errors"
	"fmt"

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
	return nil
}
