package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/fault"
	"github.com/taskagent/taskagent/internal/wire"
	"github.com/taskagent/taskagent/renew"
	"github.com/taskagent/taskagent/taskapi"
)

// deliveredOrigin is a Nomad client that delivers identities to the task we
// are the command of: files it keeps fresh, variables it set once, and its own
// api.sock. All of that is Nomad's: it is read and never written.
type deliveredOrigin struct {
	renew.FileSource
	allocID string
	env     map[string]identity.Token
	door    taskapi.Config
}

// resolveDelivered decides about identities where Nomad delivers them: which
// there are is the job's affair, what a renewal does to the task is ours.
func (c *Config) resolveDelivered(o Options, env map[string]string) error {
	if err := refuseSigningFlags(o); err != nil {
		return err
	}
	c.SecretsDir, c.TaskDir, c.AllocDir = env["NOMAD_SECRETS_DIR"], env["NOMAD_TASK_DIR"], env["NOMAD_ALLOC_DIR"]
	if c.SecretsDir == "" || env["NOMAD_ALLOC_ID"] == "" {
		return fault.Hint(errors.New("-source file takes what a Nomad client delivers, and this is no allocation: NOMAD_ALLOC_ID and NOMAD_SECRETS_DIR are not set"),
			"outside of Nomad, leave -source out")
	}
	found, err := renew.FindDelivered(c.SecretsDir)
	if err != nil {
		return err
	}
	specs := map[string]identity.Spec{}
	for name := range found {
		specs[name] = identity.Spec{Name: name, File: true}
	}
	for name := range deliveredEnv(env) {
		s := specs[name]
		s.Name, s.Env = name, true
		specs[name] = s
	}
	for _, text := range o.Identities {
		s, err := identity.ParseSpec(text)
		if err != nil {
			return fault.Usage(fmt.Errorf("-identity: %w", err), "")
		}
		if len(s.Audience) > 0 || s.TTL != 0 || s.Service != "" {
			return fault.Usage(fmt.Errorf("-identity %s: inside an allocation aud, ttl and service are the job's to say", s.Name),
				"name, env, filepath, change_mode and change_signal say what taskagent does with what is delivered")
		}
		was, known := specs[s.Name]
		if !known && s.Filepath == "" {
			return fault.Hint(fmt.Errorf("identity %q was not delivered to %s", s.Name, c.SecretsDir),
				"give the job's identity block file = true, or name its filepath")
		}
		s.Env = s.Env || was.Env
		s.File = was.File || s.Filepath != ""
		specs[s.Name] = s
	}
	if s, ok := specs[identity.DefaultName]; ok {
		c.defaultFlags(o, &s)
		specs[identity.DefaultName] = s
	}
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		s := specs[name].Canonical()
		if err := errors.Join(s.Validate(), checkChangeSignal(s)); err != nil {
			return identityFault(o, err)
		}
		c.Task.Identities = append(c.Task.Identities, wire.Identity{Spec: s})
	}
	c.warnDelivered(env)
	return nil
}

// refuseSigningFlags names the flags that only mean something to a signer.
func refuseSigningFlags(o Options) error {
	for _, f := range []struct {
		name  string
		given bool
	}{
		{"-ttl", o.TTL != nil}, {"-service", len(o.Services) > 0}, {"-job-file", o.JobFile != ""},
		{"-vault-role", o.VaultRole != ""}, {"-vault-namespace", o.VaultNamespace != ""}, {"-consul-namespace", o.ConsulNamespace != ""},
		{"-secrets-dir", o.SecretsDir != ""}, {"-task-dir", o.TaskDir != ""}, {"-alloc-dir", o.AllocDir != ""},
	} {
		if f.given {
			return fault.Usage(fmt.Errorf("%s has no meaning inside an allocation: Nomad decides it from the job", f.name),
				"write it in the job's file; -source leader takes identities from the embedded leader instead")
		}
	}
	return nil
}

