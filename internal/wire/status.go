package wire

import "time"

// Leader says who leads a data directory. It is also what the lock file holds.
type Leader struct {
	PID   int       `json:"pid"`
	Since time.Time `json:"since,omitzero"`
}

// Status is what `taskagent status` shows; its JSON form is stable for scripts.
type Status struct {
	PID     int          `json:"pid"`
	Since   time.Time    `json:"since,omitzero"`
	DataDir string       `json:"data_dir"`
	HTTP    string       `json:"http,omitempty"` // address of the -http listener
	Tasks   []StatusTask `json:"tasks"`
}

// StatusTask is a task whose lease is held, or may still come back.
type StatusTask struct {
	AllocID    string           `json:"alloc_id"`
	Namespace  string           `json:"namespace"`
	Job        string           `json:"job"`
	Group      string           `json:"group"`
	Task       string           `json:"task"`
	State      string           `json:"state"` // running, away (its connection broke) or once
	PID        int              `json:"pid,omitempty"`
	User       string           `json:"user,omitempty"`
	Isolation  string           `json:"isolation"` // uid or none
	Socket     string           `json:"socket,omitempty"`
	StartedAt  time.Time        `json:"started_at,omitzero"`
	Identities []StatusIdentity `json:"identities,omitempty"`
	Services   []Service        `json:"services,omitempty"`
}

// StatusIdentity is one identity of a task; a zero Expires is never.
type StatusIdentity struct {
	Name        string    `json:"name"`
	Audience    []string  `json:"aud"`
	Expires     time.Time `json:"expires,omitzero"`
	NextRenewal time.Time `json:"next_renewal,omitzero"`
}
