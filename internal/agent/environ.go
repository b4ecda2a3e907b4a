package agent

import (
	"github.com/taskagent/taskagent/envinject"
)

// environ is the environment of the task's next process. Inside an allocation it
// is Nomad's, with our socket in place of Nomad's and the newest tokens.
func (s *session) environ() []string {
	c, t := s.c, s.c.Task
	o := envinject.MergeOptions{InAllocation: c.Source == SourceFile}
	if c.User != nil {
		o.User = &envinject.UserEnv{Name: c.User.Name, Home: c.User.Home}
	}
	if o.InAllocation {
		o.Task = []string{"NOMAD_UNIX_ADDR=" + s.socketURL()}
		if s.door.addr != "" {
			o.Task = append(o.Task, "NOMAD_ADDR="+s.door.addr)
		}
		for name, token := range s.envTokens() {
			o.Task = append(o.Task, name+"="+token)
		}
		return envinject.Merge(c.Environ, o)
	}
	o.Task = envinject.TaskEnv{
		Region: t.Region, Datacenter: t.Datacenter, Namespace: t.Namespace,
		JobID: t.Job, JobName: c.JobName, Group: t.Group, Task: t.Task,
		AllocID: s.started.allocID, AllocIndex: s.started.allocIndex,
		SecretsDir: s.dirs.secrets(), TaskDir: s.dirs.local(), AllocDir: s.dirs.alloc(),
		UnixAddr: s.socketURL(), Addr: s.door.addr,
		Tokens: s.envTokens(),
	}.Vars()
	return envinject.Merge(c.Environ, o)
}

func (s *session) socketURL() string { return "unix://" + s.door.path() }

// envTokens returns the tokens that go into the environment, by variable.
func (s *session) envTokens() map[string]string {
	tokens := map[string]string{}
	for name, token := range s.current() {
		if spec := s.specs[name]; spec.Env {
			tokens[spec.EnvName()] = token.Reveal()
		}
	}
	return tokens
}
