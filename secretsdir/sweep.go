package secretsdir

import (
	"crypto/rand"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/taskagent/taskagent/platform"
)

// sweepAge is how old a layout must be to be swept: a younger one may be about
// to be locked.
const sweepAge = time.Minute

// sweepLayouts removes layouts in parent whose agent was killed: nobody holds
// their lock. Only where nobody else could have made them, or as root, who keeps
// to the descriptor of what it removes.
func sweepLayouts(parent string) {
	top, err := os.Stat(parent)
	if err != nil {
		return
	}
	// In a directory that only we write to, a layout was ours before we gave it
	// to the user of a task.
	onlyUs := ours(top) && top.Mode().Perm()&0o022 == 0
	// In a sticky one a name is safe from all but its owner.
	others := platform.CurrentUID() == 0 && ours(top) && top.Mode()&fs.ModeSticky != 0
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() || !isLayoutName(e.Name()) {
			continue
		}
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < sweepAge {
			continue
		}
		switch {
		case onlyUs, ours(info):
			sweepLayout(filepath.Join(parent, e.Name()), info)
		case others:
			sweepForeign(parent, info)
		}
	}
}

func isLayoutName(name string) bool {
	return strings.HasPrefix(name, layoutPrefix) && len(name) == len(layoutPrefix)+len(rand.Text())
}

func ours(info fs.FileInfo) bool {
	uid, _, ok := platform.FileOwner(info)
	return ok && uid == platform.CurrentUID()
}

func sweepLayout(path string, info fs.FileInfo) {
	dir, err := os.Open(path)
	if err != nil {
		return
	}
	defer dir.Close()
	opened, err := dir.Stat()
	if err != nil || !os.SameFile(info, opened) || platform.TryLockDir(dir) != nil {
		return
	}
	_ = removeAll(path)
}

// sweepForeign removes a layout that belongs to another user from a sticky
// directory. That user may rename it, and all that is below it, at any time, so
// everything goes by way of the directory that was opened, and no symlink is
// followed. Nothing is lost but what that user could remove as well.
func sweepForeign(parent string, info fs.FileInfo) {
	top, err := os.OpenRoot(parent)
	if err != nil {
		return
	}
	defer top.Close()
	root, err := top.OpenRoot(info.Name())
	if err != nil {
		return
	}
	defer root.Close()
	dir, err := root.Open(".")
	if err != nil {
		return
	}
	defer dir.Close() // which unlocks it, when it is gone
	opened, err := dir.Stat()
	if err != nil || !os.SameFile(info, opened) || opened.Mode().Perm() != 0o700 || platform.TryLockDir(dir) != nil {
		return
	}
	names, err := dir.Readdirnames(-1)
	if err != nil || slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(layoutNames, n) }) {
		return // not made by us
	}
	for _, name := range names {
		if root.RemoveAll(name) != nil {
			return
		}
	}
	_ = top.Remove(info.Name())
}
