package client_test

import (
	"os/exec"
	"strings"
	"testing"
)

// Every agent links this package, and starts in milliseconds.
func TestStaysSmall(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Skipf("no go command: %v", err)
	}
	for pkg := range strings.Lines(string(out)) {
		for _, banned := range []string{"go.etcd.io/bbolt", "github.com/hashicorp/hcl", "taskagent/internal/leader/state", "taskagent/internal/leader/httpapi", "taskagent/internal/acl"} {
			if strings.Contains(pkg, banned) {
				t.Errorf("imports %s", strings.TrimSpace(pkg))
			}
		}
	}
}
