package platform

import (
	"fmt"
	"os"
)

// IsPrivateDir reports whether nobody but its owner and the superuser (on
// Windows SYSTEM and Administrators too) can enter the directory at path or
// open what is in it. Who the owner is remains for the caller to check, see
// [FileOwner]. A symlink at the end of path is followed.
//
// On Unix the mode decides. It covers POSIX access lists, whose entries never
// give more than the group bits show; the richer lists of macOS and of NFSv4
// do not show in the mode and are not seen. On Windows the DACL decides,
// inheritable entries included: bypassing the check on directories is
// everyone's right there, so what a file inherits counts.
func IsPrivateDir(path string) (bool, error) {
	private, err := isPrivateDir(path)
	if err != nil {
		return false, fmt.Errorf("check directory %q: %w", path, cause(err))
	}
	return private, nil
}

// MakePrivateDir makes the directory path, which must not exist, for us
// alone: mode 0700 whatever the umask, on Windows a protected DACL for us,
// SYSTEM and Administrators that files in it inherit. On failure nothing is
// left behind.
func MakePrivateDir(path string) error {
	return MakePrivateDirFor(path, -1, -1)
}

// MakePrivateDirFor is [MakePrivateDir] for a directory that belongs to uid
// and gid, -1 meaning ours. Where the system has no numeric owners giving it
// away fails with an error matching [errors.ErrUnsupported].
func MakePrivateDirFor(path string, uid, gid int) error {
	if err := makePrivateDir(path, uid, gid); err != nil {
		return fmt.Errorf("make private directory %q: %w", path, cause(err))
	}
	return nil
}

// ProtectFile takes every right on the open file f from everybody but its
// owner and the superuser: mode 0600, on Windows a protected DACL for us,
// SYSTEM and Administrators.
func ProtectFile(f *os.File) error {
	if err := protectFile(f); err != nil {
		return fmt.Errorf("protect %q: %w", f.Name(), cause(err))
	}
	return nil
}

// ProtectSocket is [ProtectFile] for the Unix socket bound at path, which
// cannot be opened as a file. On Unix the caller must keep others from
// replacing it meanwhile.
func ProtectSocket(path string) error {
	if err := protectSocket(path); err != nil {
		return fmt.Errorf("protect socket %q: %w", path, cause(err))
	}
	return nil
}
