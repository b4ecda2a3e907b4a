package state

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"go.etcd.io/bbolt"
)

// KeyInUse reports whether a variable or the secret of a token is encrypted with
// the key. It waits for writes under way.
func (s *Store) KeyInUse(keyID string) (bool, error) {
	s.write.Lock()
	defer s.write.Unlock()
	if s.closed {
		return false, ErrClosed
	}
	for _, t := range s.tokens {
		if t.KeyID == keyID {
			return true, nil
		}
	}
	used := false
	err := s.VisitVariables("*", "", func(m *VariableMeta) bool {
		used = m.KeyID == keyID
		return !used
	})
	return used, err
}

// reencryptBatch bounds how much is encrypted anew in one write, so that others
// are not kept waiting.
const reencryptBatch = 64

// Reencrypt encrypts with the Crypter's key of now all that is encrypted with
// another one. What is read and written meanwhile is not disturbed, indexes and
// times stay. A variable that cannot be decrypted is left as it is; the error
// says which was the first.
func (s *Store) Reencrypt() error {
	active, _, err := s.o.Crypter.Encrypt(nil, nil)
	if err != nil {
		return fmt.Errorf("encrypt anew: %w", err)
	}
	failed := s.reencryptTokens(active)
	var after []byte
	for done := false; !done; {
		_, err := s.update(s.durable, func(t *tx) error {
			t.any = true // without a change that anyone could see
			done = true
			c := t.Bucket(bucketVars).Cursor()
			batch := make([][]byte, 0, reencryptBatch)
			key, _ := c.Seek(after)
			if key != nil && bytes.Equal(key, after) {
				key, _ = c.Next()
			}
			for ; key != nil; key, _ = c.Next() {
				if len(batch) == reencryptBatch {
					done = false
					break
				}
				batch = append(batch, bytes.Clone(key))
			}
			for _, key := range batch {
				if err := s.reencryptVariable(t, key, active); err != nil && failed == nil {
					failed = err
				}
			}
			if len(batch) > 0 {
				after = batch[len(batch)-1]
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("encrypt variables anew: %w", err)
		}
	}
	return failed
}

func (s *Store) reencryptVariable(t *tx, key []byte, active string) error {
	namespace, path, _ := strings.Cut(string(key), "\x00")
	m := VariableMeta{Namespace: namespace, Path: path}
	if _, err := readMeta(t.Tx, key, &m); err != nil || m.KeyID == active {
		return err
	}
	items, err := s.readItems(t.Tx, key, m.KeyID)
	if err != nil {
		return err
	}
	keyID, sealed, err := s.o.Crypter.Encrypt(items, variableAAD(key))
	if err != nil {
		return err
	}
	m.KeyID = keyID
	if err := t.put(bucketVarData, key, sealed); err != nil {
		return err
	}
	return t.put(bucketVars, key, encodeMeta(&m))
}

func (s *Store) reencryptTokens(active string) (failed error) {
	_, err := s.update(s.durable, func(tx *tx) error {
		for _, t := range s.tokens {
			if t.KeyID == active {
				continue
			}
			secret, err := s.TokenSecret(t)
			if err != nil {
				failed = fmt.Errorf("token %s: %w", t.AccessorID, err)
				continue
			}
			c := *t
			if err := s.sealToken(&c, secret); err != nil {
				return err
			}
			tx.any = true
			tx.apply(func() { s.keepToken(&c) })
			if err := tx.put(bucketTokens, []byte(c.AccessorID), encode(&c)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return failed
}

// Snapshot writes a copy of state.db as it is now to w. Writes go on meanwhile.
func (s *Store) Snapshot(w io.Writer) error {
	return s.durable.View(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(w)
		return err
	})
}
