package platform

import "golang.org/x/sys/unix"

func isTmpfs(path string) bool {
	var st unix.Statfs_t
	if unix.Statfs(path, &st) != nil {
		return false
	}
	name := unix.ByteSliceToString(st.F_fstypename[:])
	return name == "tmpfs" || name == "mfs"
}
