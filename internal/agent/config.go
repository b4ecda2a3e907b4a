package agent

import (
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskagent/taskagent/internal/wire"
	"github.com/taskagent/taskagent/platform"
)

// Config is what Run does, with every default filled in and every name checked.
type Config struct {
	Kind    Kind
	Command []string
	// Environ is the caller's environment, as it came.
	Environ []string

	// Task is who the task is, and the identities and services it asks for.
	Task wire.Start

	// JobName is the job's name, where a job file has another than its id.
	JobName string

	// Directories the user gave; empty ones are made and removed.
	SecretsDir, TaskDir, AllocDir string
	// User is whom the task runs as; nil is the caller.
	User *platform.User

	Source  string // SourceLeader, SourceFile or SourceNomad
	DataDir string
	Cluster Cluster // of a real Nomad

	Listen      string
	InjectToken bool

	KillSignal                syscall.Signal
	KillTimeout, StartTimeout time.Duration

	// Warnings are for the user, found while resolving.
	Warnings []string
	Logger   hclog.Logger
}

// Where identities come from.
const (
	SourceAuto   = "auto"
	SourceLeader = "leader"
	SourceFile   = "file"
	SourceNomad  = "nomad"
)

// defaultOnceTTL is the life of serve -once's tokens: nobody renews or ends them.
const defaultOnceTTL = time.Hour
