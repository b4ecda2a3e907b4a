package filewatch

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// dirs keeps the right directories watched. Directories, not files: a watch on
// a file ends with the file, and the next one has the same name only.
type dirs struct {
	notify *fsnotify.Watcher      // nil where there are no notifications
	have   map[string]fs.FileInfo // watched, as they were just before
	// names are the paths whose events count; in a directory of wild all do.
	names, wild map[string]bool
}

// relevant reports whether an event can have changed one of the files. Others
// are common: the directory above may be /tmp.
func (d *dirs) relevant(ev fsnotify.Event) bool {
	name := filepath.Clean(ev.Name)
	if ev.Has(fsnotify.Remove) || ev.Has(fsnotify.Rename) {
		// fsnotify dropped its watch, if it was one of a directory.
		delete(d.have, name)
	}
	return d.names[name] || d.wild[filepath.Dir(name)]
}

// arm watches what has to be watched for the files as they lie now, and nothing
// else.
func (d *dirs) arm(files []*file) {
	if d.notify == nil {
		return
	}
	want := make(map[string]bool)
	d.names, d.wild = make(map[string]bool), make(map[string]bool)
	for _, f := range files {
		d.want(want, f.path)
	}
	for dir := range d.have {
		if !want[dir] {
			_ = d.notify.Remove(dir)
			delete(d.have, dir)
		}
	}
	if d.have == nil {
		d.have = make(map[string]fs.FileInfo)
	}
	for dir := range want {
		info, err := os.Stat(dir)
		if err != nil {
			continue // it went just now; the event for that brings us here again
		}
		if before, ok := d.have[dir]; ok {
			if os.SameFile(before, info) {
				continue
			}
			_ = d.notify.Remove(dir)
			delete(d.have, dir)
		}
		// Without a watch left (limits of the system) the poll has to do.
		if d.notify.Add(dir) == nil {
			d.have[dir] = info
		}
	}
}

// want adds the directories that matter to the file at path.
func (d *dirs) want(want map[string]bool, path string) {
	dir := filepath.Dir(path)
	d.names[path], d.names[dir] = true, true
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		d.wantAncestor(want, dir)
		return
	}
	want[dir] = true
	if isSymlink(dir) {
		want[filepath.Dir(dir)] = true
	}
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		// The directory may be next to go, and says so itself only when nobody
		// has it open any more.
		want[filepath.Dir(dir)] = true
	case info.Mode()&fs.ModeSymlink != 0:
		// Any name in here may be a step on the way, like ..data in a volume of
		// Kubernetes. Steps elsewhere are left to the poll, but for the last.
		d.wild[dir] = true
		if real, err := filepath.EvalSymlinks(path); err == nil {
			want[filepath.Dir(real)] = true
			d.names[real], d.names[filepath.Dir(real)] = true, true
		}
	}
}

// wantAncestor watches the closest directory above the missing dir for the one
// name that leads to it.
func (d *dirs) wantAncestor(want map[string]bool, dir string) {
	for {
		parent := filepath.Dir(dir)
		d.names[dir] = true
		if info, err := os.Stat(parent); err == nil && info.IsDir() || parent == dir {
			want[parent] = true
			return
		}
		dir = parent
	}
}

func isSymlink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}
