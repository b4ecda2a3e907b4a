package secretsdir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"github.com/taskagent/taskagent/internal/filewatch"
)

// Watcher follows the token in one file. Any number of them work independently
// of each other, and each may be used by several goroutines.
type Watcher struct {
	path string
	c    chan string

	mu      sync.Mutex // guards current, and sending on c
	current string
}

// Watch follows the token at path, which Path returns for an identity, until ctx
// is done. The file need not be there yet, and the directory may go and come
// again. It costs no polling but for one look a minute.
func Watch(ctx context.Context, path string) (*Watcher, error) {
	return WatchEvery(ctx, path, 0)
}

// WatchEvery is Watch with another interval than a minute (zero) for looking at
// the file without having been told of a change, which matters where the system
// does not tell: on network file systems, or out of inotify watches.
func WatchEvery(ctx context.Context, path string, poll time.Duration) (*Watcher, error) {
	abs, err := filepath.Abs(path)
	if err != nil || path == "" {
		return nil, fmt.Errorf("watch token %q: %w", path, errors.Join(errors.New("not a path"), err))
	}
	w := &Watcher{path: abs, c: make(chan string, 1)}
	if token, err := ReadFile(abs); err == nil {
		w.set(token)
	}
	o := tokenFile()
	o.Poll = poll
	go func() {
		defer close(w.c)
		// Ends with ctx and in no other way: the path is absolute.
		_ = filewatch.Watch(ctx, []string{abs}, o, func(_ string, data []byte) {
			w.set(string(bytes.TrimSpace(data)))
		})
	}()
	return w, nil
}

// C delivers the present token if there is one and then every other that comes
// to be in the file. A token not yet received is replaced by a newer one, so the
// newest is what a slow receiver gets. C is closed when the context of Watch is
// done.
func (w *Watcher) C() <-chan string { return w.c }

// Current returns the newest token seen. When the file was removed since, or is
// damaged, it still returns the last good one. Before there was any, the error
// matches fs.ErrNotExist.
func (w *Watcher) Current() (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.current == "" {
		return "", fmt.Errorf("token %q: %w: none was written yet", w.path, fs.ErrNotExist)
	}
	return w.current, nil
}

func (w *Watcher) set(token string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if token == w.current {
		return
	}
	w.current = token
	// Only set sends, so there is room after taking out what nobody received.
	select {
	case <-w.c:
	default:
	}
	w.c <- token
}
