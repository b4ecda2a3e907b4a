package agent

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/taskagent/taskagent/internal/fault"
	"github.com/taskagent/taskagent/internal/jobspec"
	"github.com/taskagent/taskagent/internal/wire"
	"github.com/taskagent/taskagent/platform"
)

// Resolve fills in defaults in the order flag, TASKAGENT_* (both in o), job
// file, NOMAD_*, default, and checks everything that can be checked without
// touching anything: only the job file and the user database are read.
//
// What the command line alone shows to be wrong is a fault.UsageError.
func Resolve(o Options) (*Config, error) {
	env := environMap(o.Environ)
	c := &Config{
		Kind: o.Kind, Command: o.Command, Environ: o.Environ,
		Listen: o.Listen, InjectToken: o.InjectToken,
		KillTimeout: o.KillTimeout, StartTimeout: o.StartTimeout,
	}
	if err := c.resolvePlain(o); err != nil {
		return nil, err
	}
	if err := c.resolveSource(o, env); err != nil {
		return nil, err
	}
	if err := c.resolveCluster(o, env); err != nil {
		return nil, err
	}
	job, err := readJobFile(o)
	if err != nil {
		return nil, err
	}
	if err := c.resolveWho(o, job, env); err != nil {
		return nil, err
	}
	if err := c.interpolate(o, job); err != nil {
		return nil, err
	}
	if err := c.resolveUser(o, job); err != nil {
		return nil, err
	}
	if c.Source == SourceFile {
		return c, c.resolveDelivered(o, env)
	}
	if err := c.resolveIdentities(o, job); err != nil {
		return nil, err
	}
	if err := c.resolveServices(o, job); err != nil {
		return nil, err
	}
	return c, c.resolveDirs(o)
}

// resolvePlain checks the flags that depend on nothing else.
func (c *Config) resolvePlain(o Options) error {
	var err error
	if c.KillSignal, err = platform.ParseSignal(o.KillSignal); err != nil {
		return fault.Usage(fmt.Errorf("-kill-signal: %w", err), "")
	}
	if o.KillTimeout < 0 {
		return fault.Usage(fmt.Errorf("-kill-timeout %s is negative", o.KillTimeout), "")
	}
	if o.StartTimeout <= 0 {
		return fault.Usage(fmt.Errorf("-start-timeout %s leaves no time to start", o.StartTimeout), "")
	}
	if o.Listen != "" {
		return checkListen(o.Listen)
	}
	return nil
}

// checkListen keeps the Task API off the network: a token would cross it in the clear.
func checkListen(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fault.Usage(fmt.Errorf("-listen %q is not an address:port", addr), "for example 127.0.0.1:0")
	}
	if host == "localhost" {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
		return fault.Usage(fmt.Errorf("-listen %q is not a loopback address", addr), "the Task API is served on 127.0.0.1 or [::1] only")
	}
	return nil
}

func readJobFile(o Options) (*jobspec.Task, error) {
	if o.JobFile == "" {
		if len(o.Vars) > 0 {
			return nil, fault.Usage(errors.New("-var is for variables of a job file, and there is no -job-file"), "")
		}
		return nil, nil
	}
	vars := make(map[string]string, len(o.Vars))
	for _, v := range o.Vars {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return nil, fault.Usage(errors.New("-var: want NAME=VALUE"), "")
		}
		vars[name] = value
	}
	return jobspec.LoadFile(o.JobFile, jobspec.Options{Vars: vars, Group: o.Group, Task: o.Task})
}

// resolveWho decides the workload's names.
func (c *Config) resolveWho(o Options, job *jobspec.Task, env map[string]string) error {
	if job == nil {
		job = &jobspec.Task{}
	}
	t := &c.Task
	t.Namespace = first(o.Namespace, job.Namespace, env["NOMAD_NAMESPACE"], "default")
	t.Region = first(o.Region, job.Region, env["NOMAD_REGION"], "global")
	t.Datacenter = first(o.Datacenter, job.Datacenter, env["NOMAD_DC"], "dc1")
	t.Job = first(o.Job, job.Job, env["NOMAD_JOB_ID"], env["NOMAD_JOB_NAME"], commandName(o.Command))
	if t.Job == "" {
		return fault.Usage(errors.New("whose identity? no job is named"), "name one: -job NAME, or -job-file FILE")
	}
	c.JobName = first(o.Job, job.JobName, t.Job)
	t.Group = first(o.Group, job.Group, env["NOMAD_GROUP_NAME"], t.Job)
	t.Task = first(o.Task, job.Task, env["NOMAD_TASK_NAME"], t.Job)
	t.AllocID = first(o.AllocID, env["NOMAD_ALLOC_ID"])
	if t.AllocID == "" {
		t.AllocID = newUUID()
	}

	if err := wire.CheckNamespace(t.Namespace); err != nil {
		return fault.Usage(err, "")
	}
	for _, n := range []struct{ what, name string }{
		{"job", t.Job}, {"group", t.Group}, {"task", t.Task}, {"allocation", t.AllocID}, {"region", t.Region}, {"datacenter", t.Datacenter},
	} {
		if err := wire.CheckName(n.what, n.name); err != nil {
			return fault.Usage(err, "")
		}
	}
	return nil
}

