package agent

import (
	"fmt"
	"slices"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/fault"
	"github.com/taskagent/taskagent/internal/jobspec"
	"github.com/taskagent/taskagent/internal/wire"
	"github.com/taskagent/taskagent/platform"
)

// resolveIdentities collects the identities of the job file and the flags. A
// flag replaces the job file's identity of the same name.
func (c *Config) resolveIdentities(o Options, job *jobspec.Task) error {
	ids := []wire.Identity{{Spec: identity.Spec{Name: identity.DefaultName, Env: job == nil, File: job == nil}}}
	if job != nil {
		for _, id := range job.Identities {
			ids = replaceIdentity(ids, id)
		}
	}
	flagged := map[string]bool{}
	for _, spec := range o.Identities {
		s, err := identity.ParseSpec(spec)
		if err != nil {
			return fault.Usage(fmt.Errorf("-identity: %w", err), "")
		}
		if flagged[s.Name] {
			return fault.Usage(fmt.Errorf("-identity: %q is given twice", s.Name), "")
		}
		flagged[s.Name] = true
		ids = replaceIdentity(ids, wire.Identity{Spec: s})
	}
	c.defaultFlags(o, &ids[0].Spec)
	jobspec.Claims{ConsulNamespace: o.ConsulNamespace, VaultNamespace: o.VaultNamespace, VaultRole: o.VaultRole}.Apply(ids)
	specs := make([]identity.Spec, 0, len(ids))
	for i := range ids {
		ids[i].Spec = ids[i].Canonical()
		if c.Kind == Once && ids[i].TTL == 0 {
			ids[i].TTL = defaultOnceTTL
		}
		if err := ids[i].Validate(); err != nil {
			return identityFault(o, err)
		}
		if err := checkChangeSignal(ids[i].Spec); err != nil {
			return identityFault(o, err)
		}
		specs = append(specs, ids[i].Spec)
	}
	if err := identity.ValidateSet(specs); err != nil {
		return identityFault(o, err)
	}
	c.Task.Identities = ids
	c.warnStale()
	return nil
}

// identityFault calls a bad identity a mistake of the command line only where
// no job file took part.
func identityFault(o Options, err error) error {
	if o.JobFile != "" {
		return fmt.Errorf("job file %s: %w", o.JobFile, err)
	}
	return fault.Usage(err, "")
}

func replaceIdentity(ids []wire.Identity, id wire.Identity) []wire.Identity {
	i := slices.IndexFunc(ids, func(old wire.Identity) bool { return old.Name == id.Name })
	if i < 0 {
		return append(ids, id)
	}
	ids[i] = id
	return ids
}

// defaultFlags lays the flags of the default identity over s.
func (c *Config) defaultFlags(o Options, s *identity.Spec) {
	if o.Env != nil {
		s.Env = *o.Env
	}
	if o.File != nil {
		s.File = *o.File
	}
	if o.Filepath != "" {
		s.Filepath = o.Filepath
	}
	if o.TTL != nil {
		s.TTL = *o.TTL
	}
	if o.ChangeMode != "" {
		s.ChangeMode = identity.ChangeMode(o.ChangeMode)
	}
	if o.ChangeSignal != "" {
		s.ChangeSignal = o.ChangeSignal
	}
}

// checkChangeSignal asks this machine whether it knows the signal.
func checkChangeSignal(s identity.Spec) error {
	if s.ChangeMode != identity.ChangeSignal {
		return nil
	}
	if _, err := platform.ParseSignal(s.ChangeSignal); err != nil {
		return fmt.Errorf("identity %q: change_signal: %w", s.Name, err)
	}
	return nil
}

// warnStale tells about tokens that will go stale where nobody can renew them.
func (c *Config) warnStale() {
	if c.Kind != RunTask {
		return
	}
	for _, id := range c.Task.Identities {
		if id.Env && id.TTL > 0 && id.ChangeMode != identity.ChangeRestart {
			c.Warnings = append(c.Warnings, fmt.Sprintf(
				"identity %q expires after %s, and %s in the task's environment cannot be renewed: read its file, or use change_mode restart",
				id.Name, id.TTL, id.EnvName()))
		}
	}
}
