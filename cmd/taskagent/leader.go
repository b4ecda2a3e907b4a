package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/taskagent/taskagent/internal/agent"
	"github.com/taskagent/taskagent/internal/fault"
	"github.com/taskagent/taskagent/internal/leader"
)

var leaderCommand = &command{
	name:    "leader",
	args:    "[flags]",
	summary: "Lead a data directory in the foreground; what is given is kept for the next leader",
	run: func(ctx context.Context, c *invocation) (int, error) {
		f := newFlags(c)
		common := addCommonFlags(f)
		cfg := leader.Config{Version: version, Stdout: c.out}
		dataDir := f.String("data-dir", "", "the data `directory`")
		f.BoolVar(&cfg.Replace, "replace", false, "take over from a leader that is leading; no task notices")
		f.DurationVar(&cfg.Linger, "linger", 0, "end this `duration` after the last task has gone; 0 stays")
		f.BoolVar(&cfg.OpenBootstrap, "open-bootstrap", false, "allow one ACL bootstrap over the API")
		f.BoolVar(&cfg.Detached, "detached", false, hiddenFlag)
		http := f.String("http", "", "serve operators on this `address`; off when empty")
		acl := f.Bool("acl", true, "ask operators for a token; tasks always need one")
		issuer := f.String("oidc-issuer", "", "the issuer's `URL` in tokens and OIDC discovery")
		alg := f.String("signing-alg", "", "`algorithm` of keys from the next one on, RS256 or EdDSA (default RS256)")
		rotate := f.Duration("rotate-every", 0, "the `duration` that a signing key is active (default 720h)")
		snapshot := f.String("snapshot", "", "write a backup to this `file` and exit; a leader goes on meanwhile")
		restore := f.String("restore", "", "fill a new data directory from this backup `file` and exit")
		if err := f.parse(); err != nil {
			return exitUsage, err
		}
		if err := f.want(f.Args(), 0, 0); err != nil {
			return exitUsage, err
		}
		var err error
		if cfg.DataDir, err = agent.DataDir(*dataDir, environMap(c.environ)); err != nil {
			return exitInternal, err
		}
		if f.given["snapshot"] || f.given["restore"] {
			return backup(ctx, f, cfg.DataDir, *snapshot, *restore)
		}
		cfg.Settings = leader.Settings{
			HTTP:       given(f, "http", http),
			ACL:        given(f, "acl", acl),
			Issuer:     given(f, "oidc-issuer", issuer),
			SigningAlg: given(f, "signing-alg", alg),
		}
		if f.given["rotate-every"] {
			d := leader.Duration(*rotate)
			cfg.Settings.RotateEvery = &d
		}
		if err := cfg.Validate(); err != nil {
			return exitUsage, fault.Usage(err, "")
		}
		if cfg.Logger, err = common.logger(c); err != nil {
			return exitUsage, err
		}
		ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
		defer stop()
		if err := leader.Run(ctx, cfg); err != nil {
			return exitInternal, fmt.Errorf("lead: %w", err)
		}
		return exitOK, nil
	},
}

// given returns p where the flag was set, and nil where the kept setting holds.
func given[T any](f *flagSet, name string, p *T) *T {
	if f.given[name] {
		return p
	}
	return nil
}
