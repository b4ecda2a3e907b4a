package filewatch

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watch follows the files at paths until ctx is done and calls changed with the
// first content of each that is complete and at rest, and with every other that
// follows; it does not call it for the same content again, nor for a file that
// went away. It blocks and calls changed from the goroutine it was called on;
// changed owns data.
//
// The files and their directories need not be there yet. Where the system can
// or will not notify (limits on inotify, file systems of the network), the poll
// alone finds changes. The error is ctx's, or says that a path cannot be made
// absolute.
func Watch(ctx context.Context, paths []string, o Options, changed func(path string, data []byte)) error {
	w := &watcher{o: o.withDefaults(), changed: changed}
	for _, p := range paths {
		abs, err := filepath.Abs(p)
		if err != nil {
			return fmt.Errorf("watch %q: %w", p, err)
		}
		w.files = append(w.files, &file{path: abs, name: p})
	}
	return w.run(ctx)
}

// file is one of the followed files.
type file struct {
	path    string // absolute and clean
	name    string // as the caller has it
	last    []byte // the content handed on last
	pending *sample
}

type watcher struct {
	o       Options
	changed func(path string, data []byte)
	files   []*file
	dirs    dirs
}

func (w *watcher) run(ctx context.Context) error {
	var events chan fsnotify.Event
	var errs chan error
	if notify, err := fsnotify.NewWatcher(); err == nil {
		defer notify.Close()
		w.dirs.notify = notify
		events, errs = notify.Events, notify.Errors
	}
	poll := time.NewTimer(w.o.Poll)
	defer poll.Stop()
	settle := time.NewTimer(0)
	defer settle.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case ev := <-events:
			if !w.dirs.relevant(ev) {
				continue
			}
		case <-errs: // events were lost: look at everything
		case <-poll.C:
		case <-settle.C:
		}
		if w.look() {
			settle.Reset(w.o.Settle)
		}
		poll.Reset(w.o.Poll)
	}
}

// look reads every file and hands on what changed. It reports whether some file
// has to be looked at again once it had time to settle.
func (w *watcher) look() (again bool) {
	// First watch, then read: what changes in between is noticed.
	w.dirs.arm(w.files)
	for _, f := range w.files {
		if w.lookAt(f) {
			again = true
		}
	}
	return again
}

func (w *watcher) lookAt(f *file) (again bool) {
	s, err := take(f.path)
	if err != nil {
		f.pending = nil
		return err == ErrUnsettled
	}
	before := f.pending
	f.pending = nil
	switch {
	case !w.o.Valid(s.data):
		// Whoever is writing it will be done some time, which is another change.
		return false
	case f.last != nil && bytes.Equal(s.data, f.last):
		return false
	case s.atRest() || s.settled(before):
		f.last = s.data
		w.changed(f.name, bytes.Clone(s.data))
		return false
	}
	f.pending = s
	return true
}
