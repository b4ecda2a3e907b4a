//go:build linux

package test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taskagent/taskagent/test/nomadtest"
)

// delivered is a job whose task's command is taskagent: Nomad delivers two
// identities, one of which it renews every few seconds.
const delivered = `
job "wrapped" {
  type = "service"
  group "g" {
    restart { attempts = 0 }
    task "t" {
      driver = "raw_exec"
      user   = "root"
      config {
        command = "%[1]s"
        args = ["run", "-log-level", "debug", "-identity", "name=short,env,change_mode=%[2]s", "--", "sh", "-c", <<EOT
echo "start $NOMAD_TOKEN_short" >> ${NOMAD_ALLOC_DIR}/log
trap 'echo "hup $(cat $NOMAD_SECRETS_DIR/nomad_short.jwt)" >> ${NOMAD_ALLOC_DIR}/log' HUP
trap 'exit 0' TERM INT
while :; do sleep 0.1; done
EOT
        ]
      }
      identity {
        env  = true
        file = true
      }
      identity {
        name = "short"
        aud  = ["elsewhere"]
        file = true
        ttl  = "20s"
      }
      resources {
        cpu    = 50
        memory = 64
      }
    }
  }
}
`

// allocDir is where the client of the test keeps an allocation.
func allocDir(t *testing.T, c *nomadtest.Cluster, allocID string) string {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(c.Dir, "*", "alloc", allocID))
	more, _ := filepath.Glob(filepath.Join(c.Dir, "*", "*", "alloc", allocID))
	if found = append(found, more...); len(found) != 1 {
		t.Fatalf("the allocation's directory: %q", found)
	}
	return found[0]
}

// TestInsideNomad runs taskagent as the command of a task of a real Nomad.
func TestInsideNomad(t *testing.T) {
	nomadtest.Binary(t)
	if testing.Short() {
		t.Skip("renewals of a real Nomad take 10 s and more each")
	}
	c := nomadtest.Start(t, nomadtest.Options{})
	c.Policy("extra", `namespace "default" { variables { path "extra" { capabilities = ["read"] } } }`, "wrapped", "g", "t")
	for _, path := range []string{"nomad/jobs/wrapped", "extra", "other"} {
		c.Call("PUT", "/v1/var/"+path, map[string]any{"Path": path, "Items": map[string]string{"k": path}}, nil)
	}
	for _, mode := range []string{"restart", "signal,change_signal=SIGHUP"} {
		name, _, _ := strings.Cut(mode, ",")
		t.Run(name, func(t *testing.T) { insideNomad(t, c, mode) })
	}
}

func insideNomad(t *testing.T, c *nomadtest.Cluster, mode string) {
	id := c.Run(fmt.Sprintf(delivered, binary, mode))
	defer c.StopJob("wrapped", true)
	dir := allocDir(t, c, id)
	secrets, log := filepath.Join(dir, "t", "secrets"), filepath.Join(dir, "alloc", "log")
	socket := filepath.Join(secrets, "taskagent.sock")
	c.Eventually("the task to start", func() bool { b, _ := os.ReadFile(log); return strings.Contains(string(b), "start ey") })

	// The Task API through our socket, with what Nomad signed.
	b, err := os.ReadFile(filepath.Join(secrets, "nomad_token"))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"/v1/var/nomad/jobs/wrapped": 200, "/v1/var/extra": 200, "/v1/var/other": 403, "/v1/vars": 200, "/v1/agent/health": 200, "/v1/nope": 404,
	} {
		if status, body, err := askSocket(socket, "GET", path, as(string(b)), ""); err != nil || status != want {
			t.Errorf("%s: %d %s %v, want %d", path, status, body, err, want)
		}
	}
	for name, header := range map[string]http.Header{"no token": nil, "garbage": as("garbage")} {
		want := map[string]int{"no token": 401, "garbage": 403}[name]
		if status, body, err := askSocket(socket, "GET", "/v1/vars", header, ""); err != nil || status != want {
			t.Errorf("%s: %d %s %v, want %d", name, status, body, err, want)
		}
	}

	// Nomad renews the identity; the child alone is told.
	word := "start"
	if strings.HasPrefix(mode, "signal") {
		word = "hup"
	}
	agent := agentOf(t, secrets)
	c.Eventually("a renewal to be acted on", func() bool {
		b, _ := os.ReadFile(log)
		return strings.Count(string(b), word+" ey") >= 2 || word == "hup" && strings.Contains(string(b), "hup ey")
	})
	b, _ = os.ReadFile(log)
	lines := strings.Fields(string(b))
	if first, last := lines[1], lines[len(lines)-1]; first == last {
		t.Errorf("the task was told of a renewal and saw the old token:\n%s", b)
	}
	if now := agentOf(t, secrets); now != agent {
		t.Errorf("agent was %d, is %d: only the child is restarted", agent, now)
	}

	// The client is killed and comes back; the task never notices.
	c.StopClient()
	if status, _, err := askSocket(socket, "GET", "/v1/vars", nil, ""); err != nil || status != 401 {
		t.Errorf("while the client is away, no token: %d %v, want 401", status, err)
	}
	c.StartClient()
	c.Eventually("the Task API to be back", func() bool {
		b, _ := os.ReadFile(filepath.Join(secrets, "nomad_token"))
		status, _, err := askSocket(socket, "GET", "/v1/var/nomad/jobs/wrapped", as(string(b)), "")
		return err == nil && status == 200
	})
	if now := agentOf(t, secrets); now != agent {
		t.Errorf("agent was %d, is %d after the client's restart", agent, now)
	}
}

