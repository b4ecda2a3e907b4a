// Package wire holds the messages an agent and the embedded leader exchange
// over leader.sock, and their framing: one JSON object a line.
//
// It decides nothing: the leader validates what it receives, the agent what it
// gets back. Tokens travel through it in the clear, over a socket that only
// the data directory's owner and root can reach.
package wire

import (
	"time"

	"github.com/taskagent/taskagent/identity"
)

// Protocol is the name a lease connection is upgraded to.
const Protocol = "taskagent-lease/1"

// Sockets of a leader, in its data directory.
const (
	LeaderSocket = "leader.sock" // for agents and the operator
	TaskSocket   = "task.sock"   // for what tasks send, through their agents
)

// Paths that leader.sock answers beside Nomad's own.
const (
	// LeasePath is where an agent asks for a lease connection: a POST that is
	// upgraded to Protocol.
	LeasePath = "/taskagent/v1/lease"
	// LeaderPath answers a Leader, with GET.
	LeaderPath = "/taskagent/v1/leader"
	// StatusPath answers a Status, with GET.
	StatusPath = "/taskagent/v1/status"
	// HandoverPath makes the leader end in favour of another, with POST.
	HandoverPath = "/taskagent/v1/handover"
	// SnapshotPath answers a backup of the data directory, with GET.
	SnapshotPath = "/taskagent/v1/snapshot"
)

// Identity is an identity to sign: its spec and the claims that the job's
// vault and consul blocks (or their flags) add to it.
type Identity struct {
	identity.Spec
	ConsulNamespace string `json:"consul_namespace,omitempty"`
	VaultNamespace  string `json:"vault_namespace,omitempty"`
	VaultRole       string `json:"vault_role,omitempty"`
}

// Service is a service registration that lives as long as its task.
type Service struct {
	Name    string   `json:"name"`
	Port    int      `json:"port"`
	Address string   `json:"address,omitempty"`
	Tags    []string `json:"tags,omitempty"`
}

// Start asks for a lease on a task and for the first token of each identity.
type Start struct {
	// LeaseID is made by the agent, unique and hard to guess, so that a Start sent
	// again because its answer got lost is not a second start.
	LeaseID string `json:"lease_id"`
	// AllocID names the allocation to join; empty makes a new one.
	AllocID    string     `json:"alloc_id,omitempty"`
	Region     string     `json:"region"`
	Datacenter string     `json:"dc"`
	Namespace  string     `json:"namespace"`
	Job        string     `json:"job"`
	Group      string     `json:"group"`
	Task       string     `json:"task"`
	Identities []Identity `json:"identities,omitempty"`
	Services   []Service  `json:"services,omitempty"`
	// Once keeps the allocation until the longest token has expired, with no
	// connection held (serve -once).
	Once bool `json:"once,omitempty"`
	// PID, User, Isolation ("uid" or "none"), Socket and StartedAt are for status.
	PID       int       `json:"pid,omitempty"`
	User      string    `json:"user,omitempty"`
	Isolation string    `json:"isolation,omitempty"`
	Socket    string    `json:"socket,omitempty"`
	StartedAt time.Time `json:"started_at,omitzero"`
}

// Started answers Start: the lease, and a token for every identity by name.
type Started struct {
	AllocID    string            `json:"alloc_id"`
	AllocIndex int               `json:"alloc_index"`
	LeaseID    string            `json:"lease_id"`
	Tokens     map[string]string `json:"tokens"`
}

// Resume takes a lease up again after its connection broke.
type Resume struct {
	LeaseID string `json:"lease_id"`
	AllocID string `json:"alloc_id"`
	Task    string `json:"task"`
}

// Resumed answers Resume.
type Resumed struct{}

// Sign asks for fresh tokens of the task's identities, by name.
type Sign struct {
	Names []string `json:"names"`
}

// Signed answers Sign.
type Signed struct {
	Tokens map[string]string `json:"tokens"`
}

// Report tells the leader what status should show.
type Report struct {
	NextRenewal map[string]time.Time `json:"next_renewal,omitempty"`
	// Expires is for a leader that did not sign the tokens itself.
	Expires map[string]time.Time `json:"expires,omitempty"`
	Socket  string               `json:"socket,omitempty"`
	TaskPID int                  `json:"task_pid,omitempty"`
}

// End gives the lease back: the task has ended and its tokens with it.
type End struct{}

// Request is one line from the agent. Exactly one of the pointers is set.
type Request struct {
	ID     uint64  `json:"id"`
	Start  *Start  `json:"start,omitempty"`
	Resume *Resume `json:"resume,omitempty"`
	Sign   *Sign   `json:"sign,omitempty"`
	Report *Report `json:"report,omitempty"`
	End    *End    `json:"end,omitempty"`
}

// Response is one line from the leader, in the order of the requests. One with
// nothing but an ID answers Report and End.
type Response struct {
	ID      uint64   `json:"id"`
	Error   *Error   `json:"error,omitempty"`
	Started *Started `json:"started,omitempty"`
	Resumed *Resumed `json:"resumed,omitempty"`
	Signed  *Signed  `json:"signed,omitempty"`
}

// Codes an agent branches on.
const (
	CodeTaskRunning = "task-running" // the same task already runs in this allocation
	CodeLost        = "lost"         // the lease was not resumed in time, or ended
	CodeInvalid     = "invalid"      // the request cannot be right, however often it is sent
	CodeUnavailable = "unavailable"  // the leader cannot do it now; try again
)

// Error is a refusal, in words for the user.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Error returns the message alone; the hint is printed on a line of its own.
func (e *Error) Error() string { return e.Message }
