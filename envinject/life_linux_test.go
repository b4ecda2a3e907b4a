package envinject_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/taskagent/taskagent/platform"
)

// A process that its parent leaves comes to the agent, which waits for it; one
// that left the task's group on purpose lives on when the task ends.
func TestOrphansAreReaped(t *testing.T) {
	testOrphans(t, nil)
}

func TestOrphansAreReapedAsProcess1(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a new pid namespace needs root")
	}
	testOrphans(t, func(cmd *exec.Cmd) { cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID })
}

func testOrphans(t *testing.T, change func(*exec.Cmd)) {
	stdin, open := pipe(t) // the one that left lives until the test ends
	_ = open
	changes := []func(*exec.Cmd){func(cmd *exec.Cmd) { cmd.Stdin = stdin }}
	if change != nil {
		changes = append(changes, change)
	}
	a := startAgent(t, agentConfig{Command: []string{"sh", "-c", `
		exec 5<&0; i=0; while [ $i -lt 20 ]; do (sh -c 'sleep 0.01; exit 3' &); i=$((i+1)); done
		(setsid sh -c 'echo away; read x' <&5 &)
		echo ready; trap 'exit 11' TERM; sleep 100 & while :; do wait; done`}, Orphans: true}, "", changes...)
	a.tell("start")
	a.output.expect("away")
	// All short-lived children come and go; the task and the one that left
	// stay. A zombie would show as a third.
	eventually(t, "orphans are waited for", func() bool {
		children := childrenOf(t, a.cmd.Process.Pid)
		if len(children) != 2 {
			return false
		}
		for _, c := range children {
			if c.state == "Z" {
				return false
			}
		}
		return true
	})
	a.signal(syscall.SIGTERM)
	if status := a.status(); status != 11 {
		t.Errorf("status %d, want 11", status)
	}
}

func TestProcessThatLeftTheGroupLives(t *testing.T) {
	r, w := pipe(t)
	a := startAgent(t, agentConfig{Command: []string{"sh", "-c", `exec 5<&0; setsid sh -c 'echo away; read x && echo alive $x' <&5 & sleep 100 & while :; do wait; done`}, Orphans: true}, "",
		func(cmd *exec.Cmd) { cmd.Stdin = r })
	a.tell("start")
	a.output.expect("away")
	a.signal(syscall.SIGTERM)
	if status := a.status(); status != 128+15 {
		t.Errorf("status %d", status)
	}
	fmt.Fprintln(w, "and well")
	a.output.expect("alive and well")
}

// The kernel kills the task when the agent is killed, whoever the task runs as
// and whatever becomes of the threads that started it.
func TestTaskDiesWithTheAgent(t *testing.T) {
	for name, user := range map[string]*platform.Credential{
		"same user":  nil,
		"other user": {UID: 65534, GID: 65534},
	} {
		t.Run(name, func(t *testing.T) {
			if user != nil && os.Geteuid() != 0 {
				t.Skip("another user needs root")
			}
			r, w := pipe(t)
			a := startAgent(t, agentConfig{Command: []string{"sh", "-c", `echo $$; read x`}, User: user, Orphans: true}, "",
				func(cmd *exec.Cmd) { cmd.Stdin = r })
			_ = w
			a.tell("start")
			line, _ := a.output.line()
			pid, err := strconv.Atoi(line)
			if err != nil {
				t.Fatalf("%q", line)
			}
			a.signal(syscall.SIGKILL)
			// The task is the last to hold its standard output.
			a.output.end()
			eventually(t, "the task is gone", func() bool { return len(livingInGroup(t, pid)) == 0 })
		})
	}
}

// Standard input, output and error and any other descriptor are the caller's.
func TestDescriptorsPassThrough(t *testing.T) {
	in, inW := pipe(t)
	outR, out := pipe(t)
	extra, extraW := pipe(t)
	script := `cat; cat <&3; ls /proc/self/fd | tr '\n' ' '; exit 12`
	cmd := exec.Command(self(t))
	encoded, err := json.Marshal(agentConfig{Command: []string{"sh", "-c", script}, Once: true})
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), helperEnv+"=agent", "AGENT_CONFIG="+string(encoded))
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = in, out, os.Stderr, []*os.File{extra}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out.Close()
	io.WriteString(inW, "stdin ")
	inW.Close()
	io.WriteString(extraW, "three ")
	extraW.Close()
	got, err := io.ReadAll(outR)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Wait()

	// What the same script has without an agent in between.
	direct := exec.Command("sh", "-c", script)
	direct.ExtraFiles = []*os.File{extra}
	want, _ := direct.Output()
	if string(got) != "stdin three "+string(want) || cmd.ProcessState.ExitCode() != 12 {
		t.Errorf("%q, status %d; want %q", got, cmd.ProcessState.ExitCode(), "stdin three "+string(want))
	}
}

