//go:build unix

package platform

import (
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

func tempRoots() []tempRoot {
	var roots []tempRoot
	// Under sudo it may name the caller's; that one is not ours to use.
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		roots = append(roots, tempRoot{path: filepath.Clean(dir), own: true})
	}
	if CurrentUID() == 0 {
		roots = append(roots, tempRoot{path: "/run"})
	}
	return append(roots, tempRoot{path: "/dev/shm"})
}

func safeParent(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return false
	}
	uid, _, ok := FileOwner(info)
	if !ok || (uid != CurrentUID() && uid != 0) {
		return false
	}
	if info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return false
	}
	return unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK|unix.X_OK, unix.AT_EACCESS) == nil
}

func canReach(path string, uid int) bool {
	if uid == 0 {
		return true
	}
	// Where the path really leads: /tmp is a symlink on some systems.
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false
	}
	for {
		info, err := os.Stat(path)
		if err != nil {
			return false
		}
		// The kernel asks one class only: an owner without the bit is
		// refused even where others have it.
		enter := fs.FileMode(0o001)
		if owner, _, _ := FileOwner(info); owner == uid {
			enter = 0o100
		}
		if info.Mode().Perm()&enter == 0 {
			return false
		}
		parent := filepath.Dir(path)
		if parent == path {
			return true
		}
		path = parent
	}
}
