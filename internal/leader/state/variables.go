package state

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// Of a variable, one bucket holds what is in the clear and one its items. The
// key in both is Key(namespace, path), so that a namespace's are together.
var (
	bucketVars    = []byte("variables")
	bucketVarData = []byte("variable-items")
)

// VariableMeta is a variable without its items.
type VariableMeta struct {
	Namespace string
	Path      string
	// Lock is the lock held on the variable, nil when there is none.
	Lock        *Lock
	CreateIndex uint64
	CreateTime  int64 // nanoseconds since 1970
	ModifyIndex uint64
	ModifyTime  int64
	// KeyID is the key its items are encrypted with.
	KeyID string
}

// Variable is a variable with its items, which the store does not look into.
type Variable struct {
	VariableMeta
	Items []byte
}

// Write is a change of a variable.
type Write struct {
	Namespace string
	Path      string
	Items     []byte
	// CAS, when not nil, is the ModifyIndex the variable must have; zero means that
	// it must not exist.
	CAS *uint64
	// Lock, when not nil, is the lock the variable will hold; its ID also says that
	// the writer holds it already. Both durations have to be set.
	Lock *Lock
}

// Variable returns a variable, decrypted; nil when there is none.
func (s *Store) Variable(namespace, path string) (*Variable, error) {
	var v *Variable
	err := s.view(func(tx *bbolt.Tx) error {
		var err error
		v, err = s.readVariable(tx, namespace, path)
		return err
	})
	return v, err
}

func (s *Store) readVariable(tx *bbolt.Tx, namespace, path string) (*Variable, error) {
	key := []byte(Key(namespace, path))
	v := &Variable{VariableMeta: VariableMeta{Namespace: namespace, Path: path}}
	found, err := readMeta(tx, key, &v.VariableMeta)
	if err != nil || !found {
		return nil, err
	}
	if v.Items, err = s.readItems(tx, key, v.KeyID); err != nil {
		return nil, err
	}
	return v, nil
}

// readMeta fills in m, of which namespace and path are set.
func readMeta(tx *bbolt.Tx, key []byte, m *VariableMeta) (found bool, err error) {
	rec := tx.Bucket(bucketVars).Get(key)
	if rec == nil {
		return false, nil
	}
	payload, err := open(bucketVars, key, rec)
	if err != nil {
		return false, err
	}
	return true, decodeMeta(payload, m)
}

func (s *Store) readItems(tx *bbolt.Tx, key []byte, keyID string) ([]byte, error) {
	rec := tx.Bucket(bucketVarData).Get(key)
	if rec == nil {
		return nil, fmt.Errorf("%w: the items of a variable are not there", errRecord)
	}
	sealed, err := open(bucketVarData, key, rec)
	if err != nil {
		return nil, err
	}
	plain, err := s.o.Crypter.Decrypt(keyID, sealed, variableAAD(key))
	if err != nil {
		namespace, path, _ := strings.Cut(string(key), "\x00")
		return nil, fmt.Errorf("variable %q in namespace %q: %w", path, namespace, err)
	}
	return plain, nil
}

// variableAAD binds the items to their place.
func variableAAD(key []byte) []byte { return append([]byte("variable\x00"), key...) }

// VisitVariables calls fn for the variables of the namespace ("*": of all) whose
// path begins with prefix, ordered by namespace and path, until fn returns false.
// What fn gets is only good until it returns. fn must not call the store.
func (s *Store) VisitVariables(namespace, prefix string, fn func(*VariableMeta) bool) error {
	start := []byte(Key(namespace, prefix))
	if namespace == "*" {
		start = nil
	}
	return s.view(func(tx *bbolt.Tx) error {
		var m VariableMeta
		c := tx.Bucket(bucketVars).Cursor()
		for key, rec := c.Seek(start); key != nil && bytes.HasPrefix(key, start); key, rec = c.Next() {
			at := bytes.IndexByte(key, 0)
			if at < 0 {
				return fmt.Errorf("%w: a variable without a namespace", errRecord)
			}
			if start == nil && !bytes.HasPrefix(key[at+1:], []byte(prefix)) {
				continue
			}
			payload, err := open(bucketVars, key, rec)
			if err != nil {
				return err
			}
			m.Namespace, m.Path = string(key[:at]), string(key[at+1:])
			if err := decodeMeta(payload, &m); err != nil {
				return err
			}
			if !fn(&m) {
				return nil
			}
		}
		return nil
	})
}

