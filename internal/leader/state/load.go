package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// indexJump separates the indexes of one boot from those of the next: those of
// allocs.db are discarded with it, and a client that waits for one of them must
// not wait until they have been given out again.
const indexJump = 1 << 20

// openAllocs opens allocs.db, or discards one that is not of this boot. Which
// boot it is of is recorded in state.db: after a crash of the machine, allocs.db
// itself may say anything.
func (s *Store) openAllocs(dir string) error {
	var boot string
	var recorded bool
	var last uint64
	err := s.durable.View(func(tx *bbolt.Tx) error {
		v, err := getMeta(tx, metaBoot)
		if err != nil {
			return err
		}
		boot, recorded = string(v), v != nil
		last, err = metaUint(tx, metaIndex)
		return err
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", s.durable.Path(), err)
	}
	path := filepath.Join(dir, AllocsFile)
	_, err = os.Lstat(path)
	if !recorded || boot != s.o.BootID || errors.Is(err, fs.ErrNotExist) {
		if recorded {
			last += indexJump
		}
		if err := s.discardAllocs(path, last); err != nil {
			return err
		}
	}
	s.volatile, err = allocsKind.openFile(dir, openOptions{noSync: s.o.BootID != ""})
	return err
}

// discardAllocs removes allocs.db, if there is one, and records that the next
// one is of this boot. The last index given out is at most last.
func (s *Store) discardAllocs(path string, last uint64) error {
	if err := os.Remove(path); err == nil {
		s.log.Info("discarded the tasks of an earlier boot", "file", path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("discard %s of an earlier boot: %w", path, err)
	}
	err := s.durable.Update(func(b *bbolt.Tx) error {
		t := &tx{Tx: b, index: last}
		t.touch(TableServices, "")
		t.touch(TableTasks, "")
		if err := t.putIndexes(); err != nil {
			return err
		}
		return putMeta(b, metaBoot, []byte(s.o.BootID))
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", s.durable.Path(), err)
	}
	return nil
}

func metaUint(tx *bbolt.Tx, key []byte) (uint64, error) {
	v, err := getMeta(tx, key)
	if err != nil || v == nil {
		return 0, err
	}
	if len(v) != 8 {
		return 0, fmt.Errorf("%w: %s", errRecord, key)
	}
	return binary.BigEndian.Uint64(v), nil
}

// load reads into memory what is kept there, and sees to what a new directory needs.
func (s *Store) load() error {
	for _, db := range []*bbolt.DB{s.durable, s.volatile} {
		if err := db.View(s.loadIndexes); err != nil {
			return fmt.Errorf("read %s: %w", db.Path(), err)
		}
	}
	err := s.durable.View(func(tx *bbolt.Tx) error {
		node, err := getMeta(tx, metaNode)
		if err != nil {
			return err
		}
		s.nodeID = string(node)
		if s.bootstrap, err = metaUint(tx, metaReset); err != nil {
			return err
		}
		for _, load := range []func(*bbolt.Tx) error{s.loadNamespaces, s.loadPolicies, s.loadTokens, s.loadLocks, s.loadTasks} {
			if err := load(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", s.durable.Path(), err)
	}
	if err := s.volatile.View(s.loadTasks); err != nil {
		return fmt.Errorf("read %s: %w", s.volatile.Path(), err)
	}
	return s.loadNew()
}

// loadNew gives a new store what every store has.
func (s *Store) loadNew() error {
	if s.nodeID != "" && s.namespaces[DefaultNamespace] != nil {
		return nil
	}
	_, err := s.update(s.durable, func(t *tx) error {
		if s.nodeID == "" {
			s.nodeID = NewID()
			if err := putMeta(t.Tx, metaNode, []byte(s.nodeID)); err != nil {
				return err
			}
		}
		return s.putNamespace(t, &Namespace{Name: DefaultNamespace, Description: "Default shared namespace"})
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", s.durable.Path(), err)
	}
	return nil
}

func (s *Store) loadIndexes(tx *bbolt.Tx) error {
	last, err := metaUint(tx, metaIndex)
	if err != nil {
		return err
	}
	storeMax(&s.index, last)
	for table := range tableCount {
		key := []byte(table.String())
		rec := tx.Bucket(bucketIndex).Get(key)
		if rec == nil {
			continue
		}
		v, err := open(bucketIndex, key, rec)
		if err != nil {
			return err
		}
		if len(v) != 8 {
			return fmt.Errorf("%w: index of %s", errRecord, key)
		}
		storeMax(&s.tables[table], binary.BigEndian.Uint64(v))
	}
	return nil
}

// each calls fn for every record of a bucket, decoded.
func each[T any](tx *bbolt.Tx, bucket []byte, fn func(*T)) error {
	return tx.Bucket(bucket).ForEach(func(key, rec []byte) error {
		payload, err := open(bucket, key, rec)
		if err != nil {
			return err
		}
		v, err := decode[T](payload)
		if err != nil {
			return fmt.Errorf("%s %q: %w", bucket, key, err)
		}
		fn(v)
		return nil
	})
}
