//go:build unix

package leader

import (
	"errors"

	"golang.org/x/sys/unix"
)

// processGone reports whether there is no process with that id. It may be wrong
// by saying no: ids are given out again.
func processGone(pid int) bool { return errors.Is(unix.Kill(pid, 0), unix.ESRCH) }
