package test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// binary is the taskagent that every test here drives, built once.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "taskagent-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// A task of another user must be able to execute it, and to reach it.
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binary = filepath.Join(dir, "taskagent")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	build := exec.Command("go", "build", "-o", binary, "../cmd/taskagent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the binary under test: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// leaderOf returns the pid of the leader of a data directory, 0 when there is none.
func leaderOf(dataDir string) int {
	out, err := exec.Command(binary, "status", "-json", "-data-dir", dataDir).Output()
	if err != nil {
		return 0
	}
	var s struct{ PID int }
	if json.Unmarshal(out, &s) != nil {
		return 0
	}
	return s.PID
}

// stopLeader ends the leader of a data directory and waits until it has gone.
func stopLeader(dataDir string) error {
	pid := leaderOf(dataDir)
	if pid == 0 {
		return nil
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return nil
	}
	_ = p.Signal(syscall.SIGTERM)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if p.Signal(syscall.Signal(0)) != nil || isZombie(pid) {
			return nil
		}
	}
	_ = p.Kill()
	return fmt.Errorf("leader %d of %s did not end within 20s of SIGTERM", pid, dataDir)
}

// isZombie tells a process that has ended and is only not waited for yet, which
// happens where nothing reaps orphans.
func isZombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	for i := len(stat) - 1; i > 0; i-- {
		if stat[i] == ')' {
			return len(stat) > i+2 && stat[i+2] == 'Z'
		}
	}
	return false
}
