package envinject_test

import (
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/taskagent/taskagent/platform"
)

// Every signal that can be caught reaches the task's process, but the five that
// are about the agent itself.
func TestEverySignalIsRelayed(t *testing.T) {
	a := startAgent(t, agentConfig{Command: []string{self(t)}, Orphans: true}, "record")
	a.tell("start")
	a.output.expect("ready")
	for n := 1; n <= lastSignal; n++ {
		sig := syscall.Signal(n)
		switch sig {
		case syscall.SIGKILL, syscall.SIGSTOP, 32, 33: // the last two belong to the C library
			continue
		case syscall.SIGCHLD, syscall.SIGURG, syscall.SIGPIPE, syscall.SIGTTIN, syscall.SIGTTOU:
			a.signal(sig)
			continue
		case syscall.SIGTERM:
			continue // it ends the task: last
		case syscall.SIGPROF, 34:
			if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
				continue
			}
		}
		a.signal(sig)
		// The next line and no other: what must not be relayed was not.
		if got, _ := a.output.line(); got != platform.SignalName(sig) {
			t.Fatalf("signal %d: the task got %s", n, got)
		}
		a.events.expect("signal sent: " + platform.SignalName(sig))
	}
	a.signal(syscall.SIGTERM)
	a.output.expect("SIGTERM")
	if status := a.status(); status != 7 {
		t.Errorf("status %d, want 7", status)
	}
}

// A signal is passed on and that is all: a task that ignores SIGTERM lives,
// however often it comes and whatever the kill timeout.
func TestRelayingNeverEscalates(t *testing.T) {
	a := startAgent(t, agentConfig{
		Command: []string{"sh", "-c", `trap '' TERM INT; trap 'echo usr1' USR1; trap 'echo bye; exit 5' USR2; echo ready; sleep 100 & while :; do wait; done`},
	}, "")
	a.tell("start")
	a.output.expect("ready")
	for range 3 {
		a.signal(syscall.SIGTERM)
		a.events.expect("signal sent: SIGTERM")
		a.signal(syscall.SIGINT)
		a.events.expect("signal sent: SIGINT")
	}
	a.signal(syscall.SIGUSR1)
	a.output.expect("usr1")
	a.signal(syscall.SIGUSR2)
	a.output.expect("bye")
	if status := a.status(); status != 5 {
		t.Errorf("status %d, want 5", status)
	}
}

func TestSignalBeforeStart(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP} {
		a := startAgent(t, agentConfig{Command: []string{"true"}}, "")
		a.signal(sig)
		if status := a.status(); status != 128+int(sig) {
			t.Errorf("%v: status %d", sig, status)
		}
	}
}

// Others that come too early are dropped, and do no harm.
func TestHarmlessSignalBeforeStart(t *testing.T) {
	a := startAgent(t, agentConfig{Command: []string{self(t)}}, "record")
	for _, sig := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGALRM, syscall.SIGCONT, 40} {
		a.signal(sig)
		a.events.expect("signal dropped: " + platform.SignalName(sig))
	}
	a.tell("start")
	a.output.expect("ready")
	a.signal(syscall.SIGTERM)
	if status := a.status(); status != 7 {
		t.Errorf("status %d, want 7", status)
	}
}

// SIGTERM while the task is being restarted means an end, not a new task.
func TestSignalDuringRestart(t *testing.T) {
	a := startAgent(t, agentConfig{
		Command: []string{"sh", "-c", `trap 'echo int' INT; trap 'echo term; exit 8' TERM; echo round $ROUND; sleep 100 & while :; do wait; done`},
		// Long enough that it is never the reason for the end.
		KillTimeout: time.Hour,
	}, "")
	a.tell("start ROUND=0")
	a.output.expect("round 0")
	a.tell("restart ROUND=1")
	a.output.expect("int")
	a.signal(syscall.SIGWINCH)
	a.events.expect("signal sent: SIGWINCH")
	a.signal(syscall.SIGTERM)
	a.output.expect("term")
	if status := a.status(); status != 8 {
		t.Errorf("status %d, want 8", status)
	}
	for l, ok := a.output.line(); ok; l, ok = a.output.line() {
		t.Errorf("after the end: %q", l)
	}
}

// Under nohup a hang-up reaches neither the agent nor the task; SIGINT, which
// shells ignore for background jobs, can still stop the task.
func TestSignalsIgnoredFromTheStart(t *testing.T) {
	a := startAgent(t, agentConfig{Command: []string{"sed", "-n", "/^Sig[IC]/p", "/proc/self/status"}}, "", func(cmd *exec.Cmd) {
		cmd.Args = []string{"sh", "-c", `trap '' HUP INT TSTP; exec "$0"`, cmd.Path}
		cmd.Path = "/bin/sh"
	})
	a.signal(syscall.SIGHUP)
	a.signal(syscall.SIGINT)
	a.tell("start")
	want := uint64(1<<(syscall.SIGHUP-1) | 1<<(syscall.SIGTSTP-1))
	if line, _ := a.output.line(); line != fmt.Sprintf("SigIgn:\t%016x", want) {
		t.Errorf("the task has %q", line)
	}
	if line, _ := a.output.line(); line != "SigCgt:\t0000000000000000" {
		t.Errorf("the task has %q", line)
	}
	if status := a.status(); status != 0 {
		t.Errorf("status %d", status)
	}
}
