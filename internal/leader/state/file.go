package state

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/taskagent/taskagent/internal/leader/datafile"
	"github.com/taskagent/taskagent/internal/leader/state/boltfile"
	"github.com/taskagent/taskagent/platform"
)

// The store's files in the data directory.
const (
	StateFile  = "state.db"
	AllocsFile = "allocs.db"
)

// openTimeout bounds the wait for bbolt's own lock on the file. The leader holds
// the directory's lock by then, so only a tool that reads the file can be in the way.
var openTimeout = 2 * time.Second // a test shortens it

// bucketMeta holds what describes the file itself.
var bucketMeta = []byte("meta")

var (
	metaKind   = []byte("kind")       // what the file is: fileKind.name
	metaFormat = []byte("format")     // its version, uint32
	metaIndex  = []byte("last-index") // the greatest index written to it, uint64
	metaNode   = []byte("node-id")
	metaBoot   = []byte("allocs-boot") // the boot that allocs.db is of
	metaReset  = []byte("bootstrap-index")
)

// fileKind is one of the two kinds of file.
type fileKind struct {
	base, name string
	format     uint32 // the version this program writes
	buckets    [][]byte
	migrations map[uint32]migration
	// restore and remove say what to do about a damaged file.
	restore string
}

// migration brings a file from its version to the next one, in one transaction.
type migration func(tx *bbolt.Tx) error

var stateKind = &fileKind{
	base: StateFile, name: "taskagent state", format: 1,
	buckets: [][]byte{bucketMeta, bucketIndex, bucketVars, bucketVarData, bucketNamespaces, bucketPolicies, bucketTokens, bucketTasks, bucketServices},
	restore: "restore a snapshot into a new data directory (taskagent leader -restore FILE -data-dir DIR); what was written since it was made is lost",
}

var allocsKind = &fileKind{
	base: AllocsFile, name: "taskagent allocs", format: 1,
	buckets: [][]byte{bucketMeta, bucketIndex, bucketTasks, bucketServices},
	restore: "it holds running tasks only: stop them, move the file away and start the leader again",
}

// openOptions says how a file is opened.
type openOptions struct {
	noSync    bool // writes reach the kernel, not the disk
	mustExist bool
}

// openFile opens the file of that kind in dir, or creates it where none is.
func (k *fileKind) openFile(dir string, o openOptions) (*bbolt.DB, error) {
	path := filepath.Join(dir, k.base)
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && o.mustExist:
		return nil, &Error{Path: path, Err: ErrMissing, Advice: k.restore}
	case errors.Is(err, fs.ErrNotExist):
		if err := k.create(path, o); err != nil {
			return nil, fmt.Errorf("create %s: %w", path, err)
		}
	case err != nil:
		return nil, fmt.Errorf("open store: %w", err)
	case !info.Mode().IsRegular():
		return nil, &Error{Path: path, Err: ErrForeign, Detail: "it is not a regular file", Advice: "move it away"}
	}
	if err := datafile.Check(path); err != nil {
		return nil, private(path, err)
	}
	if err := k.check(path); err != nil {
		return nil, err
	}
	db, err := bbolt.Open(path, 0o600, k.boltOptions(o))
	if err != nil {
		if errors.Is(err, berrors.ErrTimeout) {
			return nil, &Error{Path: path, Err: ErrLocked, Advice: "find it with lsof or fuser and end it"}
		}
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if err := k.accept(db, path); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// private says in the store's words why the file is not ours alone.
func private(path string, err error) error {
	if e, ok := errors.AsType[*datafile.Error](err); ok {
		return &Error{Path: path, Err: e.Err, Advice: e.Advice}
	}
	return err
}

func (k *fileKind) boltOptions(o openOptions) *bbolt.Options {
	return &bbolt.Options{Timeout: openTimeout, NoSync: o.noSync, NoGrowSync: o.noSync, NoStatistics: true}
}

// create makes the file whole beside its place and then puts it there: a file
// that is empty or half made is never the work of a leader that was killed.
func (k *fileKind) create(path string, o openOptions) (err error) {
	dir, base := filepath.Split(path)
	temp := filepath.Join(dir, "."+base+".tmp-"+rand.Text())
	defer func() {
		if err != nil {
			os.Remove(temp)
		}
	}()
	db, err := bbolt.Open(temp, 0o600, k.boltOptions(o))
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, b := range k.buckets {
			if _, err := tx.CreateBucketIfNotExists(b); err != nil {
				return err
			}
		}
		if err := putMeta(tx, metaKind, []byte(k.name)); err != nil {
			return err
		}
		return putMeta(tx, metaFormat, binary.BigEndian.AppendUint32(nil, k.format))
	})
	if err2 := db.Close(); err == nil {
		err = err2
	}
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	if o.noSync {
		return nil
	}
	return platform.SyncDir(dir)
}

