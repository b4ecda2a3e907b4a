package state

import (
	"cmp"
	"crypto/sha256"
	"maps"
	"slices"

	"go.etcd.io/bbolt"
)

// DefaultNamespace always exists.
const DefaultNamespace = "default"

var bucketNamespaces = []byte("namespaces")

// Namespace is a namespace; its JSON form is the record.
type Namespace struct {
	Name         string
	Description  string
	Capabilities *NamespaceCapabilities
	Meta         map[string]string
	// RequiredExtraClaims and OptionalExtraClaims are for workload identities.
	RequiredExtraClaims map[string]string
	OptionalExtraClaims map[string]string

	CreateIndex, ModifyIndex uint64
}

// NamespaceCapabilities says what jobs of the namespace may use. It is kept for
// those who ask; nothing here runs jobs.
type NamespaceCapabilities struct {
	EnabledTaskDrivers   []string
	DisabledTaskDrivers  []string
	EnabledNetworkModes  []string
	DisabledNetworkModes []string
}

// Hash returns a digest of what can be set, by which clients tell changes.
func (n *Namespace) Hash() []byte {
	c := *n
	c.CreateIndex, c.ModifyIndex = 0, 0
	return digest(&c)
}

// digest returns a hash of a record's content.
func digest(v any) []byte {
	sum := sha256.Sum256(encode(v))
	return sum[:]
}

func (s *Store) loadNamespaces(tx *bbolt.Tx) error {
	return each(tx, bucketNamespaces, func(n *Namespace) { s.namespaces[n.Name] = n })
}

// Namespace returns the namespace of that name, nil when there is none.
func (s *Store) Namespace(name string) *Namespace {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.namespaces[name]
}

// Namespaces returns all namespaces, ordered by name.
func (s *Store) Namespaces() []*Namespace {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.SortedFunc(maps.Values(s.namespaces), func(a, b *Namespace) int { return cmp.Compare(a.Name, b.Name) })
}

// PutNamespace creates or replaces a namespace. The store keeps a copy.
func (s *Store) PutNamespace(n *Namespace) (index uint64, err error) {
	return s.update(s.durable, func(t *tx) error { return s.putNamespace(t, n) })
}

func (s *Store) putNamespace(t *tx, n *Namespace) error {
	c := *n
	c.CreateIndex, c.ModifyIndex = t.index, t.index
	if old := s.namespaces[n.Name]; old != nil {
		c.CreateIndex = old.CreateIndex
	}
	t.touch(TableNamespaces, c.Name)
	t.apply(func() { s.namespaces[c.Name] = &c })
	return t.put(bucketNamespaces, []byte(c.Name), encode(&c))
}

// ensureNamespace creates the namespace unless it is there.
func (s *Store) ensureNamespace(name string) error {
	if s.Namespace(name) != nil {
		return nil
	}
	_, err := s.update(s.durable, func(t *tx) error {
		if s.namespaces[name] != nil {
			return nil
		}
		return s.putNamespace(t, &Namespace{Name: name})
	})
	return err
}

// DeleteNamespace deletes a namespace that holds neither tasks nor variables. It
// fails with ErrDefault, an *InUseError, or ErrNotFound.
func (s *Store) DeleteNamespace(name string) (index uint64, err error) {
	if name == DefaultNamespace {
		return 0, ErrDefault
	}
	return s.update(s.durable, func(t *tx) error {
		if s.namespaces[name] == nil {
			return ErrNotFound
		}
		used := &InUseError{Namespace: name, Tasks: s.namespaceRuns(name), Variables: hasPrefix(t.Tx, bucketVars, Key(name, ""))}
		if used.Tasks || used.Variables {
			return used
		}
		t.touch(TableNamespaces, name)
		t.apply(func() { delete(s.namespaces, name) })
		return t.delete(bucketNamespaces, []byte(name))
	})
}
