package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/taskagent/taskagent/internal/agent"
	"github.com/taskagent/taskagent/internal/leader/client"
	"github.com/taskagent/taskagent/internal/wire"
)

var statusCommand = &command{
	name:    "status",
	args:    "[-json]",
	summary: "The tasks this leader knows",
	run: func(ctx context.Context, c *invocation) (int, error) {
		f := newFlags(c)
		given := f.String("data-dir", "", "the embedded leader's data `directory`")
		asJSON := f.Bool("json", false, "print JSON")
		if err := f.parse(); err != nil {
			return exitUsage, err
		}
		if err := f.want(f.Args(), 0, 0); err != nil {
			return exitUsage, err
		}
		dir, err := agent.DataDir(*given, environMap(c.environ))
		if err != nil {
			return exitInternal, err
		}
		s, err := client.Status(ctx, dir)
		if errors.Is(err, client.ErrNoLeader) {
			if *asJSON {
				return result(printJSON(c.out, wire.Status{}))
			}
			fmt.Fprintf(c.out, "no leader is running for %s; the next taskagent run starts one\n", dir)
			return exitOK, nil
		}
		if err != nil {
			return exitInternal, err
		}
		if *asJSON {
			return result(printJSON(c.out, s))
		}
		return result(printStatus(c.out, dir, s, time.Now()))
	},
}

func printStatus(w io.Writer, dir string, s *wire.Status, now time.Time) error {
	fmt.Fprintf(w, "leader of %s: pid %d, for %s, tasks %d\n", dir, s.PID, now.Sub(s.Since).Round(time.Second), len(s.Tasks))
	for _, t := range s.Tasks {
		fmt.Fprintf(w, "\n%s  %s/%s/%s/%s\n", t.AllocID, t.Namespace, t.Job, t.Group, t.Task)
		fmt.Fprintf(w, "    state      %s\n", t.State)
		if t.Socket != "" {
			fmt.Fprintf(w, "    socket     %s\n", t.Socket)
		}
		fmt.Fprintf(w, "    isolation  %s\n", isolationWords(t.Isolation, t.User))
		for _, id := range t.Identities {
			fmt.Fprintf(w, "    identity   %s\n", identityLine(id, now))
		}
		for _, svc := range t.Services {
			fmt.Fprintf(w, "    service    %s at %s:%d %s\n", svc.Name, svc.Address, svc.Port, strings.Join(svc.Tags, " "))
		}
	}
	if len(s.Tasks) == 0 {
		fmt.Fprintln(w, "no tasks")
	}
	return nil
}

func isolationWords(isolation, user string) string {
	if isolation == "uid" {
		return "uid: the task runs as " + user + " and cannot reach the leader's directory"
	}
	return "none: the task shares the leader's user and could read its keys"
}

func identityLine(id wire.StatusIdentity, now time.Time) string {
	line := fmt.Sprintf("%s, audience %s", id.Name, strings.Join(id.Audience, "|"))
	if id.Expires.IsZero() {
		return line + ", never expires"
	}
	line += ", expires in " + id.Expires.Sub(now).Round(time.Second).String()
	if !id.NextRenewal.IsZero() {
		line += ", renewed in " + id.NextRenewal.Sub(now).Round(time.Second).String()
	}
	return line
}