// agentOf finds the agent that serves a secrets directory.
func agentOf(t *testing.T, secrets string) int {
	t.Helper()
	pids, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, p := range pids {
		env, _ := os.ReadFile(p)
		cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(p), "cmdline"))
		if strings.Contains(string(env), "NOMAD_SECRETS_DIR="+secrets) && strings.HasPrefix(string(cmdline), binary+"\x00run") {
			var pid int
			fmt.Sscanf(p, "/proc/%d/", &pid)
			return pid
		}
	}
	t.Fatalf("no agent runs for %s", secrets)
	return 0
}

// examples are the job files that are there to be copied.
func examples(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../examples/nomad/*.nomad.hcl")
	if err != nil || len(files) < 5 {
		t.Fatalf("the examples: %q %v", files, err)
	}
	return files
}

// TestExamplesAreJobFiles: each of them is one that -job-file takes, too.
func TestExamplesAreJobFiles(t *testing.T) {
	w := newWorld(t)
	for _, file := range examples(t) {
		flags := []string{"run", "-log-level", "error", "-job-file", file}
		if strings.Contains(file, "sidecar") {
			flags = append(flags, "-task", "main")
		}
		if strings.Contains(file, "docker") && os.Geteuid() != 0 {
			continue // its user is another one, which only root can become
		}
		w.must(append(flags, "--", "true")...)
	}
}

// TestExamplesRun runs those for drivers that are everywhere on a real Nomad.
func TestExamplesRun(t *testing.T) {
	nomadtest.Binary(t)
	c := nomadtest.Start(t, nomadtest.Options{})
	for _, file := range examples(t) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		hcl := strings.ReplaceAll(string(b), "/usr/local/bin/taskagent", binary)
		name := strings.TrimSuffix(filepath.Base(file), ".nomad.hcl")
		if !strings.Contains(hcl, `driver = "raw_exec"`) {
			c.Call("POST", "/v1/jobs/parse", map[string]any{"JobHCL": hcl}, nil)
			t.Logf("%s: read by Nomad, not run: there is no such driver here", name)
			continue
		}
		id := c.Run(hcl)
		out := filepath.Join(allocDir(t, c, id), "alloc", "logs", "*.stdout.0")
		want := map[string]string{
			"wrapped": "[]", "sidecar": "[]", "change-noop": "8", "change-restart": "started with a token of", "federation": "nomad_aws.jwt",
		}[name]
		c.Eventually(name+" to print "+want, func() bool {
			files, _ := filepath.Glob(out)
			var all string
			for _, f := range files {
				b, _ := os.ReadFile(f)
				all += string(b)
			}
			return strings.Contains(all, want)
		})
		c.StopJob(name, true)
	}
}
