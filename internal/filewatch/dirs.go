package filewatch

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

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
	return d.names[name] || d.wild[filepath.Dir(name)]
}

// arm watches what has to be watched for the files as they lie now, and nothing
// else. A directory that comes between the look at where they lie and the watch
// above it would go unnoticed, so it looks again until nothing new shows.
func (d *dirs) arm(files []*file) {
	if d.notify == nil {
		return
	}
	var armed map[string]fs.FileInfo
	// The bound is for whoever replaces directories faster than we look.
	for range 10 {
		want := d.survey(files)
		if armed != nil && maps.EqualFunc(want, armed, os.SameFile) {
			return
		}
		d.watch(want)
		armed = want
	}
}

// survey returns the directories to watch, and notes the names that count.
func (d *dirs) survey(files []*file) map[string]fs.FileInfo {
	names := make(map[string]bool)
	d.names, d.wild = make(map[string]bool), make(map[string]bool)
	for _, f := range files {
		d.want(names, f.path)
	}
	want := make(map[string]fs.FileInfo)
	for dir := range names {
		if info, err := os.Stat(dir); err == nil {
			want[dir] = info
		}
	}
	return want
}

// watch makes want what is watched.
func (d *dirs) watch(want map[string]fs.FileInfo) {
	for dir, before := range d.have {
		if info, ok := want[dir]; !ok || !os.SameFile(before, info) {
			_ = d.notify.Remove(dir)
		}
	}
	d.have = make(map[string]fs.FileInfo)
	// What is above comes first: when a directory is replaced while we are at it,
	// either the watch above tells of that or the new one is what we add.
	for _, dir := range slices.Sorted(maps.Keys(want)) {
		// Also when it seems to be watched already, which does no harm: fsnotify
		// drops the watch of a removed directory, not always with an event, and the
		// next directory may well have the inode number of the last.
		// Without a watch left (limits of the system) the poll has to do.
		if d.notify.Add(dir) == nil {
			d.have[dir] = want[dir]
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
