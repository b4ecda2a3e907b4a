// Package secretsdir is the secrets directory of a task, seen from both sides:
// an agent publishes tokens in it, the task reads and watches them.
//
// For the task there are [Read] and [Watch], which work with tokens written by
// taskagent and with those a Nomad client delivers. They never return a token
// that is half-written, and need neither configuration nor a restart when the
// token is renewed. They verify nothing: a task trusts its own secrets directory.
//
// For the agent there are [Open] and [CreateLayout]. A file appears complete,
// with its owner and mode, in one step; it is never wider than 0600, and never
// outside of the directory. A symlink in the way, a directory that others can
// enter and one that belongs to a stranger are refused, not repaired.
//
// The agent's caller must still see to it that two files of one task do not have
// the same name, and that what it publishes is meant for this task.
package secretsdir
