//go:build linux

package bench_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taskagent/taskagent/internal/wire"
)

// world is a data directory with its leader and tasks, all gone at the end.
type world struct {
	tb        testing.TB
	dir, data string
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	dir := tempDir(tb)
	return &world{tb: tb, dir: dir, data: filepath.Join(dir, "data")}
}

// tempDir is b.TempDir with a name short enough for sockets.
func tempDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "tb")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// command makes a call of a program that knows nothing but this world.
func (w *world) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = []string{"TASKAGENT_DATA_DIR=" + w.data, "HOME=" + w.dir, "PATH=" + os.Getenv("PATH")}
	return cmd
}

// must runs taskagent to its end and returns what it printed.
func (w *world) must(args ...string) string {
	w.tb.Helper()
	cmd := w.command(taskagent(w.tb), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		w.tb.Fatalf("taskagent %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// leader starts a leader and waits until it serves.
func (w *world) leader(flags ...string) *process {
	w.tb.Helper()
	args := append([]string{"leader", "-log-level", "error"}, flags...)
	p := start(w.tb, w.command(taskagent(w.tb), args...))
	p.awaitLine("ready")
	return p
}

// task is a running `taskagent run`.
type task struct {
	*process
	secrets string
}

// launch starts an agent around a command that says that it is up and sleeps.
func (w *world) launch(name string, flags ...string) *task {
	w.tb.Helper()
	secrets := filepath.Join(w.dir, name)
	args := append([]string{"run", "-log-level", "error", "-secrets-dir", secrets, "-job", "example", "-group", "cache", "-task", name}, flags...)
	args = append(args, "--", "sh", "-c", "echo up; exec sleep 3600")
	return &task{start(w.tb, w.command(taskagent(w.tb), args...)), secrets}
}

// start is launch, and waits until the task runs.
func (w *world) start(name string, flags ...string) *task {
	w.tb.Helper()
	t := w.launch(name, flags...)
	t.awaitLine("up")
	return t
}

func (t *task) socket() string    { return filepath.Join(t.secrets, "api.sock") }
func (t *task) tokenFile() string { return filepath.Join(t.secrets, "nomad_token") }

func (t *task) token() string {
	t.tb.Helper()
	data, err := os.ReadFile(t.tokenFile())
	if err != nil {
		t.tb.Fatal(err)
	}
	return string(data)
}

// door is where the leader answers tasks.
func (w *world) door() string { return filepath.Join(w.data, wire.TaskSocket) }

const variablePath = "nomad/jobs/example/cache"

// variables stores what is read, and attaches a policy to those who read it.
func (w *world) variables() {
	w.tb.Helper()
	w.must("var", "put", variablePath, "user=app", "password=s3cret")
	rules := `namespace "default" { variables { path "shared/*" { capabilities = ["read", "list"] } } }`
	policy := filepath.Join(w.dir, "policy.hcl")
	if err := os.WriteFile(policy, []byte(rules), 0o600); err != nil {
		w.tb.Fatal(err)
	}
	w.must("acl", "policy", "apply", "-job", "example", "shared", policy)
}

// readRequest reads a variable with that token.
func readRequest(path, token string) []byte {
	return fmt.Appendf(nil, "GET /v1/var/%s HTTP/1.1\r\nHost: localhost\r\nX-Nomad-Token: %s\r\n\r\n", path, token)
}

// status asks the leader for its tasks.
func (w *world) status() wire.Status {
	w.tb.Helper()
	var s wire.Status
	if err := json.Unmarshal([]byte(w.must("status", "-json")), &s); err != nil {
		w.tb.Fatal(err)
	}
	return s
}

// waitFor polls for what has to happen; the bound is for when it never does.
func waitFor(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("waited in vain for %s", what)
		}
	}
}
