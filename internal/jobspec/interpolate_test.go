package jobspec_test

import (
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taskagent/taskagent/internal/jobspec"
	"github.com/taskagent/taskagent/internal/wire"
)

var allocation = jobspec.Allocation{
	ID: "7ffb1a34-9f3c-0c5c-7d8e-6a8b0f1d2c3e", Name: "web.front[2]", Index: 2, Namespace: "prod", Region: "eu", Datacenter: "dc9",
	Job: "web", JobName: "Web", Group: "front", Task: "server", Hostname: "host1",
}

func TestInterpolateFile(t *testing.T) {
	task, err := jobspec.LoadFile(filepath.Join("testdata", "small.nomad.hcl"), jobspec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	warnings, err := task.Interpolate(allocation.Lookup)
	if err != nil {
		t.Fatal(err)
	}
	want := []wire.Service{{Name: "prod-web", Port: 8080, Tags: []string{"alloc=7ffb1a34", "rack=${meta.rack}"}}}
	if diff := cmp.Diff(want, task.Services); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
	wantWarnings := []string{`service "prod-web": ${meta.rack} in tag "rack=${meta.rack}" is not known here and stays as it is`}
	if diff := cmp.Diff(wantWarnings, warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestInterpolate(t *testing.T) {
	service := func(name string) wire.Identity {
		return with(id("svc_"+name, "x"), func(i *wire.Identity) { i.Service = name })
	}
	for _, tt := range []struct {
		name     string
		in, want jobspec.Task
		warnings []string
		err      string
	}{
		{"nothing to do", jobspec.Task{Services: []wire.Service{{Name: "a", Tags: []string{"b"}}}},
			jobspec.Task{Services: []wire.Service{{Name: "a", Tags: []string{"b"}}}}, nil, ""},
		{"name, address, tag", jobspec.Task{Services: []wire.Service{{Name: "x-${NOMAD_ALLOC_INDEX}", Address: "${attr.unique.hostname}", Tags: []string{"${NOMAD_ALLOC_NAME}!"}}}},
			jobspec.Task{Services: []wire.Service{{Name: "x-2", Address: "host1", Tags: []string{"web.front[2]!"}}}}, nil, ""},
		{"an unknown address", jobspec.Task{Services: []wire.Service{{Name: "a", Address: "${meta.ip}"}}},
			jobspec.Task{Services: []wire.Service{{Name: "a"}}}, []string{`service "a" has no address: ${meta.ip} is not known here`}, ""},
		{"an unknown name, with its identity",
			jobspec.Task{Services: []wire.Service{{Name: "a-${meta.x}"}, {Name: "b"}}, Identities: []wire.Identity{defaultIdentity, service("a-${meta.x}"), service("b")}},
			jobspec.Task{Services: []wire.Service{{Name: "b"}}, Identities: []wire.Identity{defaultIdentity, service("b")}},
			[]string{`service "a-${meta.x}" is not registered: ${meta.x} in its name is not known here`}, ""},
		{"an identity follows its service",
			jobspec.Task{Services: []wire.Service{{Name: "a-${NOMAD_DC}"}}, Identities: []wire.Identity{service("a-${NOMAD_DC}")}},
			jobspec.Task{Services: []wire.Service{{Name: "a-dc9"}}, Identities: []wire.Identity{service("a-dc9")}}, nil, ""},
		{"a name nothing can have", jobspec.Task{Services: []wire.Service{{Name: "${NOMAD_ALLOC_NAME}"}}}, jobspec.Task{Services: []wire.Service{{Name: "${NOMAD_ALLOC_NAME}"}}},
			nil, `service name "web.front[2]", from "${NOMAD_ALLOC_NAME}" in the job file, may only have letters, digits and dashes inside, at most 63`},
		{"not a reference", jobspec.Task{Services: []wire.Service{{Name: "a", Tags: []string{"${", "${}", "$NOMAD_DC", `${env["X"]}-${NOMAD_DC}`, "${a${NOMAD_DC}}"}}}},
			jobspec.Task{Services: []wire.Service{{Name: "a", Tags: []string{"${", "${}", "$NOMAD_DC", `${env["X"]}-dc9`, "${adc9}"}}}},
			[]string{
				`service "a": ${} in tag "${}" is not known here and stays as it is`,
				`service "a": ${env["X"]} in tag "${env[\"X\"]}-${NOMAD_DC}" is not known here and stays as it is`,
				`service "a": ${a${NOMAD_DC} in tag "${a${NOMAD_DC}}" is not known here and stays as it is`,
			}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			warnings, err := tt.in.Interpolate(allocation.Lookup)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tt.err {
				t.Fatalf("error %q, want %q", got, tt.err)
			}
			if diff := cmp.Diff(tt.want, tt.in); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.warnings, warnings); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLookup(t *testing.T) {
	for name, want := range map[string]string{
		"NOMAD_ALLOC_ID": allocation.ID, "NOMAD_SHORT_ALLOC_ID": "7ffb1a34", "NOMAD_ALLOC_NAME": "web.front[2]", "NOMAD_ALLOC_INDEX": "2",
		"NOMAD_NAMESPACE": "prod", "NOMAD_REGION": "eu", "NOMAD_DC": "dc9", "NOMAD_JOB_ID": "web", "NOMAD_JOB_NAME": "Web",
		"NOMAD_GROUP_NAME": "front", "NOMAD_TASK_NAME": "server", "node.datacenter": "dc9", "node.region": "eu", "node.unique.name": "host1",
		"attr.unique.hostname": "host1", "attr.kernel.name": runtime.GOOS, "attr.cpu.arch": runtime.GOARCH, "meta.x": "", "NOMAD_META_x": "",
	} {
		if got, ok := allocation.Lookup(name); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", name, got, ok)
		}
	}
}

func TestClaimsApply(t *testing.T) {
	ids := []wire.Identity{defaultIdentity, id("vault_x"), id("vault"), id("vault_"), id("consul_x"), id("consul-service_x"), id("consul"), id("aws"),
		with(id("vault_y"), func(i *wire.Identity) { i.Service, i.VaultRole = "s", "kept" }),
		with(id("vault_z"), func(i *wire.Identity) { i.VaultRole, i.VaultNamespace = "old", "kept" })}
	jobspec.Claims{ConsulNamespace: "c", VaultRole: "r"}.Apply(ids)
	got := make(map[string]string)
	for _, i := range ids {
		got[i.Name] = i.ConsulNamespace + "/" + i.VaultNamespace + "/" + i.VaultRole
	}
	want := map[string]string{"default": "//", "vault_x": "//r", "vault": "//", "vault_": "//", "consul_x": "c//", "consul-service_x": "c//", "consul": "//", "aws": "//",
		"vault_y": "//kept", "vault_z": "/kept/r"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
