package agent_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/agent"
	"github.com/taskagent/taskagent/internal/fault"
)

// options is what the command line fills in when nothing is said.
func options(change func(*agent.Options)) agent.Options {
	o := agent.Options{
		Kind: agent.RunTask, Command: []string{"/usr/bin/server"}, Environ: []string{"HOME=/home/u"},
		KillSignal: "SIGINT", KillTimeout: 5 * time.Second, StartTimeout: time.Minute, DataDir: "/data",
	}
	if change != nil {
		change(&o)
	}
	return o
}

const jobFile = `
job "shop" {
  id        = "shop-1"
  namespace = "team"
  region    = "emea"
  group "api" {
    task "server" {
      identity {
        file = true
        ttl  = "1h"
      }
      identity {
        name = "aws"
        aud  = ["sts.amazonaws.com"]
        env  = true
      }
    }
  }
}
`

func writeJob(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shop.nomad.hcl")
	if err := os.WriteFile(path, []byte(jobFile), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPrecedence: flag, job file, NOMAD_*, default, in this order.
func TestPrecedence(t *testing.T) {
	nomad := []string{"NOMAD_NAMESPACE=n", "NOMAD_JOB_ID=j", "NOMAD_GROUP_NAME=g", "NOMAD_TASK_NAME=t", "NOMAD_REGION=r", "NOMAD_DC=d", "NOMAD_ALLOC_ID=a"}
	job := writeJob(t)
	who := func(c *agent.Config) string {
		k := c.Task
		return strings.Join([]string{k.Region, k.Datacenter, k.Namespace, k.Job, k.Group, k.Task}, " ")
	}
	for name, c := range map[string]struct {
		change func(*agent.Options)
		want   string
	}{
		"defaults":  {nil, "global dc1 default server server server"},
		"job alone": {func(o *agent.Options) { o.Job = "x" }, "global dc1 default x x x"},
		"nomad":     {func(o *agent.Options) { o.Environ = nomad }, "r d n j g t"},
		"job file":  {func(o *agent.Options) { o.Environ = nomad; o.JobFile = job }, "emea d team shop-1 api server"},
		"flags": {func(o *agent.Options) {
			o.Environ, o.JobFile = nomad, job
			o.Namespace, o.Job, o.Region, o.Datacenter = "fn", "fj", "fr", "fd"
		}, "fr fd fn fj api server"},
		"no name": {func(o *agent.Options) { o.Command = []string{"./"} }, "global dc1 default task task task"},
	} {
		got, err := agent.Resolve(options(c.change))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if who(got) != c.want {
			t.Errorf("%s: %s, want %s", name, who(got), c.want)
		}
	}
}

func TestIdentities(t *testing.T) {
	yes, no, minute := true, false, time.Minute
	job := writeJob(t)
	for name, c := range map[string]struct {
		change func(*agent.Options)
		want   []string
	}{
		"no job file":     {nil, []string{"name=default,aud=nomadproject.io,env,file"}},
		"flags":           {func(o *agent.Options) { o.Env, o.TTL = &no, &minute }, []string{"name=default,aud=nomadproject.io,ttl=1m0s,file"}},
		"job file":        {func(o *agent.Options) { o.JobFile = job }, []string{"name=default,aud=nomadproject.io,ttl=1h0m0s,file", "name=aws,aud=sts.amazonaws.com,env"}},
		"flag over file":  {func(o *agent.Options) { o.JobFile, o.Env, o.File = job, &yes, &no }, []string{"name=default,aud=nomadproject.io,ttl=1h0m0s,env", "name=aws,aud=sts.amazonaws.com,env"}},
		"identity's too":  {func(o *agent.Options) { o.JobFile = job; o.Identities = []string{"name=aws,aud=x,file"} }, []string{"name=default,aud=nomadproject.io,ttl=1h0m0s,file", "name=aws,aud=x,file"}},
		"once has a ttl":  {func(o *agent.Options) { o.Kind = agent.Once; o.Job = "x" }, []string{"name=default,aud=nomadproject.io,ttl=1h0m0s,env,file"}},
		"once, ttl given": {func(o *agent.Options) { o.Kind = agent.Once; o.Job = "x"; o.TTL = &minute }, []string{"name=default,aud=nomadproject.io,ttl=1m0s,env,file"}},
	} {
		got, err := agent.Resolve(options(c.change))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var specs []string
		for _, id := range got.Task.Identities {
			specs = append(specs, strings.TrimSuffix(id.Spec.String(), ",change_mode=noop"))
		}
		if strings.Join(specs, " ") != strings.Join(c.want, " ") {
			t.Errorf("%s: %q, want %q", name, specs, c.want)
		}
	}
}

// TestUsage: what the options alone show to be wrong is a mistake of usage, and
// says what; anything else is not.
func TestUsage(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*agent.Options)
		usage  bool
		want   string
	}{
		"slash":          {func(o *agent.Options) { o.Job = "a/b" }, true, `job name "a/b" contains a slash`},
		"dots":           {func(o *agent.Options) { o.Task = ".." }, true, `task name ".." is not a name`},
		"control":        {func(o *agent.Options) { o.Group = "a\nb" }, true, `group name "a\nb" contains white space or a control character`},
		"long":           {func(o *agent.Options) { o.Job = strings.Repeat("x", 129) }, true, `job name "xxxxxxxxxxxxxxxxxxxx"… is longer than 128 bytes`},
		"namespace":      {func(o *agent.Options) { o.Namespace = "a_b" }, true, `namespace name "a_b": want 1 to 128 letters, digits and hyphens`},
		"nobody":         {func(o *agent.Options) { o.Command = nil }, true, "whose identity? no job is named"},
		"source":         {func(o *agent.Options) { o.Source = "moon" }, true, `-source "moon" is none of auto, leader, file, nomad`},
		"listen":         {func(o *agent.Options) { o.Listen = "192.0.2.1:80" }, true, `-listen "192.0.2.1:80" is not a loopback address`},
		"listen form":    {func(o *agent.Options) { o.Listen = "80" }, true, `-listen "80" is not an address:port`},
		"no start":       {func(o *agent.Options) { o.StartTimeout = 0 }, true, "-start-timeout 0s leaves no time to start"},
		"kill timeout":   {func(o *agent.Options) { o.KillTimeout = -time.Second }, true, "-kill-timeout -1s is negative"},
		"twice":          {func(o *agent.Options) { o.Identities = []string{"name=a", "name=a"} }, true, `-identity: "a" is given twice`},
		"vars, no file":  {func(o *agent.Options) { o.Vars = []string{"a=b"} }, true, "-var is for variables of a job file, and there is no -job-file"},
		"no home":        {func(o *agent.Options) { o.DataDir, o.Environ = "", nil }, false, "find the data directory: neither a home directory nor XDG_DATA_HOME is set"},
		"missing file":   {func(o *agent.Options) { o.JobFile = "/does/not/exist" }, false, "read the job file: open /does/not/exist: no such file or directory"},
		"file, no alloc": {func(o *agent.Options) { o.Source = "file" }, false, "-source file takes what a Nomad client delivers, and this is no allocation: NOMAD_ALLOC_ID and NOMAD_SECRETS_DIR are not set"},
	} {
		if name == "no home" && os.Geteuid() == 0 {
			continue // root has a directory of its own whatever its home
		}
		_, err := agent.Resolve(options(c.change))
		var usage *fault.UsageError
		if err == nil || err.Error() != c.want || errors.As(err, &usage) != c.usage {
			t.Errorf("%s: %v (usage: %v), want %s (%v)", name, err, errors.As(err, &usage), c.want, c.usage)
		}
	}
}

