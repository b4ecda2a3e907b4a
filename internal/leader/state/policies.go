package state

import (
	"cmp"
	"maps"
	"slices"

	"go.etcd.io/bbolt"
)

var bucketPolicies = []byte("acl-policies")

// Policy is an ACL policy; its JSON form is the record. The store does not read
// the rules.
type Policy struct {
	Name        string
	Description string
	Rules       string
	JobACL      *JobACL

	CreateIndex, ModifyIndex uint64
}

// JobACL binds a policy to the workloads of a namespace, job, group or task.
type JobACL struct {
	Namespace string
	JobID     string
	Group     string
	Task      string
}

// Hash returns a digest of what can be set, by which clients tell changes.
func (p *Policy) Hash() []byte {
	c := *p
	c.CreateIndex, c.ModifyIndex = 0, 0
	return digest(&c)
}

func (s *Store) loadPolicies(tx *bbolt.Tx) error {
	return each(tx, bucketPolicies, func(p *Policy) { s.policies[p.Name] = p })
}

// Policy returns the policy of that name, nil when there is none.
func (s *Store) Policy(name string) *Policy {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.policies[name]
}

// Policies returns all policies, ordered by name.
func (s *Store) Policies() []*Policy {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.SortedFunc(maps.Values(s.policies), func(a, b *Policy) int { return cmp.Compare(a.Name, b.Name) })
}

// PutPolicy creates or replaces a policy. The store keeps a copy.
func (s *Store) PutPolicy(p *Policy) (index uint64, err error) {
	c := *p
	return s.update(s.durable, func(t *tx) error {
		c.CreateIndex, c.ModifyIndex = t.index, t.index
		if old := s.policies[c.Name]; old != nil {
			c.CreateIndex = old.CreateIndex
		}
		t.touch(TablePolicies, c.Name)
		t.apply(func() { s.policies[c.Name] = &c })
		return t.put(bucketPolicies, []byte(c.Name), encode(&c))
	})
}

// DeletePolicy deletes a policy; that there is none is no error.
func (s *Store) DeletePolicy(name string) (index uint64, err error) {
	return s.update(s.durable, func(t *tx) error {
		if s.policies[name] == nil {
			return nil
		}
		t.touch(TablePolicies, name)
		t.apply(func() { delete(s.policies, name) })
		return t.delete(bucketPolicies, []byte(name))
	})
}
