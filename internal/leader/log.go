package leader

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/hashicorp/go-hclog"

	"github.com/taskagent/taskagent/internal/leader/datadir"
	"github.com/taskagent/taskagent/platform"
)

// maxLog is how large the log of a detached leader may be when one starts; then
// a new one is begun and this one kept.
const maxLog = 4 << 20

// openLog opens the log of a detached leader, and sees that a crash is written
// there too.
func openLog(dir string) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer root.Close()
	if info, err := root.Lstat(datadir.Log); err == nil && (info.Size() > maxLog || !info.Mode().IsRegular()) {
		if err := platform.AtomicRename(filepath.Join(dir, datadir.Log), filepath.Join(dir, datadir.OldLog)); err != nil {
			return nil, fmt.Errorf("begin a new log: %w", err)
		}
	}
	f, err := root.OpenFile(datadir.Log, os.O_WRONLY|os.O_APPEND, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if f, err = platform.OpenExclusive(root, datadir.Log, 0o600); err == nil {
			f.Close()
			f, err = root.OpenFile(datadir.Log, os.O_WRONLY|os.O_APPEND, 0)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	_ = debug.SetCrashOutput(f, debug.CrashOptions{}) // without it, a crash is only not explained
	return f, nil
}

func fileLogger(f *os.File) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{
		Name: "taskagent", Level: hclog.Info, Output: f, TimeFormat: "2006-01-02T15:04:05.000Z07:00",
	})
}
