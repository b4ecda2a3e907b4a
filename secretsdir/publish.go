package secretsdir

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"

	"github.com/taskagent/taskagent/platform"
)

// Publish makes data the content of the file rel, a slash-separated path below
// the directory; directories on the way are made, 0700. Whoever opens the file
// gets the old content or the new one, whole. The file has mode 0600 and the
// owner of Options from the moment it can be seen. When Publish fails, the old
// file is as it was; only a disk that fails to make the new name last, the very
// end of it, is reported with the new file in place.
//
// A symlink, a directory or anything but a regular file at rel is an error, as
// is a symlink on the way: they are not ours to replace or to follow.
func (d *Dir) Publish(rel string, data []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.publish(rel, data); err != nil {
		return fmt.Errorf("publish %q: %w", d.in(rel), cause(err))
	}
	return nil
}

func (d *Dir) publish(rel string, data []byte) (err error) {
	rel, err = cleanRel(rel)
	if err != nil {
		return err
	}
	parent, err := d.openParent(rel, true)
	if err != nil {
		return err
	}
	defer parent.close()
	base := path.Base(rel)
	if err := regularOrMissing(parent.Root, base); err != nil {
		return err
	}
	// The descriptor decides where the rename happens: the task may own the
	// directory and rename it meanwhile.
	dir, err := parent.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	temp := tempPrefix + rand.Text() + tempSuffix
	info, err := d.writeTemp(parent.Root, temp, data)
	if err != nil {
		return err
	}
	if err := platform.RenameAt(dir, temp, dir, base); err != nil {
		_ = parent.Remove(temp)
		return err
	}
	d.published[rel] = info
	return syncDir(dir)
}

// writeTemp makes a file that is complete but for its name. On failure nothing
// is left of it.
func (d *Dir) writeTemp(parent *os.Root, name string, data []byte) (info fs.FileInfo, err error) {
	f, err := platform.OpenExclusive(parent, name, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			_ = parent.Remove(name)
		}
	}()
	if err := platform.Fchown(f, d.o.UID, d.o.GID); err != nil {
		return nil, err
	}
	if _, err := f.Write(data); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	return f.Stat()
}

// syncDir makes the rename outlast a crash, where the file system can do that.
func syncDir(dir *os.File) error {
	if runtime.GOOS == "windows" {
		return nil // its journal does
	}
	err := dir.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

func regularOrMissing(parent *os.Root, name string) error {
	info, err := parent.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return ErrSymlink
	case info.IsDir():
		return inTheWay("it is a directory")
	case !info.Mode().IsRegular():
		return inTheWay("it is not a regular file")
	}
	return nil
}

// Remove removes the file rel, if it is there. It removes no directory.
func (d *Dir) Remove(rel string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.remove(rel, nil); err != nil {
		return fmt.Errorf("remove %q: %w", d.in(rel), cause(err))
	}
	return nil
}

// RemovePublished removes every file that Publish made and that is still the
// same one, and the directories made for them where nothing else is in there.
// What somebody put in place of a file is left alone.
func (d *Dir) RemovePublished() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for rel, info := range d.published {
		if err := d.remove(rel, info); err != nil {
			errs = append(errs, fmt.Errorf("remove %q: %w", d.in(rel), cause(err)))
		}
	}
	for _, rel := range slices.Backward(d.made) {
		// Not empty: others use it now.
		_ = d.root.Remove(filepath.FromSlash(rel))
	}
	d.made = nil
	return errors.Join(errs...)
}

// remove removes rel, with a non-nil only only when that is what is there.
func (d *Dir) remove(rel string, only fs.FileInfo) error {
	rel, err := cleanRel(rel)
	if err != nil {
		return err
	}
	delete(d.published, rel)
	parent, err := d.openParent(rel, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer parent.close()
	base := path.Base(rel)
	info, err := parent.Lstat(base)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case only != nil && !os.SameFile(only, info):
		return nil
	case info.IsDir():
		return errors.New("it is a directory")
	}
	return parent.Remove(base)
}
