//go:build linux

package bench_test

import (
	"os"
	"path/filepath"
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

// nomadSocket starts a real Nomad with a task that may read a variable, and
// returns the task's socket and its request; empty where there is none.
func nomadSocket(b *testing.B) (socket string, request []byte) {
	b.Helper()
	if os.Getenv("NOMAD_BIN") == "" {
		notRun("nomad", "NOMAD_BIN does not name its binary")
		return "", nil
	}
	c := nomadtest.Start(b, nomadtest.Options{})
	alloc := c.Run(nomadJob)
	c.Call("PUT", "/v1/var/"+variablePath, map[string]any{"Items": map[string]string{"user": "app", "password": "s3cret"}}, nil)
	secrets := filepath.Join(c.Dir, "client", "alloc", alloc, "reader", "secrets")
	token, err := os.ReadFile(filepath.Join(secrets, "nomad_token"))
	if err != nil {
		b.Fatal(err)
	}
	return awaitSocket(b, filepath.Join(secrets, "api.sock")), readRequest(variablePath, strings.TrimSpace(string(token)))
}
