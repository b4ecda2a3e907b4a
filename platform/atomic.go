package platform

import (
	"fmt"
	"os"
	"path/filepath"
)

// OpenExclusive creates the file name in dir for reading and writing, with
// exactly the mode perm whatever the umask. It fails with an error matching
// [io/fs.ErrExist] when anything, a dangling symlink included, has that name.
// The file is narrower than perm until the call returns, never wider. On
// Windows perm is ignored; the directory's DACL decides.
func OpenExclusive(dir *os.Root, name string, perm os.FileMode) (*os.File, error) {
	f, err := dir.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|openNoFollow, perm&0o600)
	if err != nil {
		return nil, fmt.Errorf("create %q: %w", filepath.Join(dir.Name(), name), cause(err))
	}
	if err := setMode(f, perm); err != nil {
		f.Close()
		dir.Remove(name)
		return nil, fmt.Errorf("set mode of %q to %04o: %w", f.Name(), perm, cause(err))
	}
	return f, nil
}

// SyncDir makes renames in the directory at path outlast a crash of the
// machine. It does nothing on Windows, where the file system's journal does
// that, nor on file systems that cannot sync a directory.
func SyncDir(path string) error {
	if err := syncDir(path); err != nil {
		return fmt.Errorf("sync directory %q: %w", path, cause(err))
	}
	return nil
}

// AtomicRename moves the file from to the name to on the same file system,
// replacing a file that is there: whoever opens to gets the old or the new,
// never none. On Windows it fails while another process holds the old one
// open, so it tries again for up to two seconds.
func AtomicRename(from, to string) error {
	if err := atomicRename(from, to); err != nil {
		return fmt.Errorf("rename %q to %q: %w", from, to, cause(err))
	}
	return nil
}

// RenameAt is [AtomicRename] between two open directories, so that nobody
// who can rename one of them decides what is moved where. Windows has no such
// call: there the directories' names count.
func RenameAt(fromDir *os.File, from string, toDir *os.File, to string) error {
	if err := renameAt(fromDir, from, toDir, to); err != nil {
		return fmt.Errorf("rename %q to %q: %w",
			filepath.Join(fromDir.Name(), from), filepath.Join(toDir.Name(), to), cause(err))
	}
	return nil
}

// OpenPath opens whatever is at path, a socket included, only to name it: the
// file can be given to [DescriptorPath] and to nothing else. A symlink at the
// end is followed. Where the system has no such descriptors the error matches
// [errors.ErrUnsupported].
func OpenPath(path string) (*os.File, error) {
	f, err := openPath(path)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", path, cause(err))
	}
	return f, nil
}

// DescriptorPath returns a short path that leads this process, and no other,
// to the open file f however long its own path is; ok is false where the
// system has none. It is good while f is open.
func DescriptorPath(f *os.File) (path string, ok bool) {
	return descriptorPath(f)
}
