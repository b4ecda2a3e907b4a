//go:build unix

package platform

import (
	"io/fs"
	"os"
	"syscall"
)

func fileOwner(info fs.FileInfo) (uid, gid int, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1, -1, false
	}
	return int(st.Uid), int(st.Gid), true
}

func lchown(path string, uid, gid int) error {
	return os.Lchown(path, uid, gid)
}

func fchown(f *os.File, uid, gid int) error {
	return f.Chown(uid, gid)
}
