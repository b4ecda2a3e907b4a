//go:build linux

package bench_test

import (
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/taskagent/taskagent/internal/leader/client"
)

// BenchmarkRun is what an agent adds to the start and end of a command: true
// under `taskagent run` while a leader is up, beside true alone and true under
// a Go program that does nothing else.
func BenchmarkRun(b *testing.B) {
	w := newWorld(b)
	w.leader()
	var c contest
	c.add("true", timed(b, func() *exec.Cmd { return w.command("true") }))
	c.add("bare", timed(b, func() *exec.Cmd { return w.command(bare(b), "run", "true") }))
	c.add("version", timed(b, func() *exec.Cmd { return w.command(taskagent(b), "version") }))
	c.add("run", timed(b, func() *exec.Cmd { return w.command(taskagent(b), "run", "--", "true") }))
	for b.Loop() {
		c.run(8 * rounds)
	}
	c.report(b, "ms")
	c.difference(b, "run", "true", "over-true-ms")
}

// BenchmarkRunFirst is the same when the agent has to start the leader, on a
// data directory that is there already.
func BenchmarkRunFirst(b *testing.B) {
	w := newWorld(b)
	w.must("run", "--", "true")
	w.variables()
	b.Cleanup(func() { endLeader(b, w.data) })
	run := timed(b, func() *exec.Cmd { return w.command(taskagent(b), "run", "--", "true") })
	var c contest
	c.add("true", timed(b, func() *exec.Cmd { return w.command("true") }))
	c.add("run-first", func() float64 {
		endLeader(b, w.data)
		return run()
	})
	for b.Loop() {
		c.run(2 * rounds)
	}
	c.report(b, "ms")
	c.difference(b, "run-first", "true", "over-true-ms")
}

// timed returns a turn that runs a command to its end and says how many
// milliseconds that took.
func timed(b *testing.B, command func() *exec.Cmd) func() float64 {
	command() // builds what it runs
	return func() float64 {
		cmd := command()
		began := time.Now()
		if err := cmd.Run(); err != nil {
			b.Fatalf("%s: %v", cmd, err)
		}
		return milliseconds(time.Since(began))
	}
}

// endLeader ends the leader of a data directory and waits until it has gone.
func endLeader(b *testing.B, dataDir string) {
	b.Helper()
	who, err := client.Who(b.Context(), dataDir)
	if err != nil {
		return // there is none
	}
	_ = syscall.Kill(who.PID, syscall.SIGTERM)
	waitFor(b, "the leader to end", func() bool {
		exe, err := filepath.EvalSymlinks("/proc/" + itoa(who.PID) + "/exe")
		return err != nil || exe == "" // also of one that nobody has waited for yet
	})
}
