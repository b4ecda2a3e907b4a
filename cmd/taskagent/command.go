package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/taskagent/taskagent/internal/fault"
)

// The exit codes of cli.md that are taskagent's own; a task's are its own.
const (
	exitOK       = 0
	exitFailure  = 1 // the answer is no: a token does not verify, a request was refused
	exitUsage    = 2
	exitInternal = 125
)

// stdio is what a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// command is one subcommand, or a group of them.
type command struct {
	name    string
	args    string // what follows the name in a usage line
	summary string
	run     func(ctx context.Context, c *invocation) (int, error)
	sub     []*command
}

// invocation is one call of a command.
type invocation struct {
	stdio
	path    string // "taskagent var get"
	command *command
	args    []string
	environ []string
}

// root lists the subcommands in the order of the help text.
func root() *command {
	return &command{name: "taskagent", sub: []*command{
		runCommand, serveCommand, leaderCommand, statusCommand, doctorCommand,
		identityCommand, apiCommand, varCommand, aclCommand, versionCommand,
	}}
}

// run is main without the exit: it prints the error and returns the status.
func run(ctx context.Context, args, environ []string, std stdio) int {
	code, err := dispatch(ctx, root(), "taskagent", args, environ, std)
	if err != nil {
		fault.Print(std.err, err)
		var usage *fault.UsageError
		switch {
		case errors.As(err, &usage):
			return exitUsage
		case code == exitOK:
			return exitInternal
		}
	}
	return code
}

func dispatch(ctx context.Context, c *command, path string, args, environ []string, std stdio) (int, error) {
	if c.run != nil {
		code, err := c.run(ctx, &invocation{stdio: std, path: path, command: c, args: args, environ: environ})
		if errors.Is(err, flag.ErrHelp) {
			return exitOK, nil
		}
		return code, err
	}
	if len(args) == 0 {
		printCommands(std.err, c, path)
		return exitUsage, nil
	}
	name := args[0]
	if isHelp(name) {
		if name == "help" && len(args) > 1 { // taskagent help run
			return dispatch(ctx, c, path, append(args[1:], "-h"), environ, std)
		}
		printCommands(std.out, c, path)
		return exitOK, nil
	}
	if path == "taskagent" && (name == "-version" || name == "--version") {
		name = "version"
	}
	for _, sub := range c.sub {
		if sub.name == name {
			return dispatch(ctx, sub, path+" "+name, args[1:], environ, std)
		}
	}
	hint := "the commands are " + strings.Join(commandNames(c), ", ")
	if path == "taskagent" && !strings.HasPrefix(name, "-") {
		hint += "; to run a program with an identity: taskagent run -- " + name
	}
	return exitUsage, fault.Usage(fmt.Errorf("%s: unknown command %q", path, name), hint)
}

func isHelp(arg string) bool {
	switch arg {
	case "help", "-h", "-help", "--help":
		return true
	}
	return false
}

func commandNames(c *command) []string {
	var names []string
	for _, sub := range c.sub {
		names = append(names, sub.name)
	}
	return names
}

func printCommands(w io.Writer, c *command, path string) {
	fmt.Fprintf(w, "usage: %s COMMAND [flags] …\n\n", path)
	for _, sub := range c.sub {
		fmt.Fprintf(w, "    %-9s %s\n", sub.name, sub.summary)
	}
	fmt.Fprintf(w, "\n%s COMMAND -h shows a command's flags.\n", path)
}
