package envinject

import (
	"maps"
	"slices"
	"strconv"
)

// TaskEnv holds what a task is told about itself in its environment. All
// fields but Tokens, UnixAddr and Addr are required; JobName is the job's id
// when empty.
type TaskEnv struct {
	Region, Datacenter, Namespace string
	JobID, JobName, Group, Task   string
	AllocID                       string
	AllocIndex                    int

	SecretsDir, TaskDir, AllocDir string // absolute paths

	UnixAddr string // unix:///path of the Task API; empty: not set
	Addr     string // http://host:port of the Task API; empty: not set

	// Tokens holds the tokens to be set by the name of the variable,
	// NOMAD_TOKEN or NOMAD_TOKEN_<name>, in clear.
	Tokens map[string]string `json:"-"`
}

// Vars returns the variables, "NAME=value" each, always in the same order:
// those of the allocation, then the tokens by name. The result holds tokens in
// clear.
func (e TaskEnv) Vars() []string {
	jobName := e.JobName
	if jobName == "" {
		jobName = e.JobID
	}
	index := strconv.Itoa(e.AllocIndex)
	vars := []string{
		"NOMAD_ALLOC_DIR=" + e.AllocDir,
		"NOMAD_ALLOC_ID=" + e.AllocID,
		"NOMAD_ALLOC_INDEX=" + index,
		"NOMAD_ALLOC_NAME=" + e.JobID + "." + e.Group + "[" + index + "]",
		"NOMAD_DC=" + e.Datacenter,
		"NOMAD_GROUP_NAME=" + e.Group,
		"NOMAD_JOB_ID=" + e.JobID,
		"NOMAD_JOB_NAME=" + jobName,
		"NOMAD_NAMESPACE=" + e.Namespace,
		"NOMAD_REGION=" + e.Region,
		"NOMAD_SECRETS_DIR=" + e.SecretsDir,
		"NOMAD_SHORT_ALLOC_ID=" + e.AllocID[:min(8, len(e.AllocID))],
		"NOMAD_TASK_DIR=" + e.TaskDir,
		"NOMAD_TASK_NAME=" + e.Task,
	}
	if e.UnixAddr != "" {
		vars = append(vars, "NOMAD_UNIX_ADDR="+e.UnixAddr)
	}
	if e.Addr != "" {
		vars = append(vars, "NOMAD_ADDR="+e.Addr)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Tokens)) {
		vars = append(vars, name+"="+e.Tokens[name])
	}
	return vars
}

// String names the task and shows no token.
func (e TaskEnv) String() string {
	return "environment of " + e.JobID + "/" + e.Group + "/" + e.Task + " in " + e.AllocID
}

// GoString is String, so that no way of printing shows a token.
func (e TaskEnv) GoString() string { return e.String() }
