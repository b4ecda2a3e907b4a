//go:build !unix

package datafile

import (
	"io/fs"
	"os"
)

func openNoFollow(path string) (*os.File, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, ErrNotPlain
	}
	return os.Open(path)
}

// createPrivate relies on the data directory's access list: files in it inherit it.
func createPrivate(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// checkOwner has nothing to check: the directory's access list is the boundary.
func checkOwner(fs.FileInfo) error { return nil }

// syncDir is not needed: the file systems of Windows journal renames.
func syncDir(string) error { return nil }
