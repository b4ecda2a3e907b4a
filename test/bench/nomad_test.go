//go:build linux

package bench_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/taskagent/taskagent/test/nomadtest"
)

const nomadJob = `
job "example" {
  group "cache" {
    task "reader" {
      driver = "raw_exec"
      config {
        command = "sleep"
        args    = ["3600"]
      }
      identity { file = true }
      resources {
        cpu    = 10
        memory = 10
      }
    }
  }
}
`

// nomad is a task under a real Nomad that may read a variable.
type nomad struct {
	pid     int // of the client
	socket  string
	request []byte
}

// nomadTask starts a real Nomad with a task, and returns nil where there is none.
func nomadTask(b *testing.B) *nomad {
	b.Helper()
	if os.Getenv("NOMAD_BIN") == "" {
		notRun("nomad", "NOMAD_BIN does not name its binary")
		return nil
	}
	c := nomadtest.Start(b, nomadtest.Options{})
	alloc := c.Run(nomadJob)
	c.Call("PUT", "/v1/var/"+variablePath, map[string]any{"Items": map[string]string{"user": "app", "password": "s3cret"}}, nil)
	secrets := filepath.Join(c.Dir, "client", "alloc", alloc, "reader", "secrets")
	token, err := os.ReadFile(filepath.Join(secrets, "nomad_token"))
	if err != nil {
		b.Fatal(err)
	}
	return &nomad{
		pid:     findProcess(b, filepath.Join(c.Dir, "client.hcl")),
		socket:  awaitSocket(b, filepath.Join(secrets, "api.sock")),
		request: readRequest(variablePath, strings.TrimSpace(string(token))),
	}
}

// findProcess returns the process that has arg among its arguments.
func findProcess(tb testing.TB, arg string) int {
	tb.Helper()
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range all {
		cmdline, _ := os.ReadFile(path)
		if slices.Contains(strings.Split(string(cmdline), "\x00"), arg) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			return pid
		}
	}
	tb.Fatalf("no process has the argument %q", arg)
	return 0
}