// check looks at the file before bbolt trusts it.
func (k *fileKind) check(path string) error {
	err := boltfile.Check(path)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, boltfile.ErrForeign):
		return &Error{Path: path, Err: ErrForeign, Advice: "move it away, or name another data directory"}
	case errors.Is(err, boltfile.ErrDamaged):
		detail := strings.TrimPrefix(err.Error(), boltfile.ErrDamaged.Error()+": ")
		return &Error{Path: path, Err: ErrDamaged, Detail: detail, Advice: k.restore}
	default:
		return fmt.Errorf("open %s: %w", path, err)
	}
}

// accept sees that the file is of this kind and version, migrates an older one,
// and sees that every record is whole.
func (k *fileKind) accept(db *bbolt.DB, path string) error {
	version, err := k.version(db, path)
	if err != nil {
		return err
	}
	for ; version < k.format; version++ {
		if err := k.migrate(db, path, version); err != nil {
			return err
		}
	}
	return k.verify(db, path)
}

// version returns the version of the file, when this program can read it.
func (k *fileKind) version(db *bbolt.DB, path string) (version uint32, err error) {
	err = db.View(func(tx *bbolt.Tx) error {
		kind, err := getMeta(tx, metaKind)
		if err != nil || string(kind) != k.name {
			return &Error{Path: path, Err: ErrForeign, Advice: "move it away, or name another data directory"}
		}
		v, err := getMeta(tx, metaFormat)
		if err != nil || len(v) != 4 {
			return &Error{Path: path, Err: ErrDamaged, Detail: "its version cannot be read", Advice: k.restore}
		}
		version = binary.BigEndian.Uint32(v)
		return nil
	})
	switch {
	case err != nil:
		return 0, err
	case version > k.format:
		return 0, &Error{Path: path, Err: ErrNewer, Detail: fmt.Sprintf("version %d, this one knows up to %d", version, k.format),
			Advice: "use the newer taskagent, or another data directory"}
	}
	for v := version; v < k.format; v++ {
		if k.migrations[v] == nil {
			return 0, &Error{Path: path, Err: ErrForeign, Detail: fmt.Sprintf("version %d is too old to be brought up to date", v),
				Advice: "use the taskagent that wrote it, or another data directory"}
		}
	}
	return version, nil
}

// verify sees that every record matches its checksum.
func (k *fileKind) verify(db *bbolt.DB, path string) error {
	err := db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			return b.ForEach(func(key, rec []byte) error { _, err := open(name, key, rec); return err })
		})
	})
	if err != nil {
		return &Error{Path: path, Err: ErrDamaged, Detail: err.Error(), Advice: k.restore}
	}
	return nil
}

// migrate brings the file from a version to the next.
func (k *fileKind) migrate(db *bbolt.DB, path string, from uint32) error {
	err := db.Update(func(tx *bbolt.Tx) error {
		if err := k.migrations[from](tx); err != nil {
			return err
		}
		return putMeta(tx, metaFormat, binary.BigEndian.AppendUint32(nil, from+1))
	})
	if err != nil {
		return fmt.Errorf("bring %s from version %d to %d: %w", path, from, from+1, err)
	}
	return nil
}

func putMeta(tx *bbolt.Tx, key, value []byte) error {
	return tx.Bucket(bucketMeta).Put(key, seal(bucketMeta, key, value))
}

// getMeta returns what describes the file; nil where it says nothing.
func getMeta(tx *bbolt.Tx, key []byte) ([]byte, error) {
	b := tx.Bucket(bucketMeta)
	if b == nil {
		return nil, ErrForeign
	}
	rec := b.Get(key)
	if rec == nil {
		return nil, nil
	}
	return open(bucketMeta, key, rec)
}

// Verify reports whether the file at path is a whole state.db that this program
// can open, without changing it. It is for a snapshot before it is restored.
func Verify(path string) error {
	if err := stateKind.check(path); err != nil {
		return err
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: openTimeout, ReadOnly: true, NoStatistics: true})
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer db.Close()
	if _, err := stateKind.version(db, path); err != nil {
		return err
	}
	return stateKind.verify(db, path)
}
