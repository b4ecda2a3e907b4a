package jobspec_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/jobspec"
	"github.com/taskagent/taskagent/internal/wire"
)

// defaultIdentity is what a task without identity blocks has.
var defaultIdentity = wire.Identity{Spec: identity.Spec{Name: "default", Audience: []string{"nomadproject.io"}, ChangeMode: "noop"}}

// id is an identity with change mode noop.
func id(name string, audience ...string) wire.Identity {
	return wire.Identity{Spec: identity.Spec{Name: name, Audience: audience, ChangeMode: "noop"}}
}

func with(i wire.Identity, change func(*wire.Identity)) wire.Identity {
	change(&i)
	return i
}

// TestFull loads each task of a file that uses all of the language; what is
// wanted here was compared with what Nomad 2.0.5 makes of the same file.
func TestFull(t *testing.T) {
	full := filepath.Join("testdata", "full.nomad.hcl")
	groupServices := []wire.Service{
		{Name: "billing-staging-api-group", Port: 8080, Tags: []string{"v1", "staging", "ADMIN", "HTTP"}},
		{Name: "payments-staging-admin", Port: 9090, Tags: []string{"${NOMAD_ALLOC_ID}", "host=${attr.unique.hostname}", `x=${env["HOME"]}`, "${NOMAD_DC}"}},
		{Name: "payments-staging-http", Port: 8080, Tags: []string{"${NOMAD_ALLOC_ID}", "host=${attr.unique.hostname}", `x=${env["HOME"]}`, "${NOMAD_DC}"}},
	}
	notRegistered := []string{full + `:91,5: this service has provider "consul" and is not registered; only those with provider "nomad" are`}
	for _, tt := range []struct {
		group, task string
		vars        map[string]string
		want        jobspec.Task
	}{
		{"api", "server", nil, jobspec.Task{User: "staging-user",
			Identities: []wire.Identity{
				with(defaultIdentity, func(i *wire.Identity) { i.Env, i.File = true, true }),
				{Spec: identity.Spec{Name: "aws", Audience: []string{"sts.amazonaws.com"}, File: true, Filepath: "local/staging/aws.jwt",
					TTL: time.Hour, ChangeMode: "signal", ChangeSignal: "SIGHUP"}},
				with(id("vault_default", "vault.io"), func(i *wire.Identity) { i.TTL, i.VaultRole = time.Hour, "task-role" }),
				with(id("consul_default", "consul.io"), func(i *wire.Identity) { i.Env, i.ConsulNamespace = true, "group-consul" }),
				with(id("consul-service_billing", "consul.io", "other"), func(i *wire.Identity) {
					i.TTL, i.Service, i.ConsulNamespace = time.Hour, "billing-staging-api-server", "group-consul"
				}),
			},
			Services: append(groupServices[:3:3], wire.Service{Name: "billing-staging-api-server", Port: 9999, Address: "10.0.0.2"}),
			Warnings: notRegistered,
		}},
		{"api", "sidecar", nil, jobspec.Task{
			Identities: []wire.Identity{
				defaultIdentity,
				with(id("vault_other", "vault.io"), func(i *wire.Identity) { i.VaultNamespace, i.VaultRole = "job-ns", "job-role" }),
				id("consul_default", "consul.io"), // its own consul block says nothing, and hides the group's
			},
			Services: groupServices,
			Warnings: notRegistered,
		}},
		{"grouped", "inherits", nil, jobspec.Task{
			Identities: []wire.Identity{
				defaultIdentity,
				with(id("vault_default", "vault.io"), func(i *wire.Identity) { i.VaultNamespace = "group-ns" }),
				id("consul_default", "consul.io"),
			},
			Services: []wire.Service{{Name: "billing-staging-grouped-inherits", Port: 5432}},
		}},
		{"grouped", "worker-1", nil, jobspec.Task{User: "two", Identities: []wire.Identity{defaultIdentity}}},
		{"lone", "", nil, jobspec.Task{Task: "lone",
			Identities: []wire.Identity{
				defaultIdentity,
				with(id("vault_default", "vault.io"), func(i *wire.Identity) { i.Env, i.VaultNamespace, i.VaultRole = true, "job-ns", "job-role" }),
			},
		}},
		{"grouped", "inherits", map[string]string{"env": "live", "ports": "{ http = 1 }", "ttl_minutes": "7", "image": "x", "team": "T"}, jobspec.Task{
			JobName: "billing-live", Namespace: "t-live", Datacenter: "dc-live",
			Identities: []wire.Identity{
				defaultIdentity,
				with(id("vault_default", "vault.io"), func(i *wire.Identity) { i.VaultNamespace = "group-ns" }),
				id("consul_default", "consul.io"),
			},
			Services: []wire.Service{{Name: "billing-live-grouped-inherits", Port: 5432}},
		}},
	} {
		t.Run(tt.group+"/"+tt.task, func(t *testing.T) {
			got, err := jobspec.LoadFile(full, jobspec.Options{Group: tt.group, Task: tt.task, Vars: tt.vars})
			if err != nil {
				t.Fatal(err)
			}
			want := tt.want
			want.Job, want.Region, want.Group = "billing", "eu", tt.group
			if want.Task == "" {
				want.Task = tt.task
			}
			if want.JobName == "" {
				want.JobName, want.Namespace, want.Datacenter = "billing-staging", "payments-staging", "dc-staging"
			}
			if diff := cmp.Diff(&want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestJSON(t *testing.T) {
	got, err := jobspec.LoadFile(filepath.Join("testdata", "web.nomad.json"), jobspec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := &jobspec.Task{Job: "web", JobName: "web", Group: "front", Task: "server", User: "www-data",
		Identities: []wire.Identity{
			with(defaultIdentity, func(i *wire.Identity) { i.Env = true }),
			with(id("aws", "sts"), func(i *wire.Identity) { i.TTL = time.Hour }),
		},
		Services: []wire.Service{{Name: "web", Port: 80, Tags: []string{"WWW-DATA", "${NOMAD_DC}"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoadFile(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "gone.nomad")
	if _, err := jobspec.LoadFile(missing, jobspec.Options{}); !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "read the job file: open "+missing) {
		t.Errorf("got %v", err)
	}
	large := filepath.Join(dir, "large.nomad")
	if err := os.WriteFile(large, make([]byte, jobspec.MaxSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := jobspec.LoadFile(large, jobspec.Options{}); err == nil || err.Error() != large+": the job file is larger than 1048576 bytes" {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "user"), []byte("ann"), 0o600); err != nil {
		t.Fatal(err)
	}
	job := filepath.Join(dir, "j.nomad")
	src := `job "j" { task "t" { user = fileexists("user") ? "${file("user")}-${filebase64("user")}-${basename(abspath("x"))}" : "none" } }`
	src = strings.NewReplacer("{ task", "{\n task", "{ user", "{\n user", " } }", "\n}\n}").Replace(src)
	if err := os.WriteFile(job, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := jobspec.LoadFile(job, jobspec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "ann-YW5u-x"; got.User != want {
		t.Errorf("user %q, want %q", got.User, want)
	}
}

// inTask wraps lines of a task block into a file: the task is line 3.
func inTask(lines string) string {
	return "job \"j\" {\n group \"g\" {\n  task \"t\" {\n" + lines + "\n  }\n }\n}\n"
}

// TestValues evaluates one expression as the task's user.
func TestValues(t *testing.T) {
	for _, tt := range []struct{ declarations, expr, want string }{
		{"", `"ann"`, "ann"},
		{"", `null`, ""},
		{"", `5`, "5"},
		{"", `"${NOMAD_TASK_NAME}-${env["X Y"]}-${ meta.a.b }"`, `${NOMAD_TASK_NAME}-${env["X Y"]}-${meta.a.b}`},
		{"", `"$${NOMAD_X}"`, "${NOMAD_X}"},
		{"", `attr.kernel.name`, "${attr.kernel.name}"},
		{"", `[for x in ["a", "b"] : "${x}${attr.y}"][1]`, "b${attr.y}"},
		{`variable "x" { default = "v" }`, `var.x`, "v"},
		{`variable "x" { default = "v" }`, `var["x"]`, "v"},
		{`variable "x" { default = "v" }`, `join(",", values(var))`, "v"},
		{"variable \"x\" {\n type = number\n default = \"7\"\n}", `var.x + 1`, "8"},
		{"variable \"x\" {\n type = list(string)\n default = [1, true]\n}", `join("-", var.x)`, "1-true"},
		{"variable \"x\" {\n type = object({a = string, b = number})\n default = { a = \"q\", b = 2 }\n}", `"${var.x.a}${var.x.b}"`, "q2"},
		{"variable \"x\" {\n default = \"v\"\n validation {\n condition = nonsense()\n error_message = \"\"\n }\n}", `var.x`, "v"},
		{"variables {\n x = \"v\"\n}", `var.x`, "v"},
		{"locals {\n a = \"${local.b}!\"\n b = upper(\"b\")\n c = local.c\n}", `local.a`, "B!"},
		{"", `try(jsondecode("{"), "fallback")`, "fallback"},
		{"", `can(1 + "x")`, "false"},
		{"", `base64encode("a") == "YQ==" ? base64decode("YWI=") : ""`, "ab"},
		{"", `urlencode("a b/")`, "a+b%2F"},
		{"", `"${substr(sha256("a"), 0, 4)}${substr(sha512("a"), 0, 4)}${substr(md5("a"), 0, 4)}${substr(sha1("a"), 0, 4)}"`, "ca971f400cc186f7"},
		{"", `format("%s-%03d", lower("A"), max(1, 2))`, "a-002"},
		{"", `lookup({ a = "x" }, "b", "none")`, "none"},
		{"", "<<EOT\nx\nEOT\n", "x\n"},
		{"", `"%{ if true }yes%{ else }no%{ endif }"`, "yes"},
	} {
		t.Run(tt.expr, func(t *testing.T) {
			got, err := jobspec.Load("j.nomad", []byte(tt.declarations+"\n"+inTask("user = "+tt.expr)), jobspec.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got.User != tt.want {
				t.Errorf("got %q, want %q", got.User, tt.want)
			}
		})
	}
}

// TestVars gives values to variables of several types.
func TestVars(t *testing.T) {
	for _, tt := range []struct{ typ, given, expr, want string }{
		{"", "text with ${dollars}", `var.x`, "text with ${dollars}"},
		{"", "", `"[${var.x}]"`, "[]"},
		{"string", "1e3", `var.x`, "1e3"},
		{"number", "1e3", `var.x`, "1000"},
		{"bool", "true", `var.x ? "yes" : "no"`, "yes"},
		{"list(string)", `["a", "b"]`, `join("+", var.x)`, "a+b"},
		{"map(string)", `{ a = "b" }`, `var.x.a`, "b"},
		{"any", `[1, 2]`, `"${var.x[1]}"`, "2"},
	} {
		t.Run(tt.typ+" "+tt.given, func(t *testing.T) {
			declaration := "variable \"x\" {}\n"
			if tt.typ != "" {
				declaration = "variable \"x\" {\n type = " + tt.typ + "\n}\n"
			}
			got, err := jobspec.Load("j.nomad", []byte(declaration+inTask("user = "+tt.expr)), jobspec.Options{Vars: map[string]string{"x": tt.given}})
			if err != nil {
				t.Fatal(err)
			}
			if got.User != tt.want {
				t.Errorf("got %q, want %q", got.User, tt.want)
			}
		})
	}
}

// TestVarsOfUntyped: without a type, a variable has its default's, as in Nomad.
func TestVarsOfUntyped(t *testing.T) {
	for _, tt := range []struct{ preset, given, expr, want string }{
		{`"a"`, "b", `var.x`, "b"},
		{`true`, "false", `var.x ? "yes" : "no"`, "no"},
		{`3`, "4", `"${var.x + 1}"`, "5"},
		{`["a", "b"]`, `["c", "d"]`, `join("+", var.x)`, "c+d"},
		{`{ a = "x" }`, `{ a = "y" }`, `var.x.a`, "y"},
		{`null`, "b", `var.x`, "b"}, // Nomad wants an expression here; text is what is meant
	} {
		declaration := "variable \"x\" {\n default = " + tt.preset + "\n}\n"
		got, err := jobspec.Load("j.nomad", []byte(declaration+inTask("user = "+tt.expr)), jobspec.Options{Vars: map[string]string{"x": tt.given}})
		if err != nil {
			t.Errorf("%s: %v", tt.preset, err)
		} else if got.User != tt.want {
			t.Errorf("%s: got %q, want %q", tt.preset, got.User, tt.want)
		}
	}
}

func TestWarnings(t *testing.T) {
	src := `
variable "dc" {}
job "j" {
  datacenters = [var.dc]
  region      = var.dc
  group "g" {
    network {
      port "a" {}
      port "b" {
        to = -1
      }
      port "c" {
        static = 0
        to     = 99
      }
    }
    service {
      provider = "nomad"
      port     = "a"
    }
    service {
      name     = "b"
      provider = "nomad"
      port     = "b"
    }
    service {
      name     = "c"
      provider = "nomad"
      port     = "${NOMAD_PORT_c}"
      task     = "t"
    }
    service {
      name     = "no-port"
      provider = "nomad"
    }
    service {
      name     = "other"
      provider = "nomad"
      task     = "u"
    }
    task "t" {
      identity {
        extra_claims = ["x"]
      }
    }
    task "u" {}
  }
}`
	got, err := jobspec.Load("j.nomad", []byte(src), jobspec.Options{Task: "t"})
	if err != nil {
		t.Fatal(err)
	}
	wantServices := []wire.Service{{Name: "j-g"}, {Name: "b"}, {Name: "c", Port: 99}, {Name: "no-port"}}
	if diff := cmp.Diff(wantServices, got.Services); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
	wantWarnings := []string{
		`the job's region is left out: j.nomad:5,17: variable "dc" has neither a default nor a value`,
		`the job's datacenters are left out: j.nomad:4,18: variable "dc" has neither a default nor a value`,
		`j.nomad:43,24: extra_claims come from a namespace of Nomad; they are left out`,
		`j.nomad:19,18: port "a" of service "j-g" has neither static nor to, so Nomad would choose it; the service has port 0`,
		`j.nomad:24,18: port "b" of service "b" has neither static nor to, so Nomad would choose it; the service has port 0`,
		`j.nomad:36,5: this service is task "u"'s and is not registered with task "t"`,
	}
	if diff := cmp.Diff(wantWarnings, got.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func FuzzLoad(f *testing.F) {
	seeds, err := filepath.Glob(filepath.Join("testdata", "*"))
	if err != nil || len(seeds) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range seeds {
		if info, err := os.Stat(name); err != nil || info.IsDir() {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(src), "api", "server", "x")
		f.Add(string(src), "", "", "")
	}
	for _, tt := range refused {
		if len(tt.src) < 1000 { // the fuzzer does little else but copy large ones
			f.Add(tt.src, tt.group, tt.task, "1")
		}
	}
	f.Fuzz(func(t *testing.T, src, group, task, value string) {
		o := jobspec.Options{Group: group, Task: task}
		if value != "" {
			o.Vars = map[string]string{"env": value}
		}
		got, err := jobspec.Load("fuzz.nomad", []byte(src), o)
		if err != nil {
			var e *jobspec.Error
			if !errors.As(err, &e) || strings.ContainsAny(err.Error(), "\n\r") {
				t.Fatalf("bad error %#v: %q", err, err)
			}
			return
		}
		checkTask(t, got)
		warnings, err := got.Interpolate(jobspec.Allocation{ID: "a-b", Namespace: "default"}.Lookup)
		if err == nil {
			checkTask(t, got)
		}
		for _, w := range append(warnings, got.Warnings...) {
			if strings.ContainsAny(w, "\n\r") {
				t.Fatalf("a warning of several lines: %q", w)
			}
		}
	})
}

// checkTask checks what callers rely on.
func checkTask(t *testing.T, got *jobspec.Task) {
	t.Helper()
	if got.Job == "" || len(got.Identities) == 0 || !got.Identities[0].IsDefault() {
		t.Fatalf("no job or no default identity: %+v", got)
	}
	for _, s := range got.Services {
		if s.Name == "" || s.Port < 0 || s.Port > 65535 {
			t.Fatalf("bad service %+v", s)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	src, err := os.ReadFile(filepath.Join("testdata", "full.nomad.hcl"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := jobspec.Load("full.nomad.hcl", src, jobspec.Options{Group: "api", Task: "server"}); err != nil {
			b.Fatal(err)
		}
	}
}
