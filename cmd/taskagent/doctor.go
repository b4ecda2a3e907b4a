package main

import (
	"context"
	"strings"
	"time"

	"github.com/taskagent/taskagent/internal/agent"
	"github.com/taskagent/taskagent/internal/doctor"
)

var doctorCommand = &command{
	name:    "doctor",
	args:    "[-operator] [-json]",
	summary: "Look for what is wrong: the task inside one, the leader outside",
	run: func(ctx context.Context, c *invocation) (int, error) {
		f := newFlags(c)
		operator := f.Bool("operator", false, "look at the leader even inside a task")
		dataDir := f.String("data-dir", "", "the embedded leader's data `directory`")
		asJSON := f.Bool("json", false, "print JSON")
		if err := f.parse(); err != nil {
			return exitUsage, err
		}
		if err := f.want(f.Args(), 0, 0); err != nil {
			return exitUsage, err
		}
		env := environMap(c.environ)
		var findings []doctor.Finding
		if env["NOMAD_SECRETS_DIR"] != "" && !*operator {
			findings = doctor.CheckTask(ctx, doctor.Task{
				SecretsDir: env["NOMAD_SECRETS_DIR"],
				Socket:     strings.TrimPrefix(env["NOMAD_UNIX_ADDR"], "unix://"),
				Token:      env["NOMAD_TOKEN"],
			}, time.Now())
		} else {
			dir, err := agent.DataDir(*dataDir, env)
			if err != nil {
				return exitInternal, err
			}
			findings = doctor.CheckLeader(ctx, dir, time.Now())
		}
		var err error
		if *asJSON {
			err = printJSON(c.out, findings)
		} else {
			err = doctor.Print(c.out, findings)
		}
		if err == nil && doctor.Failed(findings) {
			return exitFailure, nil
		}
		return result(err)
	},
}
