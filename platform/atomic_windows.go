package platform

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/windows"
)

const openNoFollow = 0 // O_EXCL alone never follows here

// Modes mean nothing here but read-only, which would get in the way of the
// next rename.
func setMode(*os.File, os.FileMode) error { return nil }

func syncDir(string) error { return nil }

// atomicRename retries because a reader that opened the old file without
// FILE_SHARE_DELETE, as most do, keeps it from being replaced while it reads.
func atomicRename(from, to string) error {
	const patience = 2 * time.Second
	deadline := time.Now().Add(patience)
	for delay := time.Millisecond; ; delay = min(2*delay, 10*time.Millisecond) {
		err := os.Rename(from, to)
		held := errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_SHARING_VIOLATION)
		if !held || time.Now().After(deadline) {
			return err
		}
		if info, statErr := os.Lstat(to); statErr != nil || info.IsDir() {
			return err
		}
		time.Sleep(delay)
	}
}

func renameAt(fromDir *os.File, from string, toDir *os.File, to string) error {
	return atomicRename(filepath.Join(fromDir.Name(), from), filepath.Join(toDir.Name(), to))
}
