package leader

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/taskagent/taskagent/internal/leader/state"
	"github.com/taskagent/taskagent/internal/wire"
)

// start starts a task held by h, whose process is pid where that is known. The
// same start sent again finds the lease it made. A task of Once has no lease;
// then nil is returned with its task.
func (l *leases) start(ctx context.Context, s *wire.Start, h holder, pid int) (*lease, *state.Task, error) {
	if err := s.Check(); err != nil {
		return nil, nil, &wire.Error{Code: wire.CodeInvalid, Message: err.Error()}
	}
	if le := l.find(s.LeaseID); le != nil && le.task.Task == s.Task && (s.AllocID == "" || s.AllocID == le.task.AllocID) && l.attach(le, h, pid) {
		return le, le.task, nil
	}
	if err := l.waitForNextSecond(ctx, s); err != nil {
		return nil, nil, err
	}
	l.starting.Lock()
	defer l.starting.Unlock()
	if s.Once {
		for _, t := range l.store.Tasks() {
			if t.LeaseID == s.LeaseID {
				return nil, t, nil
			}
		}
	}
	if err := l.makeWay(s); err != nil {
		return nil, nil, err
	}
	t := l.newTask(s)
	switch err := l.store.StartTask(t); {
	case errors.Is(err, state.ErrTaskRunning):
		return nil, nil, l.running(s)
	case errors.Is(err, state.ErrOtherJob):
		return nil, nil, &wire.Error{
			Code: wire.CodeInvalid, Message: fmt.Sprintf("allocation %s is of another job or group", s.AllocID),
			Hint: "leave -alloc-id out for an allocation of its own",
		}
	case err != nil:
		l.log.Error("cannot start a task", "task", s.Task, "error", err)
		return nil, nil, unavailable("keep the task", err)
	}
	l.log.Debug("task started", "alloc", t.AllocID, "namespace", t.Namespace, "job", t.Job, "group", t.Group, "task", t.Task, "once", t.Once)
	if t.Once {
		return nil, t, nil
	}
	le := &lease{id: t.LeaseID, task: t, holder: h, agentPID: pid}
	l.mu.Lock()
	l.put(le)
	l.mu.Unlock()
	return le, t, nil
}

// newTask returns the record of a new task. The caller holds starting.
func (l *leases) newTask(s *wire.Start) *state.Task {
	now := time.Now().UTC()
	t := &state.Task{
		AllocID: s.AllocID, Region: s.Region, Datacenter: s.Datacenter,
		Namespace: s.Namespace, Job: s.Job, Group: s.Group, Task: s.Task,
		LeaseID: s.LeaseID, Once: s.Once, Identities: make([]wire.Identity, len(s.Identities)), Services: s.Services,
		PID: s.PID, User: s.User, Isolation: s.Isolation, Socket: s.Socket, StartedAt: now,
	}
	for i, id := range s.Identities {
		id.Spec = id.Canonical()
		t.Identities[i] = id
		for _, until := range []time.Time{now.Add(id.TTL), expiry(now, id.TTL)} {
			if s.Once && until.After(t.Expires) {
				t.Expires = until
			}
		}
	}
	if t.AllocID == "" {
		t.AllocID = state.NewID()
	}
	t.AllocIndex = l.store.NextAllocIndex(t)
	return t
}

// makeWay gives up a task that has the place of s and whose agent is gone for
// good: its connection is broken and its process is no more.
func (l *leases) makeWay(s *wire.Start) error {
	l.mu.Lock()
	le := l.byTask[taskKey{s.AllocID, s.Task}]
	gone := le != nil && le.holder == nil && le.agentPID != 0 && processGone(le.agentPID)
	l.mu.Unlock()
	if gone {
		l.log.Info("task is lost: its agent has ended", "alloc", s.AllocID, "task", s.Task)
		l.end(le)
		return l.waitForNextSecond(context.Background(), s)
	}
	return nil
}

// running is the refusal of a task that runs already.
func (l *leases) running(s *wire.Start) error {
	e := &wire.Error{
		Code:    wire.CodeTaskRunning,
		Message: fmt.Sprintf("task %q is already running in allocation %s", s.Task, s.AllocID),
		Hint:    "give it another name with -task, or another allocation with -alloc-id",
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if le := l.byTask[taskKey{s.AllocID, s.Task}]; le != nil && le.holder == nil {
		e.Hint = fmt.Sprintf("its agent is away; without it the task is given up in %v", time.Until(le.deadline).Round(time.Second))
	}
	return e
}

// waitForNextSecond keeps a task from starting in the second in which another
// one of the same name and allocation ended. A token is known to be of an
// earlier task by the time it was issued at, which has whole seconds.
func (l *leases) waitForNextSecond(ctx context.Context, s *wire.Start) error {
	l.mu.Lock()
	at, ok := l.ended[taskKey{s.AllocID, s.Task}]
	l.mu.Unlock()
	if !ok {
		return nil
	}
	wait := time.Until(at.Truncate(time.Second).Add(time.Second))
	if wait <= 0 {
		return nil
	}
	return sleep(ctx, wait)
}
