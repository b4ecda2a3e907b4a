package identity

import "time"

// DefaultName is the name of the identity every task has, block or not.
const DefaultName = "default"

// NomadAudience is the audience a workload identity must carry to be used as a
// credential for Nomad's own API.
const NomadAudience = "nomadproject.io"

// ChangeMode says what happens to a task when its identity was renewed.
type ChangeMode string

// The change modes of Nomad's identity block. The empty mode means ChangeNoop.
const (
	ChangeNoop    ChangeMode = "noop"
	ChangeSignal  ChangeMode = "signal"
	ChangeRestart ChangeMode = "restart"
)

// Spec is one identity block: what is to be signed and how it reaches the task.
type Spec struct {
	// Name is DefaultName or another name of 1 to 128 of [a-zA-Z0-9-_].
	Name string `json:"name"`
	// Audience lists the recipients; the default identity's is always NomadAudience.
	Audience []string `json:"aud,omitempty"`
	// Env and File say where the token is published.
	Env  bool `json:"env,omitempty"`
	File bool `json:"file,omitempty"`
	// Filepath replaces the usual file name; it needs File.
	Filepath string `json:"filepath,omitempty"`
	// TTL is how long a token is valid; zero means for ever.
	TTL time.Duration `json:"ttl,omitempty"`
	// ChangeMode is what a renewal does to the task; ChangeSignal names the
	// signal of ChangeSignal mode and is empty in the others.
	ChangeMode   ChangeMode `json:"change_mode,omitempty"`
	ChangeSignal string     `json:"change_signal,omitempty"`
	// Service, when set, makes this the identity of that service and not of the task.
	Service string `json:"service,omitempty"`
}