// A task of another user has that user's ids and groups and none of root's
// rights.
func TestUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	a := startAgent(t, agentConfig{
		Command: []string{"grep", "-E", "^(Uid|Gid|Groups|CapPrm|CapEff|CapAmb|NSsid):", "/proc/self/status"},
		User:    &platform.Credential{UID: 12345, GID: 23456, Groups: []int{34567, 45678}},
	}, "")
	a.tell("start")
	for _, want := range []string{
		"Uid:\t12345\t12345\t12345\t12345", "Gid:\t23456\t23456\t23456\t23456", "Groups:\t34567 45678",
		"CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapAmb:\t0000000000000000",
	} {
		for {
			line, ok := a.output.line()
			if strings.HasPrefix(line, "NSsid") {
				continue
			}
			if strings.TrimRight(line, " ") != want || !ok {
				t.Errorf("%q, want %q", line, want)
			}
			break
		}
	}
	if status := a.status(); status != 0 {
		t.Errorf("status %d", status)
	}
}

func TestUserWithoutGroups(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	a := startAgent(t, agentConfig{Command: []string{"id", "-G"}, User: &platform.Credential{UID: 12345, GID: 23456}}, "")
	a.tell("start")
	if line, _ := a.output.line(); line != "23456" {
		t.Errorf("groups %q", line)
	}
}

// A command that only the agent may execute is the task's user's to fail on.
func TestUserMayNotExecute(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	file := scripted(t, "private", "#!/bin/sh\n")
	if err := os.Chmod(file, 0o700); err != nil {
		t.Fatal(err)
	}
	a := startAgent(t, agentConfig{Command: []string{file}, User: &platform.Credential{UID: 12345, GID: 23456}}, "")
	a.tell("start")
	if status := a.status(); status != 126 {
		t.Errorf("status %d, want 126", status)
	}
}

func TestUserNeedsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to become another user first")
	}
	stderr, w := pipe(t)
	a := startAgent(t, agentConfig{Command: []string{"/bin/true"}, User: &platform.Credential{UID: 1, GID: 1}}, "", func(cmd *exec.Cmd) {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 12345, Gid: 23456}
		cmd.Path = readable(t, cmd.Path)
		cmd.Stderr = w
	})
	w.Close()
	a.tell("start")
	want := `agent: start "/bin/true": run as uid 1, gid 1: only root can, taskagent runs as uid 12345: permission denied`
	if line, _ := read(t, stderr).line(); line != want {
		t.Errorf("%q\nwant %q", line, want)
	}
	if status := a.status(); status != 125 {
		t.Errorf("status %d, want 125", status)
	}
}

// readable copies a program to where every user can execute it.
func readable(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return scripted(t, "agent", string(content))
}

// An agent that has nothing to do does nothing: no timer, no polling.
func TestIdleAgentSleeps(t *testing.T) {
	if testing.Short() {
		t.Skip("watches an idle process for a second")
	}
	a := startAgent(t, agentConfig{Command: []string{"sleep", "1000"}, Orphans: true}, "")
	a.tell("start")
	a.events.expect("task started")
	switches := func() (n int) {
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", a.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, task := range tasks {
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/status", a.cmd.Process.Pid, task.Name()))
			for line := range strings.Lines(string(status)) {
				if value, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
					v, _ := strconv.Atoi(strings.TrimSpace(value))
					n += v
				}
			}
		}
		return n
	}
	// The runtime settles for a moment after the start; wait for a whole
	// second without a switch rather than judge one.
	eventually(t, "a second without waking up", func() bool {
		before := switches()
		time.Sleep(time.Second)
		return switches() == before
	})
}
