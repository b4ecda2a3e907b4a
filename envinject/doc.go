// Package envinject owns a child's environment and the child's life: what the
// task sees of the caller's variables, how it is started, signalled, stopped,
// restarted and waited for, and what its end is told as.
//
// [Merge] takes the caller's environment, drops the credentials and addresses
// that are the caller's own, and lays the task's variables over it; [TaskEnv]
// makes the NOMAD_ variables. A [Supervisor] is the life of one task: it
// relays the signals of this process to it, hands it the terminal, restarts it
// without ever running two at once, and kills what is left of its process
// group when it ends.
//
// The package refuses to guess: it never turns a signal into a harder one
// unless the caller asked it to stop the task, never runs a command found
// through a relative PATH entry, and never starts a task as another user with
// groups or rights that were not asked for.
//
// The caller must check what the variables mean, decide when to restart, open
// and close the task's files and sockets around the task's life, and keep
// tokens out of logs: an environment holds them in clear. At most one
// Supervisor per process should relay signals. Only a program that starts its
// children here, and nowhere else, may set ReapOrphans.
package envinject
