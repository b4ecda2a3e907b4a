//go:build unix

package platform

import (
	"errors"
	"os"
	"syscall"
)

func isPrivateDir(path string) (bool, error) {
	info, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	if !info.IsDir() {
		return false, syscall.ENOTDIR
	}
	return info.Mode().Perm()&0o011 == 0, nil
}

func makePrivateDir(path string, uid, gid int) (err error) {
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(path)
		}
	}()
	// By descriptor from here on: where others can rename what is in the
	// parent, the name may by now lead elsewhere.
	dir, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	info, err := dir.Stat()
	if err != nil {
		return err
	}
	if owner, _, _ := FileOwner(info); owner != CurrentUID() {
		return errors.New("somebody else put another directory in its place")
	}
	// Mkdir's mode went through the umask, and a setgid parent hands its bit
	// down.
	if err := dir.Chmod(0o700); err != nil {
		return err
	}
	if uid == -1 && gid == -1 {
		return nil
	}
	return dir.Chown(uid, gid)
}

func protectFile(f *os.File) error {
	return f.Chmod(0o600)
}

func protectSocket(path string) error {
	return os.Chmod(path, 0o600)
}
