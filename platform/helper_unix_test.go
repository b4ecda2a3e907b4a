//go:build unix

package platform_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// userHelper is set in a test binary that asOtherUser started.
const userHelper = "PLATFORM_TEST_USER"

// asOtherUser makes sure that the calling test runs without root's rights:
// for root it runs the test again as uid 65534 and returns true.
func asOtherUser(t *testing.T) (done bool) {
	t.Helper()
	if os.Geteuid() != 0 {
		return false
	}
	// Named by a descriptor: that user may not reach the binary's path.
	program := "/proc/self/exe"
	if _, err := os.Stat(program); err != nil {
		t.Skip("as root this needs /proc to start itself as another user")
	}
	cmd := exec.Command(program, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), userHelper+"=1", "TMPDIR=/tmp", "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as uid 65534: %v\n%s", err, out)
	}
	return true
}

func rootOnly(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give files away")
	}
}
