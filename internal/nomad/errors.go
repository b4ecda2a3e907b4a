package nomad

import (
	"fmt"
	"strings"
)

// EndedError says that an allocation, or its task, has ended or is not there. It
// is permanent: its tokens are refused from now on, and there will be no others.
type EndedError struct {
	AllocID, Task string
	// Reason is what the servers know about it.
	Reason string
}

// Error names the task, the allocation and the reason.
func (e *EndedError) Error() string {
	return fmt.Sprintf("task %q of allocation %q is gone: %s", e.Task, e.AllocID, e.Reason)
}

// Hint returns a next step for the user, where there is one.
func (e *EndedError) Hint() string {
	switch e.Reason {
	case reasonNoAlloc:
		return "if it should be there: -alloc-id wants the whole id of an allocation, in the region of -region"
	case reasonNoTask:
		return "if it should be there: -task must name a task of the allocation's group"
	}
	return ""
}

// RejectedError says that the servers will not sign some identities. It is
// permanent: they asked the leader, and the job of an allocation never changes.
type RejectedError struct {
	AllocID, Task string
	Identities    []Rejected
}

// Rejected is an identity that was not signed.
type Rejected struct {
	Name, Service string
	// Reason is the servers' word for it.
	Reason string
}

// Reasons, in the words of Nomad's servers.
const (
	reasonNoAlloc    = "allocation not found"
	reasonNoTask     = "task not found"
	reasonNoIdentity = "identity not found"

	// reasonSilence is ours.
	reasonSilence = "the servers say nothing about it"
)

// Error names the identities and the reason of each.
func (e *RejectedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the servers do not sign identities of task %q in allocation %q:", e.Task, e.AllocID)
	for i, r := range e.Identities {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " %q", r.Name)
		if r.Service != "" {
			fmt.Fprintf(&b, " of service %q", r.Service)
		}
		switch r.Reason {
		case reasonNoIdentity, reasonSilence:
			fmt.Fprintf(&b, " (%s)", r.Reason)
		default:
			fmt.Fprintf(&b, " (%.200q)", r.Reason)
		}
	}
	return b.String()
}

// Hint returns a next step for the user.
func (e *RejectedError) Hint() string {
	return "the job needs an identity block of that name, in the task or in the service"
}