// warnDelivered names what taskagent cannot help with.
func (c *Config) warnDelivered(env map[string]string) {
	if len(c.Task.Identities) == 0 {
		c.Warnings = append(c.Warnings, "Nomad delivered no identity to this task: its job needs an identity block with file = true")
	}
	for _, id := range c.Task.Identities {
		token := deliveredEnv(env)[id.Name]
		switch {
		case !id.File && !token.Expiry().IsZero():
			c.Warnings = append(c.Warnings, fmt.Sprintf("identity %q is delivered in the environment only: its renewals cannot be seen, and it expires at %s; give its block file = true",
				id.Name, token.Expiry().UTC().Format(time.RFC3339)))
		case !id.File && id.ChangeMode != identity.ChangeNoop && id.ChangeMode != "":
			c.Warnings = append(c.Warnings, fmt.Sprintf("identity %q is delivered in the environment only: its renewals cannot be seen, so its change mode never acts; give its block file = true", id.Name))
		case id.ChangeMode == identity.ChangeRestart || id.ChangeMode == identity.ChangeSignal:
			c.Warnings = append(c.Warnings, fmt.Sprintf("taskagent acts on renewals of identity %q: a change_mode in the job would act a second time, so leave it out there", id.Name))
		}
	}
}

// deliveredEnv finds the identities in the environment that Nomad set.
func deliveredEnv(env map[string]string) map[string]identity.Token {
	tokens := map[string]identity.Token{}
	for key, value := range env {
		name, ok := strings.CutPrefix(key, "NOMAD_TOKEN")
		if name == "" {
			name = "_" + identity.DefaultName
		}
		name, underscored := strings.CutPrefix(name, "_")
		if !ok || !underscored {
			continue
		}
		if t, _, err := identity.ParseInsecure(value); err == nil {
			tokens[name] = t
		}
	}
	return tokens
}

// newDeliveredOrigin reads nothing yet. The Task API is the client's own socket
// unless another upstream was named; it is dialled by name for each connection,
// because a client that restarts makes a new one.
func newDeliveredOrigin(c *Config) (*deliveredOrigin, error) {
	env := environMap(c.Environ)
	var specs []identity.Spec
	for _, id := range c.Task.Identities {
		if id.File {
			specs = append(specs, id.Spec)
		}
	}
	door, err := clusterDoor(c, first(c.Cluster.Upstream, "unix://"+filepath.Join(c.SecretsDir, apiSocket)))
	if err != nil {
		return nil, err
	}
	return &deliveredOrigin{
		FileSource: renew.FileSource{Paths: renew.DeliveredPaths(c.SecretsDir, specs)},
		allocID:    env["NOMAD_ALLOC_ID"],
		env:        deliveredEnv(env),
		door:       door,
	}, nil
}

// Start reads what is there. A file that is not whole yet is waited for.
func (o *deliveredOrigin) Start(ctx context.Context) (*started, error) {
	names := slices.Sorted(maps.Keys(o.Paths))
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		tokens, err := o.Fetch(ctx, names)
		if err == nil {
			all := maps.Clone(o.env)
			maps.Copy(all, tokens)
			return &started{allocID: o.allocID, tokens: all}, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("read the identities that Nomad delivered: %w (%w)", err, context.Cause(ctx))
		case <-time.After(wait):
		}
	}
}

// Lost is never closed: when the allocation ends, Nomad ends us.
func (o *deliveredOrigin) Lost() <-chan struct{} { return nil }

// Why has nothing to say.
func (o *deliveredOrigin) Why() error { return nil }

// Report has nobody to tell.
func (o *deliveredOrigin) Report(context.Context, wire.Report) {}

// End has nothing to give back.
func (o *deliveredOrigin) End(context.Context) {}

// Door is the client's own socket.
func (o *deliveredOrigin) Door() taskapi.Config { return o.door }
