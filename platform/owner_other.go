//go:build !unix

package platform

import (
	"errors"
	"io/fs"
	"os"
)

func fileOwner(fs.FileInfo) (uid, gid int, ok bool) {
	return -1, -1, false
}

func lchown(string, int, int) error {
	return errors.ErrUnsupported
}

func fchown(*os.File, int, int) error {
	return errors.ErrUnsupported
}
