package uds

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/taskagent/taskagent/platform"
)

// stagePrefix begins the names of what is made beside a socket for a moment.
const stagePrefix = ".sock-"

// lastRoots: there is no place known to be short.
var lastRoots []string

// place removes a dead socket and binds in its place.
func (l *Listener) place(o Options) error {
	if err := l.dir.Remove(l.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the dead socket: %w", cause(err))
	}
	var err error
	l.ln, l.info, err = bindIn(l.dir, l.path, l.name, o)
	return err
}

// bindIn listens at path, which is name in dir, and protects the socket.
func bindIn(dir *os.Root, path, name string, o Options) (ln *net.UnixListener, info fs.FileInfo, err error) {
	if o.UID != -1 || o.GID != -1 {
		return nil, nil, fmt.Errorf("give it to uid %d gid %d: %w", o.UID, o.GID, errors.ErrUnsupported)
	}
	ln, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, nil, cause(err)
	}
	ln.SetUnlinkOnClose(false) // it would unlink whatever has the name by then
	defer func() {
		if err != nil {
			ln.Close()
			dir.Remove(name)
		}
	}()
	if o.Mode&0o077 == 0 {
		if err := platform.ProtectSocket(path); err != nil {
			return nil, nil, err
		}
	}
	if info, err = dir.Lstat(name); err != nil {
		return nil, nil, cause(err)
	}
	return ln, info, nil
}

// bindShort listens in the short directory, whose DACL is ours from the start.
func (l *Listener) bindShort(s *shortDir, o Options) error {
	l.dial = filepath.Join(s.path, s.name)
	var err error
	l.ln, s.info, err = bindIn(s.dir, l.dial, s.name, o)
	return err
}