// interpolate completes what the job file leaves to the allocation.
func (c *Config) interpolate(o Options, job *jobspec.Task) error {
	if job == nil {
		return nil
	}
	t := c.Task
	c.Warnings = append(c.Warnings, job.Warnings...)
	hostname, _ := os.Hostname() // empty is unknown
	warnings, err := job.Interpolate(jobspec.Allocation{
		ID: t.AllocID, Name: t.Job + "." + t.Group + "[0]",
		Namespace: t.Namespace, Region: t.Region, Datacenter: t.Datacenter,
		Job: t.Job, JobName: c.JobName, Group: t.Group, Task: t.Task, Hostname: hostname,
	}.Lookup)
	c.Warnings = append(c.Warnings, warnings...)
	if err != nil {
		return fmt.Errorf("job file %s: %w", o.JobFile, err)
	}
	return nil
}

// newUUID makes the id of a new allocation. The agent makes it, so that a start
// sent again because its answer got lost asks for the same allocation.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// commandName is the job's name when nobody named one: the command's, or
// "task" for a command whose name cannot be a job's.
func commandName(command []string) string {
	if len(command) == 0 {
		return ""
	}
	name := strings.TrimSuffix(filepath.Base(command[0]), ".exe")
	if wire.CheckName("job", name) != nil {
		return "task"
	}
	return name
}

func (c *Config) resolveServices(o Options, job *jobspec.Task) error {
	for _, spec := range o.Services {
		s, err := ParseService(spec)
		if err != nil {
			return fault.Usage(fmt.Errorf("-service: %w", err), "")
		}
		c.Task.Services = append(c.Task.Services, s)
	}
	if job != nil {
		for _, s := range job.Services {
			if err := s.Check(); err != nil {
				return fmt.Errorf("job file %s: %w", o.JobFile, err)
			}
			c.Task.Services = append(c.Task.Services, s)
		}
	}
	// A service without an address is at this machine's, as in Nomad; whoever
	// finds it through this leader is on this machine too.
	for i := range c.Task.Services {
		if c.Task.Services[i].Address == "" {
			c.Task.Services[i].Address = "127.0.0.1"
		}
	}
	return nil
}

// resolveSource decides where identities come from. Inside an allocation there
// is no fall-back to the embedded leader, ever.
func (c *Config) resolveSource(o Options, env map[string]string) error {
	c.Source = o.Source
	if c.Source == "" || c.Source == SourceAuto {
		c.Source = SourceLeader
		if env["NOMAD_ALLOC_ID"] != "" && env["NOMAD_SECRETS_DIR"] != "" {
			c.Source = SourceFile
		}
	}
	switch c.Source {
	case SourceLeader:
		var err error
		c.DataDir, err = DataDir(o.DataDir, env)
		return err
	case SourceFile, SourceNomad:
		return nil
	}
	return fault.Usage(fmt.Errorf("-source %q is none of auto, leader, file, nomad", o.Source), "")
}

func (c *Config) resolveUser(o Options, job *jobspec.Task) error {
	spec := o.User
	if spec == "" && job != nil {
		spec = job.User
	}
	if spec == "" {
		return nil
	}
	u, err := platform.LookupUser(spec)
	if err != nil {
		return fault.Hint(fmt.Errorf("run the task as %q: %w", spec, err), "-user takes a name of this machine, or UID[:GID]")
	}
	if uid := platform.CurrentUID(); uid > 0 {
		if u.UID == uid && !strings.Contains(spec, ":") {
			return nil // we are that user, with the groups we have
		}
		return fault.Hint(fmt.Errorf("run the task as %q: only root can, taskagent runs as uid %d", spec, uid),
			"start taskagent as root, or name yourself with -user")
	}
	c.User = &u
	return nil
}

// resolveDirs makes the given directories absolute: the task may change its own.
func (c *Config) resolveDirs(o Options) error {
	for _, d := range []struct {
		given string
		to    *string
	}{{o.SecretsDir, &c.SecretsDir}, {o.TaskDir, &c.TaskDir}, {o.AllocDir, &c.AllocDir}} {
		if d.given == "" {
			continue
		}
		abs, err := filepath.Abs(d.given)
		if err != nil {
			return fmt.Errorf("find the directory %q: %w", d.given, err)
		}
		*d.to = abs
	}
	return nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func environMap(environ []string) map[string]string {
	m := make(map[string]string, len(environ))
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok {
			m[k] = v
		}
	}
	return m
}
