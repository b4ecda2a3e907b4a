package nomad

import (
	"fmt"
	"slices"
)

// ended returns why a task of the allocation is at its end, or empty when it is
// not. A nil allocation is one that the servers do not have.
//
// A stopped allocation counts although its tasks may take a while to stop: the
// task here is to stop with them. A client that lost its servers ("unknown")
// does not: it may come back, and its tasks with it.
func (a *Allocation) ended(task string) string {
	if a == nil {
		return reasonNoAlloc
	}
	switch a.client {
	case "complete", "failed", "lost":
		return "the allocation is " + a.client
	}
	switch a.desired {
	case "stop", "evict":
		return fmt.Sprintf("the allocation is to end (desired status %q)", a.desired)
	}
	// A task that its job no longer has; servers that tell of no job at all are
	// not believed to have removed it.
	if tasks, ok := a.groups[a.Group]; ok && !slices.Contains(tasks, task) {
		return reasonNoTask
	}
	if a.states[task] == "dead" {
		return "the task is dead"
	}
	return ""
}
