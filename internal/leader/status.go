package leader

import (
	"slices"

	"github.com/taskagent/taskagent/internal/leader/state"
	"github.com/taskagent/taskagent/internal/wire"
)

// status returns what `taskagent status` shows.
func (l *Leader) status() *wire.Status {
	s := &wire.Status{PID: l.me.PID, Since: l.me.Since, DataDir: l.cfg.DataDir, HTTP: l.httpAddr(), Tasks: []wire.StatusTask{}}
	for _, t := range l.store.Tasks() {
		s.Tasks = append(s.Tasks, l.leases.status(t))
	}
	return s
}

// status describes a task of the store.
func (l *leases) status(t *state.Task) wire.StatusTask {
	out := wire.StatusTask{
		AllocID: t.AllocID, Namespace: t.Namespace, Job: t.Job, Group: t.Group, Task: t.Task,
		State: "away", PID: t.PID, User: t.User, Isolation: t.Isolation, Socket: t.Socket, StartedAt: t.StartedAt,
		Services: slices.Clone(t.Services),
	}
	if out.Isolation == "" {
		out.Isolation = "none"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	le := l.byTask[taskKey{t.AllocID, t.Task}]
	if t.Once {
		out.State = "once"
	}
	if le != nil {
		if le.holder != nil {
			out.State = "running"
		}
		if le.report.Socket != "" {
			out.Socket = le.report.Socket
		}
		if le.report.TaskPID != 0 {
			out.PID = le.report.TaskPID
		}
	}
	for _, id := range t.Identities {
		s := wire.StatusIdentity{Name: id.Name, Audience: id.Audience}
		switch {
		case t.Once:
			s.Expires = expiry(t.StartedAt, id.TTL)
		case le != nil:
			s.Expires, s.NextRenewal = le.expires[id.Name], le.report.NextRenewal[id.Name]
		}
		out.Identities = append(out.Identities, s)
	}
	return out
}
