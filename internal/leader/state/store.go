package state

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Crypter encrypts what is secret at rest. The keyring is one.
type Crypter interface {
	// Encrypt seals plain with the key in use now, bound to aad.
	Encrypt(plain, aad []byte) (keyID string, sealed []byte, err error)
	// Decrypt opens what Encrypt sealed with that key and the same aad.
	Decrypt(keyID string, sealed, aad []byte) ([]byte, error)
}

// Options says how a store is opened.
type Options struct {
	// Crypter is required.
	Crypter Crypter
	// BootID names this boot of the machine; allocs.db of another one is
	// discarded. Empty where the system cannot tell: then allocs.db is synced like
	// state.db and always kept.
	BootID string
	// MustExist makes a missing state.db an error: set it where the rest of the
	// data directory says that there was one.
	MustExist bool
	// Now tells the time; nil means time.Now.
	Now func() time.Time
	// Logger may be nil.
	Logger hclog.Logger
}

// bucketIndex holds, by table name, the index of the table's last change.
var bucketIndex = []byte("index")

// Store is the leader's store. The zero value is of no use: see Open.
type Store struct {
	o        Options
	log      hclog.Logger
	durable  *bbolt.DB // state.db
	volatile *bbolt.DB // allocs.db
	nodeID   string

	// write is held for the length of a write, whichever file it goes to, so that
	// indexes become visible in their order. It guards closed.
	write  sync.Mutex
	closed bool

	index    atomic.Uint64 // the last one given out
	tables   [tableCount]atomic.Uint64
	watchers [tableCount]tableWatchers

	mu         sync.RWMutex // guards all below: what the files say, for readers
	namespaces map[string]*Namespace
	policies   map[string]*Policy
	tokens     map[string]*Token            // by accessor
	secrets    map[[sha256.Size]byte]*Token // by hash of the secret
	tasks      map[string]map[string]*Task  // by allocation and task
	groups     map[groupKey]*group          // of the allocations that tasks run in
	regions    map[string]int               // how many tasks run in each
	services   map[string]*Service          // by id
	byName     map[string][]*Service        // by Key(namespace, name), each ordered by id
	held       map[string]*heldLock         // by Key(namespace, path)
	bootstrap  uint64                       // index of the bootstrap, zero when there was none
	expiry     expiryTimer
}

// Open opens the store in dir, an existing directory, and makes the files that
// are not there. Errors about a file are of type *Error. The caller closes it.
func Open(dir string, o Options) (_ *Store, err error) {
	if o.Crypter == nil {
		return nil, errors.New("open store: no Crypter")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	s := &Store{
		o: o, log: o.Logger,
		namespaces: make(map[string]*Namespace),
		policies:   make(map[string]*Policy),
		tokens:     make(map[string]*Token),
		secrets:    make(map[[sha256.Size]byte]*Token),
		tasks:      make(map[string]map[string]*Task),
		groups:     make(map[groupKey]*group),
		regions:    make(map[string]int),
		services:   make(map[string]*Service),
		byName:     make(map[string][]*Service),
		held:       make(map[string]*heldLock),
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if s.durable, err = stateKind.openFile(dir, openOptions{mustExist: o.MustExist}); err != nil {
		return nil, err
	}
	if err := s.openAllocs(dir); err != nil {
		return nil, err
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends the timers and closes the files. Writes under way are waited for,
// and later ones fail with ErrClosed. It may be called more than once.
func (s *Store) Close() error {
	s.mu.Lock()
	s.expiry.stop()
	s.mu.Unlock()
	s.write.Lock()
	defer s.write.Unlock()
	s.closed = true
	var errs []error
	for _, db := range []*bbolt.DB{s.durable, s.volatile} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// NodeID returns the UUID under which this data directory's services appear as
// those of a node. It never changes.
func (s *Store) NodeID() string { return s.nodeID }

// Index returns the index of the table's last change, at least 1.
func (s *Store) Index(t Table) uint64 { return max(1, s.tables[t].Load()) }

// NextIndex gives out an index, for a change that is kept elsewhere.
func (s *Store) NextIndex() uint64 { return s.index.Add(1) }

// RaiseIndex makes all further indexes greater than i, which was given out
// before and is kept elsewhere.
func (s *Store) RaiseIndex(i uint64) { storeMax(&s.index, i) }

// Touch records a change of a table that is kept elsewhere, the keyring's, and
// wakes its watchers. It returns the index of the change.
func (s *Store) Touch(t Table) (uint64, error) {
	return s.update(s.durable, func(tx *tx) error { tx.touch(t, ""); return nil })
}

func storeMax(a *atomic.Uint64, v uint64) {
	for {
		old := a.Load()
		if old >= v || a.CompareAndSwap(old, v) {
			return
		}
	}
}

// tx is one write.
type tx struct {
	*bbolt.Tx
	index   uint64
	changed [tableCount][]string // keys, by table
	any     bool
	after   []func()
}

// touch says that the key of the table changes.
func (t *tx) touch(table Table, key string) {
	t.changed[table] = append(t.changed[table], key)
	t.any = true
}

// apply is called with Store.mu held, once the write is committed.
func (t *tx) apply(fn func()) { t.after = append(t.after, fn) }

func (t *tx) put(bucket, key, payload []byte) error {
	return t.Bucket(bucket).Put(key, seal(bucket, key, payload))
}

func (t *tx) delete(bucket, key []byte) error { return t.Bucket(bucket).Delete(key) }

// errUnchanged makes a write that turned out to change nothing roll back.
var errUnchanged = errors.New("nothing changes")

// update runs fn as one write to one of the files. It returns the write's index,
// or the last one when fn touched nothing. What fn has applied becomes visible
// only after the commit, then the tables' indexes do, then watchers are woken.
func (s *Store) update(db *bbolt.DB, fn func(*tx) error) (uint64, error) {
	s.write.Lock()
	defer s.write.Unlock()
	if s.closed {
		return 0, ErrClosed
	}
	t := &tx{index: s.index.Add(1)}
	err := db.Update(func(b *bbolt.Tx) error {
		t.Tx = b
		if err := fn(t); err != nil {
			return err
		}
		if !t.any {
			return errUnchanged
		}
		return t.putIndexes()
	})
	if errors.Is(err, errUnchanged) {
		return t.index, nil
	}
	if err != nil {
		return 0, fileError(db, err)
	}
	s.mu.Lock()
	for _, fn := range t.after {
		fn()
	}
	s.mu.Unlock()
	for table := range tableCount {
		if keys := t.changed[table]; keys != nil {
			storeMax(&s.tables[table], t.index)
			s.watchers[table].notify(keys)
		}
	}
	return t.index, nil
}

func (t *tx) putIndexes() error {
	value := binary.BigEndian.AppendUint64(nil, t.index)
	for table, keys := range t.changed {
		if keys == nil {
			continue
		}
		if err := t.put(bucketIndex, []byte(Table(table).String()), value); err != nil {
			return err
		}
	}
	return putMeta(t.Tx, metaIndex, value)
}

// view runs fn on the durable file as it was last committed.
func (s *Store) view(fn func(*bbolt.Tx) error) error {
	return fileError(s.durable, s.durable.View(fn))
}

// fileError makes an error about a record one about the file.
func fileError(db *bbolt.DB, err error) error {
	switch {
	case errors.Is(err, errRecord):
		kind := stateKind
		if filepath.Base(db.Path()) == AllocsFile {
			kind = allocsKind
		}
		return &Error{Path: db.Path(), Err: ErrDamaged, Detail: err.Error(), Advice: kind.restore}
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return ErrClosed
	default:
		return err
	}
}
