package secretsdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/taskagent/taskagent/platform"
)

// cleanRel returns rel in clean, slash-separated form, or an error when it does
// not name something below the directory.
func cleanRel(rel string) (string, error) {
	if !filepath.IsLocal(filepath.FromSlash(rel)) {
		return "", errors.New("the path leads out of the directory")
	}
	rel = path.Clean(filepath.ToSlash(rel))
	if rel == "." {
		return "", errors.New("the path names no file")
	}
	return rel, nil
}

// subdir is an open directory at or below a Dir's.
type subdir struct {
	*os.Root
	own bool // to be closed
}

func (s subdir) close() {
	if s.own {
		s.Root.Close()
	}
}

// openParent opens the directory that the file rel lies in, one step at a time:
// os.Root alone would follow symlinks that stay inside, to where the task never
// asked for a token. Missing directories are made when create is set.
func (d *Dir) openParent(rel string, create bool) (subdir, error) {
	cur := subdir{Root: d.root}
	dir := path.Dir(rel)
	if dir == "." {
		return cur, nil
	}
	done := ""
	for name := range strings.SplitSeq(dir, "/") {
		done = path.Join(done, name)
		next, made, err := d.enter(cur.Root, name, create)
		cur.close()
		if made {
			d.made = append(d.made, done)
		}
		if err != nil {
			return subdir{}, fmt.Errorf("directory %q: %w", d.in(done), cause(err))
		}
		cur = subdir{next, true}
	}
	return cur, nil
}

// enter opens the directory name in cur.
func (d *Dir) enter(cur *os.Root, name string, create bool) (next *os.Root, made bool, err error) {
	if create {
		err := cur.Mkdir(name, 0o700)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, false, err
		}
		made = err == nil
	}
	info, err := cur.Lstat(name)
	if err != nil {
		return nil, made, err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return nil, made, ErrSymlink
	}
	if !info.IsDir() {
		return nil, made, errors.New("it is not a directory")
	}
	next, err = cur.OpenRoot(name)
	if err != nil {
		return nil, made, err
	}
	if err := d.own(next, info, made); err != nil {
		next.Close()
		if made {
			_ = cur.Remove(name)
		}
		return nil, false, err
	}
	return next, made, nil
}

// own makes sure that dir is the one that info is of, and gives a new one its
// mode and owner. By descriptor: whoever can write above could have put another
// directory, or a link to a file that matters, in its place.
func (d *Dir) own(dir *os.Root, info fs.FileInfo, made bool) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	opened, err := f.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(info, opened) {
		return errors.New("it was replaced just now")
	}
	uid, _, ok := platform.FileOwner(opened)
	if !made || !ok {
		return nil
	}
	if uid != platform.CurrentUID() {
		return errors.New("it was replaced just now")
	}
	if err := f.Chmod(0o700); err != nil { // the umask can have taken from it
		return err
	}
	return platform.Fchown(f, d.o.UID, d.o.GID)
}
