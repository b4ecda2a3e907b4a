//go:build darwin || freebsd

package platform

import "golang.org/x/sys/unix"

func isTmpfs(path string) bool {
	var st unix.Statfs_t
	if unix.Statfs(path, &st) != nil {
		return false
	}
	return unix.ByteSliceToString(st.Fstypename[:]) == "tmpfs"
}
