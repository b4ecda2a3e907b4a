package test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/taskagent/taskagent/secretsdir"
	"github.com/taskagent/taskagent/taskapi"
)

// TestTaskCode is run twice: it starts itself as a task, which then does what
// the README shows for Go programs.
func TestTaskCode(t *testing.T) {
	if os.Getenv("TASKCODE") != "" {
		taskCode(t)
		return
	}
	w := newWorld(t)
	w.must("var", "put", "nomad/jobs/example/cache/redis", "password=s3cret")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := w.command("run", "-job", "example", "-group", "cache", "-task", "redis", "-ttl", "2s", "-env=false", "--", self, "-test.run", "^TestTaskCode$", "-test.v")
	cmd.Env = append(cmd.Env, "TASKCODE=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "answers with three tokens") {
		t.Errorf("%v\n%s", err, out)
	}
}

func taskCode(t *testing.T) {
	path, err := secretsdir.Path(secretsdir.Default)
	if err != nil {
		t.Fatal(err)
	}
	watcher, err := secretsdir.Watch(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	client, err := taskapi.NewClient(taskapi.ClientConfig{Token: watcher.Current})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for token := range watcher.C() {
		seen[token] = true
		resp, err := client.Get("http://nomad/v1/var/nomad/jobs/example/cache/redis")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || !strings.Contains(string(body), "s3cret") {
			t.Fatalf("%s %s %v", resp.Status, body, err)
		}
		if len(seen) == 3 {
			fmt.Println("answers with three tokens")
			return
		}
	}
}
