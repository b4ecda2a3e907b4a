package agent

import "time"

// Options is what the user said, before defaults: an empty string or a nil
// pointer was not given. Resolve gives it meaning.
type Options struct {
	// Kind says which command this is.
	Kind Kind
	// Command is the task's program and its arguments; none for serve.
	Command []string
	// Environ is the caller's environment.
	Environ []string

	Namespace, Job, Group, Task, AllocID string
	Region, Datacenter                   string

	JobFile string
	Vars    []string // NAME=VALUE

	Identities, Services []string // as ParseSpec and ParseService read them

	// The default identity.
	Env, File                *bool
	Filepath                 string
	TTL                      *time.Duration
	ChangeMode, ChangeSignal string

	VaultRole, VaultNamespace, ConsulNamespace string

	SecretsDir, TaskDir, AllocDir string
	User                          string
	Source, DataDir               string
	Cluster                       Cluster

	Listen      string
	InjectToken bool

	KillSignal                string
	KillTimeout, StartTimeout time.Duration
}

// Kind is what Run is to do.
type Kind int

// The commands that have an agent.
const (
	// RunTask runs a command with the identity and ends with it.
	RunTask Kind = iota
	// Serve publishes and serves until it is told to end.
	Serve
	// Once publishes and ends; the tokens live until they expire.
	Once
)
