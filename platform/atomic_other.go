//go:build !unix && !windows

package platform

import (
	"os"
	"path/filepath"
)

const openNoFollow = 0

func setMode(f *os.File, perm os.FileMode) error { return f.Chmod(perm) }

func syncDir(string) error { return nil }

func atomicRename(from, to string) error { return os.Rename(from, to) }

func renameAt(fromDir *os.File, from string, toDir *os.File, to string) error {
	return os.Rename(filepath.Join(fromDir.Name(), from), filepath.Join(toDir.Name(), to))
}
