//go:build unix

package uds_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// helperUser is set in a test binary that asUser started.
const helperUser = "UDS_TEST_USER"

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to have a second user")
	}
}

// asUser makes sure that the calling test runs as a user without rights: for
// root it runs the test again as uid and returns true, for others it returns
// false.
func asUser(t *testing.T, uid uint32) (done bool) {
	t.Helper()
	if os.Geteuid() != 0 {
		return false
	}
	out, err := command(t, uid, helperUser+"=1", "-test.run=^"+t.Name()+"$", "-test.v").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as uid %d: %v\n%s", uid, err, out)
	}
	return true
}

// dialAs dials path as uid and returns what a helper process says of it.
func dialAs(t *testing.T, uid int, path string) string {
	t.Helper()
	out, err := command(t, uint32(uid), helperDial+"="+path).Output()
	if err != nil && len(out) == 0 {
		t.Fatal(err)
	}
	return string(out)
}

// command runs the test binary as uid, which may not be able to reach it, so
// on Linux it is named by a descriptor.
func command(t *testing.T, uid uint32, env string, args ...string) *exec.Cmd {
	t.Helper()
	program := "/proc/self/exe"
	if _, err := os.Stat(program); err != nil {
		program = copyOf(t, os.Args[0])
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), env, "TMPDIR=/tmp", "XDG_RUNTIME_DIR=", "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	return cmd
}

func copyOf(t *testing.T, program string) string {
	t.Helper()
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	name := tempDir(t) + "/test"
	if err := os.WriteFile(name, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}
