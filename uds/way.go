package uds

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/taskagent/taskagent/platform"
)

// clearWay reports an error unless name in dir, whose full path is path, may
// be replaced. What a dead predecessor left behind elsewhere is returned, to
// be removed once it has been.
func clearWay(dir *os.Root, name, path string, o Options) (leftover, error) {
	info, err := dir.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return leftover{}, nil
	}
	if err != nil {
		return leftover{}, cause(err)
	}
	switch {
	case info.Mode()&fs.ModeSocket != 0:
		return leftover{}, unlessLive(path, path)
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := dir.Readlink(name)
		if err != nil {
			return leftover{}, cause(err)
		}
		if !isAlias(info, target, o) {
			return leftover{}, fmt.Errorf("a symlink to %q is in the way: %w", target, ErrInTheWay)
		}
		return leftover{target: target, o: o}, unlessLive(path, target)
	}
	return leftover{}, fmt.Errorf("%s is in the way: %w", kind(info.Mode()), ErrInTheWay)
}

// unlessLive probes the socket at served, which is the one at path.
func unlessLive(path, served string) error {
	state, pid, err := probe(served)
	if err != nil {
		return fmt.Errorf("probe what is there: %w", cause(err))
	}
	switch state {
	case Live, Denied:
		return &InUseError{Path: path, State: state, PID: pid}
	case NotSocket:
		return fmt.Errorf("an alias of %q is in the way: %w", served, ErrInTheWay)
	}
	return nil
}

// isAlias reports whether the symlink info, to target, is one that Listen
// makes: ours or the socket's owner's, to a short name.
func isAlias(info fs.FileInfo, target string, o Options) bool {
	if uid, _, ok := platform.FileOwner(info); ok && uid != platform.CurrentUID() && uid != o.UID {
		return false
	}
	return filepath.IsAbs(target) && filepath.Clean(target) == target && isShortDir(filepath.Dir(target))
}

func kind(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return "a regular file"
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	}
	return "a file that is not a socket"
}