// TestDelivered: inside an allocation identities are Nomad's, whatever else is there.
func TestDelivered(t *testing.T) {
	dir := t.TempDir()
	token := "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjQxMDI0NDQ4MDB9.c2ln" // expires in 2100
	for _, name := range []string{"nomad_token", "nomad_aws.jwt", "other.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in := func(o *agent.Options) {
		o.Environ = []string{"NOMAD_ALLOC_ID=a", "NOMAD_SECRETS_DIR=" + dir, "NOMAD_JOB_ID=j", "NOMAD_TOKEN=" + token, "NOMAD_TOKEN_ci=" + token}
		o.Identities = []string{"name=aws,change_mode=restart"}
	}
	c, err := agent.Resolve(options(in))
	if err != nil {
		t.Fatal(err)
	}
	if c.Source != agent.SourceFile || c.DataDir != "" {
		t.Errorf("source %s, data directory %q: want files and no leader", c.Source, c.DataDir)
	}
	want := map[string]identity.Spec{
		"default": {Env: true, File: true}, "aws": {File: true, ChangeMode: identity.ChangeRestart}, "ci": {Env: true},
	}
	if len(c.Task.Identities) != len(want) {
		t.Fatalf("identities: %v", c.Task.Identities)
	}
	for _, id := range c.Task.Identities {
		w := want[id.Name]
		if id.Env != w.Env || id.File != w.File || w.ChangeMode != "" && id.ChangeMode != w.ChangeMode {
			t.Errorf("%s: %v, want %v", id.Name, id.Spec, w)
		}
	}
	text := strings.Join(c.Warnings, "\n")
	for _, w := range []string{`"ci" is delivered in the environment only`, `"aws": a change_mode in the job would act a second time`} {
		if !strings.Contains(text, w) {
			t.Errorf("no warning says %q:\n%s", w, text)
		}
	}
	for name, change := range map[string]func(*agent.Options){
		"ttl":     func(o *agent.Options) { in(o); d := time.Hour; o.TTL = &d },
		"service": func(o *agent.Options) { in(o); o.Services = []string{"name=a,port=1"} },
		"unknown": func(o *agent.Options) { in(o); o.Identities = []string{"name=nope,change_mode=restart"} },
	} {
		if _, err := agent.Resolve(options(change)); err == nil {
			t.Errorf("%s was taken inside an allocation", name)
		}
	}
}

// TestUser: only root can have a task run as somebody else; as ourselves it runs
// as it is. Both are known before anything is made.
func TestUser(t *testing.T) {
	as := func(user string) (*agent.Config, error) {
		return agent.Resolve(options(func(o *agent.Options) { o.User = user }))
	}
	uid := os.Geteuid()
	if uid == 0 {
		if c, err := as("4242"); err != nil || c.User == nil || c.User.UID != 4242 {
			t.Errorf("root: %v, %v", c, err)
		}
		return
	}
	if uid < 0 {
		t.Skip("no numeric users")
	}
	if c, err := as(fmt.Sprint(uid)); err != nil || c.User != nil {
		t.Errorf("ourselves: %v, %v", c, err)
	}
	for _, user := range []string{"0", "4242", fmt.Sprintf("%d:0", uid)} {
		want := fmt.Sprintf("run the task as %q: only root can, taskagent runs as uid %d", user, uid)
		if _, err := as(user); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
