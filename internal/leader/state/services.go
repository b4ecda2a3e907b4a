package state

import (
	"cmp"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"
)

var bucketServices = []byte("services")

// Service is a registered service; its JSON form is the record.
type Service struct {
	ID          string
	ServiceName string
	Namespace   string
	NodeID      string
	Datacenter  string
	JobID       string
	AllocID     string
	Tags        []string
	Address     string
	Port        int
	// Task is the task it is registered for.
	Task string

	CreateIndex, ModifyIndex uint64
}

// servicesOf returns the registrations of a task that starts.
func (s *Store) servicesOf(t *Task, index uint64) []*Service {
	list := make([]*Service, 0, len(t.Services))
	for _, v := range t.Services {
		svc := &Service{
			ID:          fmt.Sprintf("_nomad-task-%s-%s-%s-%d", t.AllocID, t.Task, v.Name, v.Port),
			ServiceName: v.Name,
			Namespace:   t.Namespace,
			NodeID:      s.nodeID,
			Datacenter:  t.Datacenter,
			JobID:       t.Job,
			AllocID:     t.AllocID,
			Tags:        v.Tags,
			Address:     cmp.Or(v.Address, "127.0.0.1"),
			Port:        v.Port,
			Task:        t.Task,
			CreateIndex: index,
			ModifyIndex: index,
		}
		if svc.Tags == nil {
			svc.Tags = []string{}
		}
		list = append(list, svc)
	}
	return list
}

// keepService makes the service one of those in memory. The caller holds mu, or
// is the only one to know s.
func (s *Store) keepService(v *Service) {
	if old := s.services[v.ID]; old != nil {
		s.forgetService(old)
	}
	s.services[v.ID] = v
	key := Key(v.Namespace, v.ServiceName)
	list := append(slices.Clone(s.byName[key]), v)
	slices.SortFunc(list, func(a, b *Service) int { return cmp.Compare(a.ID, b.ID) })
	s.byName[key] = list
}

func (s *Store) forgetService(v *Service) {
	delete(s.services, v.ID)
	key := Key(v.Namespace, v.ServiceName)
	list := slices.DeleteFunc(slices.Clone(s.byName[key]), func(o *Service) bool { return o.ID == v.ID })
	if len(list) == 0 {
		delete(s.byName, key)
	} else {
		s.byName[key] = list
	}
}

func (s *Store) putService(t *tx, v *Service) error {
	t.touch(TableServices, Key(v.Namespace, v.ServiceName))
	t.apply(func() { s.keepService(v) })
	return t.put(bucketServices, []byte(v.ID), encode(v))
}

func (s *Store) dropService(t *tx, v *Service) error {
	t.touch(TableServices, Key(v.Namespace, v.ServiceName))
	t.apply(func() { s.forgetService(v) })
	return t.delete(bucketServices, []byte(v.ID))
}

// ServicesNamed returns the registrations of that name, ordered by id. The slice
// is shared.
func (s *Store) ServicesNamed(namespace, name string) []*Service {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byName[Key(namespace, name)]
}

// Services returns the registrations of the namespace ("*": all), ordered by
// namespace, name and id.
func (s *Store) Services(namespace string) []*Service {
	s.mu.RLock()
	var list []*Service
	for _, v := range s.services {
		if namespace == "*" || v.Namespace == namespace {
			list = append(list, v)
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(list, func(a, b *Service) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.ServiceName, b.ServiceName), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// DeleteService takes a registration away; its task goes on. It fails with
// ErrNotFound.
func (s *Store) DeleteService(namespace, id string) (index uint64, err error) {
	for _, db := range []*bbolt.DB{s.volatile, s.durable} {
		index, err = s.update(db, func(t *tx) error {
			v := s.services[id]
			if v == nil || v.Namespace != namespace || t.Bucket(bucketServices).Get([]byte(id)) == nil {
				return ErrNotFound
			}
			return s.dropService(t, v)
		})
		if err != ErrNotFound {
			break
		}
	}
	return index, err
}
