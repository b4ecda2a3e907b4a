package jobspec

import (
	"cmp"
	"fmt"
	"os"

	"github.com/hashicorp/hcl/v2"

	"github.com/taskagent/taskagent/internal/wire"
)

// MaxSize is the size in bytes a job file may have.
const MaxSize = 1 << 20

// Options choose the task and give values to the file's variables.
type Options struct {
	// Vars are the values of -var, by name. One that the file does not declare is an error.
	Vars map[string]string
	// Group and Task may be empty where the file has only one.
	Group, Task string
}

// Task is what a job file says about one task. Empty strings mean that it says
// nothing. The strings of Services may have ${…} in them that only the
// allocation decides, see Interpolate.
type Task struct {
	Job     string // the job's ID
	JobName string
	// Namespace and Region are as in the file. Datacenter is the first one
	// listed, unless that is a pattern.
	Namespace, Region, Datacenter string
	Group, Task                   string
	// User is who the task runs as.
	User string
	// Identities has the default one first, which every task has; without a block
	// it is not published, neither as a file nor in the environment. The
	// identities of registered services come last.
	Identities []wire.Identity
	// Services are those with provider "nomad", of the group and then of the task.
	Services []wire.Service
	// Warnings are for the user, one line each.
	Warnings []string
}

// Error is a mistake in a job file or in what was asked of it.
type Error struct {
	File         string
	Line, Column int // from 1; Line 0 means the file as a whole
	Message      string
	hint         string
}

// Error names file, place and mistake, on one line.
func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Message)
	}
	return fmt.Sprintf("%s:%d,%d: %s", e.File, e.Line, e.Column, e.Message)
}

// Hint is what the user can do, or empty.
func (e *Error) Hint() string { return e.hint }

// LoadFile reads the job file at path, see Load.
func LoadFile(path string, o Options) (*Task, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > MaxSize {
		return nil, tooLarge(path)
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the job file: %w", err)
	}
	return Load(path, src, o)
}

// Load takes one task out of the job file src. The path is for errors, and for
// the functions that read files: they look beside it. Errors about the file are *Error.
func Load(path string, src []byte, o Options) (*Task, error) {
	body, err := parse(path, src)
	if err != nil {
		return nil, err
	}
	f, err := newFile(path, body, o.Vars)
	if err != nil {
		return nil, err
	}
	j, err := f.job()
	if err != nil {
		return nil, err
	}
	g, err := j.pickGroup(o.Group)
	if err != nil {
		return nil, err
	}
	t, err := g.pickTask(o.Task)
	if err != nil {
		return nil, err
	}
	return t.read()
}

func tooLarge(path string) *Error {
	return &Error{File: path, Message: fmt.Sprintf("the job file is larger than %d bytes", MaxSize)}
}

// errorAt is an Error at a place in the file.
func errorAt(r hcl.Range, format string, args ...any) *Error {
	return &Error{File: r.Filename, Line: r.Start.Line, Column: r.Start.Column, Message: fmt.Sprintf(format, args...)}
}

// fromDiags turns HCL's diagnostics into the first of their errors, or nil.
func fromDiags(diags hcl.Diagnostics) error {
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		message := d.Summary
		if d.Detail != "" {
			message += ": " + d.Detail
		}
		r := cmp.Or(d.Subject, d.Context, &hcl.Range{})
		return errorAt(*r, "%s", oneLine(message))
	}
	return nil
}
