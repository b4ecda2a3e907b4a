package filewatch

import (
	"os"
	"path/filepath"
)

// open goes through os.Root because that shares the file for deletion, which
// os.Open does not: a writer could not replace the file while we read it.
func open(path string) (*os.File, error) {
	return os.OpenInRoot(filepath.Dir(path), filepath.Base(path))
}
