package uds

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/taskagent/taskagent/platform"
)

// State is what [Probe] finds at a path.
type State int

const (
	// Absent: there is nothing, or a symlink to nothing.
	Absent State = iota
	// Live: somebody listens, or is behind with accepting.
	Live
	// Dead: a socket whose listener is gone.
	Dead
	// Denied: a socket we may not connect to. It has to be taken for live.
	Denied
	// NotSocket: a file of another kind.
	NotSocket
)

// String returns the state in lower case.
func (s State) String() string {
	switch s {
	case Absent:
		return "absent"
	case Live:
		return "live"
	case Dead:
		return "dead"
	case Denied:
		return "denied"
	case NotSocket:
		return "not a socket"
	}
	return fmt.Sprintf("State(%d)", int(s))
}

// Probe looks at what is at path, following symlinks, and connects to it for
// a moment if it is a socket. The answer is already history when it is
// returned. An error means that it could not be found out.
func Probe(path string) (State, error) {
	state, _, err := probe(path)
	if err != nil {
		return state, fmt.Errorf("probe socket %q: %w", path, cause(err))
	}
	return state, nil
}

// probe is Probe; pid is that of a live socket's listener, or 0.
func probe(path string) (state State, pid int, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Absent, 0, nil
	}
	if err != nil {
		return Absent, 0, err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return NotSocket, 0, nil
	}
	conn, err := dialOnce(context.Background(), path)
	switch {
	case err == nil:
		defer conn.Close()
		if peer, err := platform.PeerCred(conn); err == nil {
			pid = peer.PID
		}
		return Live, pid, nil
	case backlogFull(err), otherKind(err):
		return Live, 0, nil
	case refused(err):
		return Dead, 0, nil
	case errors.Is(err, fs.ErrPermission):
		return Denied, 0, nil
	case errors.Is(err, fs.ErrNotExist):
		return Absent, 0, nil
	}
	return Absent, 0, err
}
