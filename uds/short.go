package uds

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/taskagent/taskagent/platform"
)

// shortPrefix begins the names of directories that hold a short name.
const shortPrefix = "taskagent-"

// shortDir is a private directory with one socket, the target of an alias.
type shortDir struct {
	path string   // of the directory
	dir  *os.Root // the same
	name string   // of the socket
	info fs.FileInfo
}

// placeShort listens under a short name and makes the path an alias of it.
func (l *Listener) placeShort(o Options) error {
	short, err := makeShortDir(l.name, o)
	if err != nil {
		return err
	}
	if err := l.bindShort(short, o); err != nil {
		return errors.Join(err, short.remove())
	}
	l.info, err = makeAlias(l.dir, l.name, l.dial, o)
	if err != nil {
		l.ln.Close()
		return errors.Join(fmt.Errorf("make an alias of %q: %w", l.dial, cause(err)), short.remove())
	}
	l.short = short
	return nil
}

// makeShortDir makes a directory in which the socket, by the name wanted or by
// a shorter one, has a path that fits.
func makeShortDir(wanted string, o Options) (*shortDir, error) {
	var err error
	for _, root := range shortRoots(o) {
		if err = checkShortRoot(root, o); err != nil {
			continue
		}
		dir := filepath.Join(root, randomName(shortPrefix))
		for _, name := range []string{wanted, "s"} {
			if path := filepath.Join(dir, name); len(path) > MaxPath {
				err = tooLong(path)
				continue
			}
			// Given to the socket's owner only when everything is in it.
			if err = platform.MakePrivateDir(dir); err != nil {
				break
			}
			r, err := os.OpenRoot(dir)
			if err != nil {
				os.Remove(dir)
				return nil, err
			}
			return &shortDir{path: dir, dir: r, name: name}, nil
		}
	}
	return nil, fmt.Errorf("no place for a short name of it: %w", err)
}

// shortRoots are the directories that a shortDir may be made in, best first.
func shortRoots(o Options) []string {
	if o.RuntimeDir != "" {
		dir, err := filepath.Abs(o.RuntimeDir)
		if err != nil {
			dir = o.RuntimeDir
		}
		return []string{dir}
	}
	private, _ := platform.PrivateTempRootFor(owner(o))
	return slices.Compact(append([]string{filepath.Clean(private), filepath.Clean(os.TempDir())}, lastRoots...))
}

func checkShortRoot(root string, o Options) error {
	if !platform.SafeParent(root) {
		return fmt.Errorf("%q is not a directory where we can write and others cannot rename what is ours", root)
	}
	if uid := owner(o); !platform.CanReach(root, uid) {
		return fmt.Errorf("uid %d cannot reach %q", uid, root)
	}
	return nil
}

// owner is the user whom the socket will belong to.
func owner(o Options) int {
	if o.UID == -1 {
		return platform.CurrentUID()
	}
	return o.UID
}

// isShortDir reports whether the path dir is called like a directory that
// makeShortDir makes.
func isShortDir(dir string) bool {
	suffix, ok := strings.CutPrefix(filepath.Base(dir), shortPrefix)
	return ok && len(suffix) == randomLen && strings.Trim(suffix, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// remove removes the socket, if it is still the one that was made, and the
// directory, if it is empty then.
func (s *shortDir) remove() error {
	var err error
	if s.info != nil {
		err = removeSame(s.dir, s.name, s.info)
	}
	s.dir.Close()
	if rmErr := os.Remove(s.path); rmErr != nil && !errors.Is(rmErr, fs.ErrNotExist) {
		err = errors.Join(err, rmErr)
	}
	return err
}

// makeAlias makes name in dir a symlink to target, in one step. It is the
// socket owner's: in a sticky directory the kernel follows no one else's.
func makeAlias(dir *os.Root, name, target string, o Options) (info fs.FileInfo, err error) {
	tmp := randomName(stagePrefix)
	if err := dir.Symlink(target, tmp); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			dir.Remove(tmp)
		}
	}()
	if o.UID != -1 || o.GID != -1 {
		if err := dir.Lchown(tmp, o.UID, o.GID); err != nil {
			return nil, err
		}
	}
	if info, err = dir.Lstat(tmp); err != nil {
		return nil, err
	}
	return info, dir.Rename(tmp, name)
}

// leftover is the target of an alias whose listener did not live to close it.
type leftover struct {
	target string // empty: none
	o      Options
}

// remove takes the dead socket and its directory away, if they are where and
// whose Listen would make them with the same options. The owner of an alias
// may be a task that is not to be trusted, so everything is looked at through
// descriptors and at most a dead socket of that same owner can go.
func (l leftover) remove() {
	if l.target == "" {
		return
	}
	dir, name := filepath.Split(l.target)
	dir = filepath.Clean(dir)
	root, dirName := filepath.Split(dir)
	if !slices.Contains(shortRoots(l.o), filepath.Clean(root)) {
		return
	}
	parent, err := os.OpenRoot(root)
	if err != nil {
		return
	}
	defer parent.Close()
	r, err := parent.OpenRoot(dirName)
	if err != nil {
		return
	}
	defer r.Close()
	info, err := r.Stat(".")
	if err != nil || info.Mode().Perm() != 0o700 {
		return
	}
	if uid, _, ok := platform.FileOwner(info); ok && uid != owner(l.o) {
		return
	}
	there, err := r.Lstat(name)
	if err == nil && there.Mode()&fs.ModeSocket != 0 {
		if state, err := Probe(l.target); err != nil || state != Dead {
			return
		}
		r.Remove(name)
	}
	parent.Remove(dirName)
}
