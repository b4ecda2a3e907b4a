package state

// groupKey names a task group of a job.
type groupKey struct{ namespace, job, group string }

func groupOf(t *Task) groupKey { return groupKey{t.Namespace, t.Job, t.Group} }

// group knows the indexes of a group's allocations. Looking for a free one among
// all tasks would make the ten-thousandth start take thirty times as long as the
// first.
type group struct {
	taken map[int]int // how many allocations have the index; one, in a good file
	low   int         // all indexes below are taken
}

// takeIndex notes the index of a new allocation. See keepTask for who calls.
func (s *Store) takeIndex(t *Task) {
	g := s.groups[groupOf(t)]
	if g == nil {
		g = &group{taken: make(map[int]int)}
		s.groups[groupOf(t)] = g
	}
	g.taken[t.AllocIndex]++
	for g.taken[g.low] > 0 {
		g.low++
	}
}

// freeIndex forgets the index of an allocation whose last task has ended.
func (s *Store) freeIndex(t *Task) {
	g := s.groups[groupOf(t)]
	if g.taken[t.AllocIndex]--; g.taken[t.AllocIndex] == 0 {
		delete(g.taken, t.AllocIndex)
		g.low = min(g.low, t.AllocIndex)
	}
	if len(g.taken) == 0 {
		delete(s.groups, groupOf(t))
	}
}

// NextAllocIndex returns the index of the task's allocation among those of its
// group: the one it has, or the lowest that is free. It reserves nothing.
func (s *Store) NextAllocIndex(t *Task) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, other := range s.tasks[t.AllocID] {
		return other.AllocIndex
	}
	if g := s.groups[groupOf(t)]; g != nil {
		return g.low
	}
	return 0
}
