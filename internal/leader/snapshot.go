package leader

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskagent/taskagent/internal/leader/client"
	"github.com/taskagent/taskagent/internal/leader/datadir"
	"github.com/taskagent/taskagent/internal/leader/datafile"
	"github.com/taskagent/taskagent/internal/leader/state"
	"github.com/taskagent/taskagent/internal/wire"
	"github.com/taskagent/taskagent/platform"
)

// A snapshot is a tar archive: first a member that says what it is, then the
// files of a data directory but for those that describe running tasks.
const (
	snapshotFormat  = "taskagent snapshot"
	snapshotVersion = 1
	snapshotAbout   = "snapshot.json"
	// maxSmall bounds the members other than the store.
	maxSmall = 16 << 20
)

type snapshotHeader struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	Created time.Time `json:"created"`
}

// Snapshot writes a backup of the data directory to the file at path, which
// nobody but we can read: it holds the private keys. A leader that leads goes on
// meanwhile. A file that is there is replaced once the new one is complete.
func Snapshot(ctx context.Context, dataDir, path string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("snapshot %s: %w", dataDir, err)
		}
	}()
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer root.Close()
	temp := "." + filepath.Base(path) + ".tmp-" + state.NewID()
	f, err := platform.OpenExclusive(root, temp, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			root.Remove(temp)
		}
	}()
	err = client.Snapshot(ctx, dataDir, f)
	if errors.Is(err, client.ErrNoLeader) {
		err = snapshotUnled(ctx, dataDir, f)
	}
	if err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err = platform.AtomicRename(filepath.Join(dir, temp), path); err != nil {
		return err
	}
	return platform.SyncDir(dir)
}

// snapshotUnled writes a backup of a data directory that nobody leads. Nobody
// can begin to meanwhile.
func snapshotUnled(ctx context.Context, dataDir string, w io.Writer) error {
	if err := datadir.Check(dataDir); err != nil {
		return err
	}
	complete, err := datadir.Inspect(dataDir)
	if err != nil {
		return err
	}
	if !complete {
		return &datadir.Error{Dir: dataDir, Err: errors.New("no leader has led it yet")}
	}
	lock, err := acquire(ctx, dataDir, false, wire.Leader{PID: os.Getpid(), Since: time.Now()})
	if err != nil {
		return err
	}
	defer lock.Unlock()
	l := &Leader{cfg: Config{DataDir: dataDir}, log: hclog.NewNullLogger()}
	if err := l.open(); err != nil {
		return err
	}
	defer l.store.Close()
	return l.writeSnapshot(w)
}

// writeSnapshot writes a backup: the store first, so that the keyring after it
// has every key that the store needs.
func (l *Leader) writeSnapshot(w io.Writer) error {
	dir := l.cfg.DataDir
	f, err := os.CreateTemp(dir, ".snapshot.tmp-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := l.store.Snapshot(f); err != nil {
		return fmt.Errorf("copy the store: %w", err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	t := tar.NewWriter(w)
	about, err := json.Marshal(snapshotHeader{snapshotFormat, snapshotVersion, time.Now().UTC()})
	if err != nil {
		return err
	}
	if err := writeMember(t, snapshotAbout, about); err != nil {
		return err
	}
	for _, name := range []string{datadir.Version, datadir.Keyring, datadir.Settings, datadir.Token} {
		data, err := datafile.Read(filepath.Join(dir, name), maxSmall)
		if name == datadir.Settings && errors.Is(err, fs.ErrNotExist) {
			continue // nothing was ever set
		}
		if name == datadir.Token && err != nil {
			continue // see checkToken: the store has it
		}
		if err == nil {
			err = writeMember(t, name, data)
		}
		if err != nil {
			return err
		}
	}
	if err := t.WriteHeader(&tar.Header{Name: datadir.State, Mode: 0o600, Size: size}); err != nil {
		return err
	}
	if _, err := io.Copy(t, f); err != nil {
		return err
	}
	return t.Close()
}

func writeMember(t *tar.Writer, name string, data []byte) error {
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err := t.Write(data)
	return err
}

func (l *Leader) serveSnapshot(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/x-tar")
	if err := l.writeSnapshot(w); err != nil {
		l.log.Error("cannot make a snapshot", "error", err)
		// The status has gone out: end the connection within the answer, so that
		// the other side knows it has not got everything.
		panic(http.ErrAbortHandler)
	}
}
