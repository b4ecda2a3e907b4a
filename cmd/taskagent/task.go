package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/taskagent/taskagent/internal/agent"
	"github.com/taskagent/taskagent/internal/fault"
)

var runCommand = &command{
	name:    "run",
	args:    "[flags] [--] COMMAND [ARG...]",
	summary: "Run one task with its identity in files, in its environment and behind a socket",
	run: func(ctx context.Context, c *invocation) (int, error) {
		opts, common, err := taskFlags(c, agent.RunTask)
		if err != nil {
			return exitUsage, err
		}
		if len(opts.Command) == 0 {
			return exitUsage, fault.Usage(errors.New("run: no command to run"), "usage: taskagent run [flags] -- COMMAND [ARG...]")
		}
		return runAgent(ctx, c, opts, common)
	},
}

var serveCommand = &command{
	name:    "serve",
	args:    "[flags] [-once]",
	summary: "The same without a task: publish the files and serve the socket",
	run: func(ctx context.Context, c *invocation) (int, error) {
		opts, common, err := taskFlags(c, agent.Serve)
		if err != nil {
			return exitUsage, err
		}
		if len(opts.Command) > 0 {
			return exitUsage, fault.Usage(fmt.Errorf("serve: unexpected argument %q", opts.Command[0]), "to run a command: taskagent run -- "+opts.Command[0])
		}
		return runAgent(ctx, c, opts, common)
	},
}

func runAgent(ctx context.Context, c *invocation, opts agent.Options, common *commonFlags) (int, error) {
	cfg, err := agent.Resolve(opts)
	if err != nil {
		return exitInternal, err
	}
	cfg.Logger, err = common.logger(c)
	if err != nil {
		return exitUsage, err
	}
	if opts.Kind != agent.RunTask {
		// A task gets its signals itself; without one they end us.
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
	}
	code, err := agent.Run(ctx, cfg)
	var exit *fault.ExitError
	if errors.As(err, &exit) {
		return exit.Code, err
	}
	return code, err
}

// taskFlags reads the flags that run and serve share.
func taskFlags(c *invocation, kind agent.Kind) (agent.Options, *commonFlags, error) {
	f := newFlags(c)
	o := agent.Options{Kind: kind, Environ: c.environ}
	common := addCommonFlags(f)

	f.StringVar(&o.Namespace, "namespace", "", "the task's `namespace`")
	f.StringVar(&o.Job, "job", "", "the task's `job`; default the command's name")
	f.StringVar(&o.Group, "group", "", "the task's `group`; default the job")
	f.StringVar(&o.Task, "task", "", "the task's `name`; default the job")
	f.StringVar(&o.AllocID, "alloc-id", "", "the `allocation` to join; default a new one")
	f.StringVar(&o.Region, "region", "", "the `region`; default global")
	f.StringVar(&o.Datacenter, "dc", "", "the `datacenter`; default dc1")
	f.StringVar(&o.JobFile, "job-file", "", "take identities, services, vault, consul and user from this Nomad job `file`")
	vars := f.list("var", "`NAME=VALUE` of a variable of the job file; repeatable")
	identities := f.list("identity", "one more identity, `name=aws,aud=…,ttl=1h,env,file,…`; repeatable")
	services := f.list("service", "register a service, `name=web,port=8080,…`; repeatable")

	f.Var(optionalBool{&o.Env}, "env", "default identity in NOMAD_TOKEN; default true without a job file")
	f.Var(optionalBool{&o.File}, "file", "default identity in a file; default true without a job file")
	f.StringVar(&o.Filepath, "filepath", "", "`path` of the default identity's file; default nomad_token")
	f.Var(optionalDuration{&o.TTL}, "ttl", "the `duration` that a token of the default identity is valid; default for ever (serve -once: 1h)")
	f.StringVar(&o.ChangeMode, "change-mode", "", "what a renewal of the default identity does, its `mode`: noop, signal or restart")
	f.StringVar(&o.ChangeSignal, "change-signal", "", "the `signal` of -change-mode signal")

	f.StringVar(&o.VaultRole, "vault-role", "", "vault_role claim of vault_* identities")
	f.StringVar(&o.VaultNamespace, "vault-namespace", "", "vault_namespace claim of vault_* identities")
	f.StringVar(&o.ConsulNamespace, "consul-namespace", "", "consul_namespace claim of consul_* identities")

	f.StringVar(&o.SecretsDir, "secrets-dir", "", "use this private `directory` for tokens and the socket; default a fresh one")
	f.StringVar(&o.TaskDir, "task-dir", "", "use this `directory` as NOMAD_TASK_DIR; default a fresh one")
	f.StringVar(&o.AllocDir, "alloc-dir", "", "use this `directory` as NOMAD_ALLOC_DIR; default a fresh one")
	f.StringVar(&o.User, "user", "", "run the task as `NAME|UID[:GID]`, who will own files and socket")
	f.StringVar(&o.Source, "source", "auto", "`where` identities come from: auto, leader, file or nomad")
	f.StringVar(&o.DataDir, "data-dir", "", "the embedded leader's data `directory`")
	f.StringVar(&o.Cluster.Upstream, "upstream", "", "`URL` of a real Nomad's HTTP API, http(s)://host:port or unix:///path")
	f.StringVar(&o.Cluster.RPC, "nomad-rpc", "", "RPC `addresses` of Nomad's servers, for -source nomad")
	f.StringVar(&o.Cluster.NodeSecretFile, "node-secret-file", "", "the Nomad client's secret-id `file`, for -source nomad")
	f.StringVar(&o.Cluster.CACert, "ca-cert", "", "the CA certificate `file` of a real Nomad")
	f.StringVar(&o.Cluster.ClientCert, "client-cert", "", "the client certificate `file` for a real Nomad")
	f.StringVar(&o.Cluster.ClientKey, "client-key", "", "its private key `file`")
	f.StringVar(&o.Listen, "listen", "", "also serve the Task API on this loopback `address:port` (port 0 picks one)")
	f.BoolVar(&o.InjectToken, "inject-token", false, "requests over the socket by the task's own user need no token")
	f.StringVar(&o.KillSignal, "kill-signal", "SIGINT", "`signal` that stops the task when taskagent has to")
	f.DurationVar(&o.KillTimeout, "kill-timeout", 5*time.Second, "SIGKILL follows after this `duration`")
	f.DurationVar(&o.StartTimeout, "start-timeout", time.Minute, "give up after this `duration` without identities")
	var once bool
	if kind == agent.Serve {
		f.BoolVar(&once, "once", false, "write the files and exit; the tokens live until they expire")
	}
	if err := f.parse(); err != nil {
		return o, nil, err
	}
	if once {
		o.Kind = agent.Once
	}
	o.Command, o.Vars, o.Identities, o.Services = f.Args(), *vars, *identities, *services
	return o, common, nil
}

// optionalBool is a boolean flag that knows whether it was given.
type optionalBool struct{ p **bool }

func (b optionalBool) String() string   { return "" }
func (b optionalBool) IsBoolFlag() bool { return true }

func (b optionalBool) Set(s string) error {
	v, err := strconv.ParseBool(s)
	if err != nil {
		return errors.New("want true or false")
	}
	*b.p = &v
	return nil
}

// optionalDuration is a duration flag that knows whether it was given.
type optionalDuration struct{ p **time.Duration }

func (d optionalDuration) String() string { return "" }

func (d optionalDuration) Set(s string) error {
	v, err := time.ParseDuration(s)
	if err != nil {
		return errors.New("want a duration such as 30s or 1h")
	}
	*d.p = &v
	return nil
}
