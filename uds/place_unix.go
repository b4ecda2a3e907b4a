//go:build !windows

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

// lastRoots are tried after the temporary directory of the environment, whose
// path is long on some systems.
var lastRoots = []string{"/tmp"}

// place binds the socket in a staging directory beside its path and renames
// it into place.
func (l *Listener) place(o Options) (err error) {
	stageName := randomName(stagePrefix)
	if err := l.dir.Mkdir(stageName, 0o700); err != nil {
		return fmt.Errorf("make a staging directory beside it: %w", cause(err))
	}
	defer l.dir.Remove(stageName)
	stage, stageDir, err := openStage(l.dir, stageName)
	if err != nil {
		return fmt.Errorf("open the staging directory: %w", cause(err))
	}
	defer stage.Close()
	defer stageDir.Close()

	stagePath := filepath.Join(l.dir.Name(), stageName)
	if p, ok := platform.DescriptorPath(stageDir); ok {
		stagePath = p
	}
	// By its own name, where that fits, because tools that list sockets show
	// what a socket was bound by.
	name := l.name
	if len(stagePath)+1+len(name) > MaxPath {
		name = "s"
	}
	ln, info, err := bindIn(stage, stagePath, name, o)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			ln.Close()
			stage.Remove(name)
		}
	}()
	target, err := l.dir.Open(".")
	if err != nil {
		return err
	}
	defer target.Close()
	if err := platform.RenameAt(stageDir, name, target, l.name); err != nil {
		return err
	}
	l.ln, l.info = ln, info
	return nil
}

// openStage opens the directory just made, and makes sure that it is it: the
// owner of the parent may be somebody else, who can swap it for another.
func openStage(parent *os.Root, name string) (*os.Root, *os.File, error) {
	stage, err := parent.OpenRoot(name)
	if err != nil {
		return nil, nil, err
	}
	dir, err := stage.Open(".")
	if err != nil {
		stage.Close()
		return nil, nil, err
	}
	err = func() error {
		info, err := dir.Stat()
		if err != nil {
			return err
		}
		if uid, _, ok := platform.FileOwner(info); ok && uid != platform.CurrentUID() {
			return errors.New("somebody else put another directory in its place")
		}
		return dir.Chmod(0o700) // whatever the umask and a setgid parent left
	}()
	if err != nil {
		dir.Close()
		stage.Close()
		return nil, nil, err
	}
	return stage, dir, nil
}

// bindIn listens on name in the directory dir, which nobody else can enter,
// and gives the socket its mode and owner. path leads to the same directory.
func bindIn(dir *os.Root, path, name string, o Options) (ln *net.UnixListener, info fs.FileInfo, err error) {
	path += "/" + name
	if len(path) > MaxPath {
		return nil, nil, tooLong(path)
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
	// By the path, which nobody can turn elsewhere: [os.Root.Chmod] needs
	// Linux 6.6 for what is not a regular file.
	if err := os.Chmod(path, o.Mode); err != nil {
		return nil, nil, fmt.Errorf("set its mode to %04o: %w", o.Mode, cause(err))
	}
	if o.UID != -1 || o.GID != -1 {
		if err := dir.Lchown(name, o.UID, o.GID); err != nil {
			return nil, nil, fmt.Errorf("give it to uid %d gid %d: %w", o.UID, o.GID, cause(err))
		}
	}
	// Where the path was not a descriptor's this also shows that it led here.
	if info, err = dir.Lstat(name); err != nil {
		return nil, nil, cause(err)
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return nil, nil, errors.New("somebody else put another file in its place")
	}
	return ln, info, nil
}

// bindShort listens in the short directory and then gives that to the
// socket's owner.
func (l *Listener) bindShort(s *shortDir, o Options) error {
	handle, err := s.dir.Open(".")
	if err != nil {
		return err
	}
	defer handle.Close()
	l.ln, s.info, err = bindIn(s.dir, s.path, s.name, o)
	if err != nil {
		return err
	}
	if err := platform.Fchown(handle, o.UID, o.GID); err != nil {
		l.ln.Close()
		return err
	}
	l.dial = filepath.Join(s.path, s.name)
	return nil
}
