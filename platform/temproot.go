package platform

import "os"

// PrivateTempRoot returns a directory to make private directories in, best
// one in memory: XDG_RUNTIME_DIR, /run (for root), /dev/shm, whichever is a
// tmpfs first, else [os.TempDir]. tmpfs says whether what is written there
// stays out of the disk (it may still be swapped). Nothing is ever mounted.
//
// A directory in memory is only returned when it belongs to us or root, we
// can write to it, and nobody else can rename what we make in it. The caller
// makes a directory of its own in it, with [MakePrivateDir].
func PrivateTempRoot() (dir string, tmpfs bool) {
	return PrivateTempRootFor(CurrentUID())
}

// PrivateTempRootFor is [PrivateTempRoot] for directories that the user uid
// will own: a place that user could not reach, such as root's own
// XDG_RUNTIME_DIR, is passed over.
func PrivateTempRootFor(uid int) (dir string, tmpfs bool) {
	for _, candidate := range tempRoots() {
		if isTmpfs(candidate.path) && candidate.usable() && canReach(candidate.path, uid) {
			return candidate.path, true
		}
	}
	dir = os.TempDir()
	return dir, isTmpfs(dir)
}

// tempRoot is a directory that may serve as a root of private directories.
type tempRoot struct {
	path string
	own  bool // must belong to us, not just to root
}

func (r tempRoot) usable() bool {
	if r.own {
		info, err := os.Stat(r.path)
		if err != nil {
			return false
		}
		if uid, _, ok := FileOwner(info); !ok || uid != CurrentUID() {
			return false
		}
	}
	return safeParent(r.path)
}

// SafeParent reports whether a private directory can be made in the directory
// at path: it belongs to us or root, we can write to it, and nobody else can
// rename or remove what we make in it (it is sticky where others can write).
// What is above it is not looked at. Where there are no modes (Windows) only
// that it is a directory is checked: what is made there brings its own DACL.
func SafeParent(path string) bool {
	return safeParent(path)
}

// CanReach reports whether the user uid could enter the directory at path by
// the owner and other bits of it and of everything above it. Groups and access
// lists are not looked at: one that gives rights makes false wrong, one that
// takes them away makes true wrong. Where there are no numeric users it is true.
func CanReach(path string, uid int) bool {
	return canReach(path, uid)
}
