package leader

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/taskagent/taskagent/internal/leader/datadir"
	"github.com/taskagent/taskagent/internal/leader/datafile"
	"github.com/taskagent/taskagent/internal/leader/keyring"
	"github.com/taskagent/taskagent/internal/leader/state"
	"github.com/taskagent/taskagent/internal/wire"
	"github.com/taskagent/taskagent/platform"
)

// errNoSnapshot is what a file is that Snapshot has not written.
var errNoSnapshot = errors.New("is not a snapshot of taskagent, or not all of one")

// Restore makes the data directory what it was when the snapshot at path was
// written. It refuses a directory that holds anything, and a snapshot that is not
// whole; nothing is put into place before all of it has been checked.
func Restore(ctx context.Context, dataDir, path string) error {
	if err := restore(ctx, dataDir, path); err != nil {
		return fmt.Errorf("restore %s: %w", dataDir, err)
	}
	return nil
}

func restore(ctx context.Context, dataDir, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := datadir.Ensure(dataDir); err != nil {
		return err
	}
	if err := mustBeNew(dataDir); err != nil {
		return err
	}
	lock, err := acquire(ctx, dataDir, false, wire.Leader{PID: os.Getpid(), Since: time.Now()})
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if err := mustBeNew(dataDir); err != nil {
		return err
	}
	stage := filepath.Join(dataDir, ".restore.tmp-"+state.NewID())
	if err := platform.MakePrivateDir(stage); err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := unpack(f, info.Size(), stage); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := checkStage(stage); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	// The version comes last: until it is there the directory is not complete.
	for _, name := range []string{datadir.Keyring, datadir.Settings, datadir.Token, datadir.State, datadir.Version} {
		err := platform.AtomicRename(filepath.Join(stage, name), filepath.Join(dataDir, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := platform.SyncDir(dataDir); err != nil {
			return err
		}
	}
	return nil
}

// mustBeNew refuses a directory that holds keys or a store, whole or not.
func mustBeNew(dataDir string) error {
	complete, err := datadir.Inspect(dataDir)
	if err != nil {
		return err
	}
	for _, name := range []string{datadir.Keyring, datadir.State} {
		if _, err := os.Lstat(filepath.Join(dataDir, name)); err == nil {
			complete = true
		}
	}
	if complete {
		return &datadir.Error{
			Dir: dataDir, Err: errors.New("is in use already"),
			Advice: "restore into a new directory, or move this one away first",
		}
	}
	return nil
}

// unpack writes the members of a snapshot of that size into the directory stage.
func unpack(r io.Reader, size int64, stage string) error {
	t := tar.NewReader(r)
	h, err := t.Next()
	if err != nil || h.Name != snapshotAbout {
		return errNoSnapshot
	}
	var about snapshotHeader
	if json.NewDecoder(io.LimitReader(t, 4096)).Decode(&about) != nil || about.Format != snapshotFormat {
		return errNoSnapshot
	}
	if about.Version > snapshotVersion {
		return fmt.Errorf("was written by a newer taskagent (version %d, this one knows %d)", about.Version, snapshotVersion)
	}
	root, err := os.OpenRoot(stage)
	if err != nil {
		return err
	}
	defer root.Close()
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return errNoSnapshot
		}
		if !slices.Contains([]string{datadir.Version, datadir.Keyring, datadir.Settings, datadir.Token, datadir.State}, h.Name) {
			return fmt.Errorf("%w: it holds %q", errNoSnapshot, h.Name)
		}
		// An archive can describe holes larger than any disk; ours has none.
		if size -= h.Size; size < 0 {
			return errNoSnapshot
		}
		if err := unpackMember(root, h.Name, t); err != nil {
			return err
		}
	}
}

func unpackMember(root *os.Root, name string, r io.Reader) error {
	f, err := platform.OpenExclusive(root, name, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(f, r); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, tar.ErrHeader) {
			return errNoSnapshot
		}
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// checkStage sees that a leader can lead with what was unpacked.
func checkStage(stage string) error {
	complete, err := datadir.Inspect(stage)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(stage, datadir.State)); !complete || err != nil {
		return errNoSnapshot
	}
	if _, err := keyring.Open(filepath.Join(stage, datadir.Keyring), keyring.Options{}); err != nil {
		return cause(err)
	}
	if _, err := loadSettings(stage); err != nil {
		return cause(err)
	}
	return state.Verify(filepath.Join(stage, datadir.State))
}

// cause leaves out advice about files that nobody will find.
func cause(err error) error {
	if e, ok := errors.AsType[*datafile.Error](err); ok {
		return e.Err
	}
	return err
}
