package envinject_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// agentProcess is a helper agent under test.
type agentProcess struct {
	t       *testing.T
	cmd     *exec.Cmd
	control *os.File
	events  *reader // what the agent says
	output  *reader // what the task says: its standard output
}

// startAgent runs the test binary as an agent in a session of its own. task is
// what the task is to be when the command is this binary itself.
func startAgent(t *testing.T, cfg agentConfig, task string, change ...func(*exec.Cmd)) *agentProcess {
	t.Helper()
	encoded, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	controlR, controlW := pipe(t)
	eventsR, eventsW := pipe(t)
	outputR, outputW := pipe(t)
	cmd := exec.Command(self(t))
	cmd.Env = append(os.Environ(), helperEnv+"=agent", "TASK_HELPER="+task, "AGENT_CONFIG="+string(encoded), "GORACE=atexit_sleep_ms=0")
	cmd.Stdout, cmd.Stderr = outputW, os.Stderr
	cmd.ExtraFiles = []*os.File{controlR, eventsW}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	for _, c := range change {
		c(cmd)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, f := range []*os.File{controlR, eventsW, outputW} {
		f.Close()
	}
	a := &agentProcess{t: t, cmd: cmd, control: controlW, events: read(t, eventsR), output: read(t, outputR)}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	a.events.expect("ready")
	return a
}

func (a *agentProcess) tell(format string, args ...any) {
	a.t.Helper()
	if _, err := fmt.Fprintf(a.control, format+"\n", args...); err != nil {
		a.t.Fatal(err)
	}
}

func (a *agentProcess) signal(sig syscall.Signal) {
	a.t.Helper()
	if err := a.cmd.Process.Signal(sig); err != nil {
		a.t.Fatal(err)
	}
}

// status waits for the agent's end.
func (a *agentProcess) status() int {
	a.t.Helper()
	kill := time.AfterFunc(limit, func() { a.cmd.Process.Kill() })
	defer kill.Stop()
	a.cmd.Wait()
	return a.cmd.ProcessState.ExitCode()
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// end reads until there is nothing more.
func (r *reader) end() {
	r.t.Helper()
	for {
		if _, ok := r.line(); !ok {
			return
		}
	}
}
