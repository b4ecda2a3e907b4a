package envinject_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taskagent/taskagent/envinject"
)

var task = envinject.TaskEnv{
	Region: "global", Datacenter: "dc1", Namespace: "default",
	JobID: "example", Group: "cache", Task: "redis",
	AllocID: "c1b8ab4a-6c7b-4f3d-9b39-2d1a8d3f9e51", AllocIndex: 2,
	SecretsDir: "/run/a/secrets", TaskDir: "/run/a/local", AllocDir: "/run/a/alloc",
	UnixAddr: "unix:///run/a/secrets/api.sock",
	Tokens:   map[string]string{"NOMAD_TOKEN_a-b": "header.two.sig", "NOMAD_TOKEN": "header.one.sig"},
}

func TestTaskEnvVars(t *testing.T) {
	want := []string{
		"NOMAD_ALLOC_DIR=/run/a/alloc",
		"NOMAD_ALLOC_ID=c1b8ab4a-6c7b-4f3d-9b39-2d1a8d3f9e51",
		"NOMAD_ALLOC_INDEX=2",
		"NOMAD_ALLOC_NAME=example.cache[2]",
		"NOMAD_DC=dc1",
		"NOMAD_GROUP_NAME=cache",
		"NOMAD_JOB_ID=example",
		"NOMAD_JOB_NAME=example",
		"NOMAD_NAMESPACE=default",
		"NOMAD_REGION=global",
		"NOMAD_SECRETS_DIR=/run/a/secrets",
		"NOMAD_SHORT_ALLOC_ID=c1b8ab4a",
		"NOMAD_TASK_DIR=/run/a/local",
		"NOMAD_TASK_NAME=redis",
		"NOMAD_UNIX_ADDR=unix:///run/a/secrets/api.sock",
		"NOMAD_TOKEN=header.one.sig",
		"NOMAD_TOKEN_a-b=header.two.sig",
	}
	if diff := cmp.Diff(want, task.Vars()); diff != "" {
		t.Errorf("Vars (-want +got):\n%s", diff)
	}

	short := envinject.TaskEnv{AllocID: "abc", JobID: "id", JobName: "name", Addr: "http://127.0.0.1:4646"}
	vars := short.Vars()
	for _, want := range []string{"NOMAD_SHORT_ALLOC_ID=abc", "NOMAD_JOB_NAME=name", "NOMAD_JOB_ID=id", "NOMAD_ADDR=http://127.0.0.1:4646"} {
		if !contains(vars, want) {
			t.Errorf("Vars of %v has no %q", short, want)
		}
	}
	if contains(vars, "NOMAD_UNIX_ADDR=") {
		t.Error("Vars sets an empty NOMAD_UNIX_ADDR")
	}
}

// A token must not leak through the ways a struct usually gets into a log.
func TestTaskEnvShowsNoToken(t *testing.T) {
	encoded, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprint(task), fmt.Sprintf("%+v", task), fmt.Sprintf("%#v", task), fmt.Sprintf("%v", &task), string(encoded)} {
		if strings.Contains(shown, "header.") {
			t.Errorf("a token is shown: %s", shown)
		}
	}
}

func contains(list []string, want string) bool {
	for _, s := range list {
		if s == want {
			return true
		}
	}
	return false
}
