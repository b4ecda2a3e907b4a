package secretsdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/taskagent/taskagent/platform"
)

// Keep, as a uid or gid, leaves what is made to the user or group we run as.
const Keep = -1

// Why a directory or a name in it was refused.
var (
	// ErrNotPrivate: other users can enter the directory.
	ErrNotPrivate = errors.New("other users can enter it")
	// ErrOwner: the directory belongs to neither us, root nor the task's user, or
	// keeps the task's user out.
	ErrOwner = errors.New("it belongs to the wrong user")
	// ErrSymlink: there is a symlink where a file or directory has to be.
	ErrSymlink = errors.New("it is a symlink")
	// ErrInTheWay: where a file has to be there is something that is neither one
	// nor a symlink.
	ErrInTheWay = errors.New("it is not a file")
)

// inTheWay matches ErrInTheWay and says what is there.
type inTheWay string

func (e inTheWay) Error() string        { return string(e) }
func (e inTheWay) Is(target error) bool { return target == ErrInTheWay }

// Options says how a directory is opened for publishing.
type Options struct {
	// UID and GID own the files and directories that are made, Keep for our own.
	// The zero values are root's.
	UID, GID int
	// Create makes the directory, 0700 and owned by UID and GID, when nothing is
	// there. Its parent has to be there.
	Create bool
	// AllowOthers accepts a directory that other users can enter. Files in it
	// are 0600 all the same.
	AllowOthers bool
}

// Dir is a directory that tokens are published in. It keeps to the directory it
// opened, even when that is renamed. Its methods may be called concurrently.
type Dir struct {
	path string
	root *os.Root
	o    Options

	mu        sync.Mutex             // guards what follows, and makes one change at a time
	published map[string]fs.FileInfo // by clean relative path
	made      []string               // directories, in the order they were made
}

// Open opens the directory at path for publishing, after checking that it is one
// which only the right users can enter. Temporary files that a killed agent left
// in it are removed. The caller closes it.
func Open(path string, o Options) (*Dir, error) {
	d, err := open(path, o)
	if err != nil {
		return nil, fmt.Errorf("open directory %q: %w", path, err)
	}
	d.sweep()
	return d, nil
}

func open(path string, o Options) (*Dir, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) && o.Create {
		if err := platform.MakePrivateDirFor(path, o.UID, o.GID); err != nil {
			return nil, err
		}
		info, err = os.Lstat(path)
	}
	if err != nil {
		return nil, cause(err)
	}
	if err := o.check(path, info); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, cause(err)
	}
	// What was opened is what was checked.
	opened, err := root.Stat(".")
	if err == nil && !os.SameFile(info, opened) {
		err = errors.New("it was replaced just now")
	}
	if err != nil {
		root.Close()
		return nil, cause(err)
	}
	return &Dir{path: path, root: root, o: o, published: make(map[string]fs.FileInfo)}, nil
}

// check judges the directory that is there.
func (o Options) check(path string, info fs.FileInfo) error {
	if info.Mode()&fs.ModeSymlink != 0 {
		return ErrSymlink
	}
	if !info.IsDir() {
		return errors.New("it is not a directory")
	}
	private, err := platform.IsPrivateDir(path)
	if err != nil {
		return err
	}
	if !private && !o.AllowOthers {
		return fmt.Errorf("%w (mode %04o)", ErrNotPrivate, info.Mode().Perm())
	}
	owner, _, ok := platform.FileOwner(info)
	if !ok {
		return nil
	}
	task := o.UID
	if task == Keep {
		task = platform.CurrentUID()
	}
	switch owner {
	case task:
		return nil
	case platform.CurrentUID(), 0:
		if private && task != 0 {
			return fmt.Errorf("%w: only uid %d can enter it, the task's uid %d cannot", ErrOwner, owner, task)
		}
		return nil
	}
	return fmt.Errorf("%w: uid %d, which is neither ours, root's nor the task's", ErrOwner, owner)
}

// Path returns the directory as it was given to Open.
func (d *Dir) Path() string { return d.path }

// Close releases the directory. What was published stays.
func (d *Dir) Close() error { return d.root.Close() }

// Temporary files have names that are known again, and whose length does not
// depend on that of the file they become.
const tempPrefix, tempSuffix = ".taskagent-", ".tmp"

// sweep removes temporary files whose writer is gone. A young one may belong to
// an agent that is at work, and costs nothing but its space.
func (d *Dir) sweep() {
	f, err := d.root.Open(".")
	if err != nil {
		return
	}
	defer f.Close()
	entries, _ := f.ReadDir(-1)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tempPrefix) || !strings.HasSuffix(e.Name(), tempSuffix) || !e.Type().IsRegular() {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > time.Minute {
			_ = d.root.Remove(e.Name())
		}
	}
}

// in names a file of the directory in errors.
func (d *Dir) in(rel string) string { return filepath.Join(d.path, filepath.FromSlash(rel)) }

// cause strips the path that an error of package os repeats.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	if le, ok := errors.AsType[*os.LinkError](err); ok {
		return le.Err
	}
	return err
}
