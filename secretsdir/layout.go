package secretsdir

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/taskagent/taskagent/platform"
)

// Layout is a private directory with the directories of one task in it.
type Layout struct {
	// Root is the directory around the others. Nobody but the task's user and
	// root can enter it.
	Root string
	// Secrets, Local and Alloc are below Root.
	Secrets, Local, Alloc string
	// Tmpfs says whether Root is in memory.
	Tmpfs bool

	lock *os.File // Root, locked while we live; nil where that cannot be done
}

// layoutPrefix starts the names of Roots.
const layoutPrefix = "taskagent-"

// layoutNames are what is in a Root.
var layoutNames = []string{"secrets", "local", "alloc"}

// CreateLayout makes a fresh Layout in parent for the user uid and group gid,
// Keep for our own. An empty parent means platform.PrivateTempRootFor that user.
// Layouts that killed agents of our own left in parent are removed on the way;
// for root, those of other users' agents too.
// The caller calls Remove.
func CreateLayout(parent string, uid, gid int) (*Layout, error) {
	l := &Layout{}
	if parent == "" {
		user := uid
		if user == Keep {
			user = platform.CurrentUID()
		}
		parent, l.Tmpfs = platform.PrivateTempRootFor(user)
	}
	sweepLayouts(parent)
	l.Root = filepath.Join(parent, layoutPrefix+rand.Text())
	l.Secrets, l.Local, l.Alloc = filepath.Join(l.Root, "secrets"), filepath.Join(l.Root, "local"), filepath.Join(l.Root, "alloc")
	if err := l.create(uid, gid); err != nil {
		return nil, fmt.Errorf("make the task's directories: %w", err)
	}
	return l, nil
}

func (l *Layout) create(uid, gid int) (err error) {
	// Ours until it is complete: the task's user has no way in while we work by
	// path below it.
	if err := platform.MakePrivateDir(l.Root); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = l.Remove()
		}
	}()
	if l.lock, err = os.Open(l.Root); err != nil {
		return err
	}
	if err := platform.TryLockDir(l.lock); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	for _, dir := range []string{l.Secrets, l.Local, l.Alloc} {
		if err := platform.MakePrivateDirFor(dir, uid, gid); err != nil {
			return err
		}
	}
	return platform.Fchown(l.lock, uid, gid)
}

// Remove removes Root and everything in it. It may be called again.
func (l *Layout) Remove() error {
	if l.lock != nil {
		l.lock.Close()
		l.lock = nil
	}
	if err := removeAll(l.Root); err != nil {
		return fmt.Errorf("remove the task's directories: %w", err)
	}
	return nil
}

// removeAll also removes what a task made read-only. Root need not care, and must
// not: in a directory of the task's user a name can become a link to anything
// before it is changed.
func removeAll(path string) error {
	err := os.RemoveAll(path)
	if !errors.Is(err, fs.ErrPermission) || platform.CurrentUID() == 0 {
		return err
	}
	_ = filepath.WalkDir(path, func(p string, e fs.DirEntry, err error) error {
		if e != nil && e.IsDir() {
			_ = os.Chmod(p, 0o700)
		}
		return nil
	})
	return os.RemoveAll(path)
}
