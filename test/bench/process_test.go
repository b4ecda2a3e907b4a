//go:build linux

package bench_test

import (
	"bufio"
	"bytes"
	"io"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// process is a program that runs beside the benchmark and ends with it.
type process struct {
	tb     testing.TB
	pid    int
	cmd    *exec.Cmd
	stdout io.Reader
	stderr bytes.Buffer // to be read once done is closed
	done   chan struct{}
}

// start starts a program. It ends with this one even when that is killed.
func start(tb testing.TB, cmd *exec.Cmd) *process {
	tb.Helper()
	p := &process{tb: tb, cmd: cmd, done: make(chan struct{})}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	p.stdout, cmd.Stderr = stdout, &p.stderr
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	p.pid = cmd.Process.Pid
	go func() {
		_, _ = cmd.Process.Wait()
		close(p.done)
	}()
	tb.Cleanup(p.stop)
	return p
}

// awaitLine waits for the program's first line of output, which has to be that.
func (p *process) awaitLine(want string) {
	p.tb.Helper()
	line, err := bufio.NewReader(p.stdout).ReadString('\n')
	if err != nil || line != want+"\n" {
		p.stop()
		p.tb.Fatalf("%s says %q (%v), want %q\n%s", p.cmd.Path, line, err, want, p.stderr.String())
	}
}

// stop ends the program and waits for it.
func (p *process) stop() {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.signal(syscall.SIGKILL)
		<-p.done
	}
}

func (p *process) signal(sig syscall.Signal) {
	select {
	case <-p.done:
	default:
		_ = p.cmd.Process.Signal(sig)
	}
}