func hasPrefix(tx *bbolt.Tx, bucket []byte, prefix string) bool {
	key, _ := tx.Bucket(bucket).Cursor().Seek([]byte(prefix))
	return key != nil && strings.HasPrefix(string(key), prefix)
}

// PutVariable creates or replaces a variable, unless a *ConflictError says that
// it is not as CAS demands, or locked by another.
func (s *Store) PutVariable(w Write) (VariableMeta, error) {
	m := VariableMeta{Namespace: w.Namespace, Path: w.Path, Lock: w.Lock}
	key := Key(w.Namespace, w.Path)
	_, err := s.update(s.durable, func(t *tx) error {
		old, err := s.expect(t, w.Namespace, w.Path, w.CAS, w.Lock)
		if err != nil {
			return err
		}
		m.ModifyIndex, m.ModifyTime = t.index, s.o.Now().UnixNano()
		m.CreateIndex, m.CreateTime = m.ModifyIndex, m.ModifyTime
		if old != nil {
			m.CreateIndex, m.CreateTime = old.CreateIndex, old.CreateTime
		}
		if err := s.writeVariable(t, &m, w.Items); err != nil {
			return err
		}
		if w.Lock != nil {
			renew := old == nil || old.Lock == nil
			t.apply(func() { s.hold(key, w.Lock, renew) })
		}
		return nil
	})
	return m, err
}

// writeVariable encrypts the items and puts both records. It fills in the key id.
func (s *Store) writeVariable(t *tx, m *VariableMeta, items []byte) error {
	key := []byte(Key(m.Namespace, m.Path))
	var sealed []byte
	var err error
	if m.KeyID, sealed, err = s.o.Crypter.Encrypt(items, variableAAD(key)); err != nil {
		return fmt.Errorf("encrypt variable %q: %w", m.Path, err)
	}
	t.touch(TableVariables, string(key))
	if err := t.put(bucketVarData, key, sealed); err != nil {
		return err
	}
	return t.put(bucketVars, key, encodeMeta(m))
}

// expect returns the variable as it is, nil when there is none, or a
// *ConflictError when it is not what a writer with that lock expects.
func (s *Store) expect(t *tx, namespace, path string, cas *uint64, lock *Lock) (*VariableMeta, error) {
	key := []byte(Key(namespace, path))
	empty := Variable{VariableMeta: VariableMeta{Namespace: namespace, Path: path}}
	m := empty.VariableMeta
	found, err := readMeta(t.Tx, key, &m)
	if err != nil {
		return nil, err
	}
	if !found {
		if cas != nil && *cas != 0 {
			return nil, &ConflictError{Current: empty}
		}
		return nil, nil
	}
	if cas != nil && *cas != m.ModifyIndex {
		current, err := s.readVariable(t.Tx, namespace, path)
		if err != nil {
			return nil, err
		}
		return nil, &ConflictError{Current: *current}
	}
	if m.Lock != nil && (lock == nil || lock.ID != m.Lock.ID) {
		return nil, &ConflictError{Current: empty}
	}
	return &m, nil
}

// DeleteVariable deletes a variable; that there is none is no error, unless CAS
// demands one. It fails with a *ConflictError as PutVariable does.
func (s *Store) DeleteVariable(namespace, path string, cas *uint64) (index uint64, err error) {
	key := []byte(Key(namespace, path))
	return s.update(s.durable, func(t *tx) error {
		old, err := s.expect(t, namespace, path, cas, nil)
		if err != nil || old == nil {
			return err
		}
		t.touch(TableVariables, string(key))
		if err := t.delete(bucketVarData, key); err != nil {
			return err
		}
		return t.delete(bucketVars, key)
	})
}

// now is the store's clock.
func (s *Store) now() time.Time { return s.o.Now() }
