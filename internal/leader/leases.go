package leader

import (
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskagent/taskagent/internal/leader/state"
	"github.com/taskagent/taskagent/internal/wire"
)

// How long a task whose connection broke is waited for.
const (
	grace = 60 * time.Second
	// longGrace applies for as long after the leader's start and after a jump of
	// the clock: agents may then be late through no fault of theirs.
	longGrace = 5 * time.Minute
)

// taskKey names a task among all that run.
type taskKey struct{ allocID, task string }

// lease is the hold an agent has on a task.
type lease struct {
	id   string
	task *state.Task // as it was started; never written to

	// The table's mutex guards what follows.
	holder   holder    // nil while its connection is broken
	deadline time.Time // when it is lost, while there is no holder
	agentPID int       // as the kernel said; zero when not known
	report   wire.Report
	expires  map[string]time.Time // of the tokens signed last
}

// holder is the connection that holds a lease.
type holder interface {
	// drop ends the connection; the lease is not lost by that.
	drop()
}

// leases is the table of all leases. Tasks of Once are not in it: no connection
// holds them, and the store ends them.
type leases struct {
	store *state.Store
	log   hclog.Logger
	// changed is called when the next deadline may have changed, or the last lease
	// has gone.
	changed func()

	// starting is held while a task is started: the choice of its allocation's
	// index depends on all others.
	starting sync.Mutex

	mu      sync.Mutex // guards what follows
	byID    map[string]*lease
	byTask  map[taskKey]*lease
	lenient time.Time             // until then the grace is long
	ended   map[taskKey]time.Time // ended this second, see waitForNextSecond
	unended map[taskKey]*lease    // ended, but the store could not be written
	lastEnd time.Time             // when the last lease went
}

// newLeases makes the table of the tasks in the store: all of them ran under an
// earlier leader, and are waited for.
func newLeases(store *state.Store, log hclog.Logger, changed func()) *leases {
	now := time.Now()
	l := &leases{
		store: store, log: log, changed: changed,
		byID: map[string]*lease{}, byTask: map[taskKey]*lease{},
		lenient: now.Add(longGrace), ended: map[taskKey]time.Time{}, unended: map[taskKey]*lease{}, lastEnd: now,
	}
	for _, t := range store.Tasks() {
		if !t.Once {
			l.put(&lease{id: t.LeaseID, task: t, deadline: l.lenient})
		}
	}
	return l
}

func (l *leases) put(le *lease) {
	l.byID[le.id] = le
	l.byTask[taskKey{le.task.AllocID, le.task.Task}] = le
}

// attach makes h the holder of the lease in place of the one it had. It reports
// whether the lease is there.
func (l *leases) attach(le *lease, h holder, pid int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID[le.id] != le {
		return false
	}
	if le.holder != nil && le.holder != h {
		le.holder.drop()
	}
	le.holder, le.agentPID = h, pid
	return true
}

// find returns the lease with that id, nil when there is none.
func (l *leases) find(id string) *lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byID[id]
}

// broke says that the connection h of the lease is broken.
func (l *leases) broke(le *lease, h holder) {
	l.mu.Lock()
	if le.holder != h || l.byID[le.id] != le {
		l.mu.Unlock()
		return
	}
	le.holder = nil
	le.deadline = time.Now().Add(grace)
	if le.deadline.Before(l.lenient) {
		le.deadline = l.lenient
	}
	l.mu.Unlock()
	l.log.Debug("connection of a task broke", "alloc", le.task.AllocID, "task", le.task.Task)
	l.changed()
}

// end ends the lease and its task: tokens of the task are refused when it returns.
func (l *leases) end(le *lease) {
	key := taskKey{le.task.AllocID, le.task.Task}
	l.mu.Lock()
	if l.byID[le.id] != le {
		l.mu.Unlock()
		return
	}
	delete(l.byID, le.id)
	delete(l.byTask, key)
	l.unended[key] = le
	l.lastEnd = time.Now()
	l.ended[key] = l.lastEnd
	if le.holder != nil {
		// Its goroutine may be the caller; it ends by itself.
		le.holder = nil
	}
	l.mu.Unlock()
	l.forget(key)
	l.changed()
}

// forget takes an ended task out of the store, now or at a later try.
func (l *leases) forget(key taskKey) {
	err := l.store.EndTask(key.allocID, key.task)
	if err != nil && !errors.Is(err, state.ErrTaskUnknown) {
		l.log.Error("cannot write that a task has ended; its tokens are refused all the same", "alloc", key.allocID, "task", key.task, "error", err)
		return
	}
	l.mu.Lock()
	delete(l.unended, key)
	l.mu.Unlock()
}

// isEnded reports whether the task has ended although the store still has it.
func (l *leases) isEnded(allocID, task string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unended[taskKey{allocID, task}] != nil
}

// expire gives up the tasks whose time is over, and tries again to write what
// could not be written.
func (l *leases) expire(now time.Time) {
	var lost []*lease
	var retry []taskKey
	l.mu.Lock()
	for _, le := range l.byID {
		if le.holder == nil && !now.Before(le.deadline) {
			lost = append(lost, le)
		}
	}
	for key := range l.unended {
		retry = append(retry, key)
	}
	maps.DeleteFunc(l.ended, func(_ taskKey, at time.Time) bool { return now.Sub(at) > 2*time.Second })
	l.mu.Unlock()
	for _, le := range lost {
		l.log.Info("task is lost: its agent has not come back", "alloc", le.task.AllocID, "job", le.task.Job, "task", le.task.Task)
		l.end(le)
	}
	for _, key := range retry {
		l.forget(key)
	}
}

// forgive gives everybody the long grace, from now: this process or the machine
// has not run for a while, or the clock was set.
func (l *leases) forgive(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lenient = now.Add(longGrace)
	for _, le := range l.byID {
		if le.holder == nil && le.deadline.Before(l.lenient) {
			le.deadline = l.lenient
		}
	}
}

// next returns when expire is due, zero when nobody is waited for.
func (l *leases) next() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	var first time.Time
	for _, le := range l.byID {
		if le.holder == nil && (first.IsZero() || le.deadline.Before(first)) {
			first = le.deadline
		}
	}
	return first
}

// count returns how many leases there are, and when the last one went.
func (l *leases) count() (n int, lastEnd time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.byID), l.lastEnd
}

// note keeps what status shows.
func (l *leases) note(le *lease, r wire.Report) {
	l.mu.Lock()
	defer l.mu.Unlock()
	le.report.NextRenewal = united(le.report.NextRenewal, r.NextRenewal)
	le.expires = united(le.expires, r.Expires)
	if r.Socket != "" {
		le.report.Socket = r.Socket
	}
	if r.TaskPID != 0 {
		le.report.TaskPID = r.TaskPID
	}
}

// united returns a with what is in b over it; neither is written to.
func united(a, b map[string]time.Time) map[string]time.Time {
	u := make(map[string]time.Time, len(a)+len(b))
	maps.Copy(u, a)
	maps.Copy(u, b)
	return u
}
