package state

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/bbolt"

	"github.com/taskagent/taskagent/internal/wire"
)

var bucketTasks = []byte("tasks")

// Task is a task that runs, as far as the leader knows; its JSON form is the record.
type Task struct {
	AllocID    string
	Region     string
	Datacenter string
	Namespace  string
	Job        string
	Group      string
	Task       string
	AllocIndex int
	LeaseID    string
	// Once is a task without an agent: it ends by itself at Expires, and outlives
	// the machine.
	Once    bool
	Expires time.Time `json:",omitzero"`

	Identities []wire.Identity
	Services   []wire.Service

	// What status shows.
	PID         int
	User        string
	Isolation   string
	Socket      string
	StartedAt   time.Time            `json:",omitzero"`
	NextRenewal map[string]time.Time `json:",omitempty"`

	CreateIndex, ModifyIndex uint64
}

func (s *Store) loadTasks(tx *bbolt.Tx) error {
	if err := each(tx, bucketTasks, s.keepTask); err != nil {
		return err
	}
	return each(tx, bucketServices, s.keepService)
}

// keepTask makes the task one of those in memory. The caller holds mu, or is the
// only one to know s.
func (s *Store) keepTask(t *Task) {
	tasks := s.tasks[t.AllocID]
	if tasks == nil {
		tasks = make(map[string]*Task)
		s.tasks[t.AllocID] = tasks
		s.takeIndex(t)
	}
	if tasks[t.Task] == nil {
		s.regions[t.Region]++
	}
	tasks[t.Task] = t
	if !t.Expires.IsZero() {
		s.arm(t.Expires)
	}
}

func (s *Store) dropTask(t *Task) {
	delete(s.tasks[t.AllocID], t.Task)
	if len(s.tasks[t.AllocID]) == 0 {
		delete(s.tasks, t.AllocID)
		s.freeIndex(t)
	}
	if s.regions[t.Region]--; s.regions[t.Region] == 0 {
		delete(s.regions, t.Region)
	}
}

// fileOf returns the file a task is kept in.
func (s *Store) fileOf(t *Task) *bbolt.DB {
	if t.Once {
		return s.durable
	}
	return s.volatile
}

// StartTask records a running task and registers its services. A namespace not
// seen before is created. It fails with ErrTaskRunning, or with ErrOtherJob. The
// store keeps a copy; the slices and maps in it are shared from then on.
func (s *Store) StartTask(t *Task) error {
	for _, name := range []string{t.AllocID, t.Namespace, t.Job, t.Group, t.Task} {
		if name == "" || strings.ContainsRune(name, 0) {
			return fmt.Errorf("start task: %q is no name", name)
		}
	}
	if t.Once && t.Expires.IsZero() {
		return errors.New("start task: without an agent it needs a time to end")
	}
	if err := s.ensureNamespace(t.Namespace); err != nil {
		return err
	}
	c := *t
	_, err := s.update(s.fileOf(t), func(tx *tx) error {
		// Only a write changes the maps, and this is the write.
		if s.tasks[c.AllocID][c.Task] != nil {
			return ErrTaskRunning
		}
		for _, other := range s.tasks[c.AllocID] {
			if other.Namespace != c.Namespace || other.Job != c.Job || other.Group != c.Group {
				return ErrOtherJob
			}
		}
		if s.namespaces[c.Namespace] == nil {
			return fmt.Errorf("start task: namespace %q: %w", c.Namespace, ErrNotFound)
		}
		c.CreateIndex, c.ModifyIndex = tx.index, tx.index
		for _, svc := range s.servicesOf(&c, tx.index) {
			if err := s.putService(tx, svc); err != nil {
				return err
			}
		}
		tx.touch(TableTasks, c.AllocID)
		tx.apply(func() { s.keepTask(&c) })
		return tx.put(bucketTasks, taskKey(&c), encode(&c))
	})
	return err
}

func taskKey(t *Task) []byte { return []byte(Key(t.AllocID, t.Task)) }

// UpdateTask changes what status shows of a running task: fn gets a copy. It
// fails with ErrTaskUnknown.
func (s *Store) UpdateTask(allocID, task string, fn func(*Task)) error {
	t, ok := s.GetTask(allocID, task)
	if !ok {
		return ErrTaskUnknown
	}
	_, err := s.update(s.fileOf(t), func(tx *tx) error {
		old := s.tasks[allocID][task]
		if old == nil || old.Once != t.Once {
			return ErrTaskUnknown
		}
		c := *old
		fn(&c)
		c.ModifyIndex = tx.index
		tx.touch(TableTasks, allocID)
		tx.apply(func() { s.keepTask(&c) })
		return tx.put(bucketTasks, taskKey(&c), encode(&c))
	})
	return err
}

// EndTask forgets a task and its services: its tokens are good no longer. It
// fails with ErrTaskUnknown.
func (s *Store) EndTask(allocID, task string) error {
	t, ok := s.GetTask(allocID, task)
	if !ok {
		return ErrTaskUnknown
	}
	_, err := s.update(s.fileOf(t), func(tx *tx) error {
		old := s.tasks[allocID][task]
		if old == nil || old.Once != t.Once {
			return ErrTaskUnknown
		}
		for _, svc := range s.services {
			if svc.AllocID == allocID && svc.Task == task {
				if err := s.dropService(tx, svc); err != nil {
					return err
				}
			}
		}
		tx.touch(TableTasks, allocID)
		tx.apply(func() { s.dropTask(old) })
		return tx.delete(bucketTasks, taskKey(old))
	})
	return err
}

// GetTask returns a running task.
func (s *Store) GetTask(allocID, task string) (*Task, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.tasks[allocID][task]
	return t, t != nil
}

// Tasks returns all running tasks in the order in which they started.
func (s *Store) Tasks() []*Task {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []*Task
	for _, tasks := range s.tasks {
		for _, t := range tasks {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b *Task) int { return cmp.Compare(a.CreateIndex, b.CreateIndex) })
	return list
}

// AllocTasks returns the running tasks of an allocation, in no particular order.
func (s *Store) AllocTasks(allocID string) []*Task {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []*Task
	for _, t := range s.tasks[allocID] {
		list = append(list, t)
	}
	return list
}

// TaskLive reports whether the task runs, so that its tokens are good.
func (s *Store) TaskLive(allocID, task string) bool {
	t, ok := s.GetTask(allocID, task)
	return ok && s.live(t)
}

func (s *Store) live(t *Task) bool { return t.Expires.IsZero() || s.now().Before(t.Expires) }

// ServiceLive reports whether a task runs in the allocation that has a service of
// that name, so that the service's tokens are good.
func (s *Store) ServiceLive(allocID, service string) bool {
	for _, t := range s.AllocTasks(allocID) {
		if s.live(t) && (slices.ContainsFunc(t.Identities, func(i wire.Identity) bool { return i.Service == service }) ||
			slices.ContainsFunc(t.Services, func(v wire.Service) bool { return v.Name == service })) {
			return true
		}
	}
	return false
}

// Regions returns the names of the regions that running tasks are in, ordered.
func (s *Store) Regions() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := make([]string, 0, len(s.regions))
	for r := range s.regions {
		list = append(list, r)
	}
	slices.Sort(list)
	return list
}

// HasRegion reports whether a running task is in the region.
func (s *Store) HasRegion(name string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.regions[name] > 0
}

// namespaceRuns reports whether a task runs in the namespace. Called from a write.
func (s *Store) namespaceRuns(namespace string) bool {
	for _, tasks := range s.tasks {
		for _, t := range tasks {
			if t.Namespace == namespace {
				return true
			}
		}
	}
	return false
}
