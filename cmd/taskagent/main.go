// Command taskagent gives a process a Nomad workload identity: it fetches the
// signed identity of a task, publishes it as a file and in the environment,
// keeps it fresh, and serves the Task API on a Unix socket.
//
// This package is flags, subcommands and exit codes; what they do lives in
// internal/agent, internal/leader and the public packages.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Environ(), stdio{os.Stdin, os.Stdout, os.Stderr}))
}
