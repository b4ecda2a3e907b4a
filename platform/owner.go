package platform

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// FileOwner reports who owns the file that info describes. ok is false where
// the system keeps no numeric owners (Windows) or info did not come from the
// operating system.
func FileOwner(info fs.FileInfo) (uid, gid int, ok bool) {
	return fileOwner(info)
}

// CurrentUID returns the user id that files made by this process belong to,
// its effective one, or -1 where the system has no numeric users (Windows).
func CurrentUID() int {
	return os.Geteuid()
}

// Chown gives the file at path to uid and gid without following a symlink at
// its end; -1 keeps the one it has. Where the system has no numeric owners
// the error matches [errors.ErrUnsupported], unless both are -1.
//
// A caller must not answer a failure with a wider mode.
func Chown(path string, uid, gid int) error {
	if uid == -1 && gid == -1 {
		return nil
	}
	if err := lchown(path, uid, gid); err != nil {
		return fmt.Errorf("give %q to %s: %w", path, ownerString(uid, gid), cause(err))
	}
	return nil
}

// Fchown is [Chown] for an open file.
func Fchown(f *os.File, uid, gid int) error {
	if uid == -1 && gid == -1 {
		return nil
	}
	if err := fchown(f, uid, gid); err != nil {
		return fmt.Errorf("give %q to %s: %w", f.Name(), ownerString(uid, gid), cause(err))
	}
	return nil
}

func ownerString(uid, gid int) string {
	switch {
	case gid == -1:
		return fmt.Sprintf("uid %d", uid)
	case uid == -1:
		return fmt.Sprintf("gid %d", gid)
	}
	return fmt.Sprintf("uid %d gid %d", uid, gid)
}

// cause strips the operation and the path from an error of package os, for
// messages that name both in words of their own.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	var le *os.LinkError
	if errors.As(err, &le) {
		return le.Err
	}
	var se *os.SyscallError
	if errors.As(err, &se) {
		return se.Err
	}
	return err
}
