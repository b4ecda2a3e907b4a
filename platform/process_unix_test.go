//go:build unix

package platform_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taskagent/taskagent/platform"
)

// start runs a script whose $OUT is the pipe that is returned.
func start(t *testing.T, script string, change ...func(*platform.ProcessSpec)) (*platform.Process, *bufio.Reader) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	defer w.Close()
	fd := inheritable(t, w)
	defer unix.Close(fd)
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	spec := platform.ProcessSpec{Path: sh, Args: []string{"sh", "-c", script}, Env: append(os.Environ(), fmt.Sprintf("OUT=/dev/fd/%d", fd)), KillGroup: true}
	for _, c := range change {
		c(&spec)
	}
	p, err := platform.StartProcess(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.SignalGroup(syscall.SIGKILL) })
	return p, bufio.NewReader(r)
}

// inheritable copies a descriptor to one that children get.
func inheritable(t *testing.T, f *os.File) int {
	t.Helper()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD, 64)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func next(t *testing.T, p *platform.Process) platform.ProcessEvent {
	t.Helper()
	select {
	case e := <-p.Events():
		return e
	case <-time.After(30 * time.Second):
		t.Fatal("no event")
		panic("unreachable")
	}
}

func TestProcessEvents(t *testing.T) {
	p, out := start(t, `echo ready >$OUT; kill -STOP $$; exit 5`)
	if line, err := out.ReadString('\n'); line != "ready\n" {
		t.Fatal(line, err)
	}
	if e := next(t, p); e != (platform.ProcessEvent{Kind: platform.ProcessStopped, Signal: syscall.SIGSTOP}) {
		t.Errorf("%+v", e)
	}
	if p.Ended() || p.GroupGone() {
		t.Error("a stopped process has not ended")
	}
	if err := p.Signal(syscall.SIGCONT); err != nil {
		t.Error(err)
	}
	if e := next(t, p); e != (platform.ProcessEvent{Kind: platform.ProcessExited, Code: 5}) || !e.Ended() {
		t.Errorf("%+v", e)
	}
	if e, ok := <-p.Events(); ok {
		t.Errorf("after the end: %+v", e)
	}
	if err := p.Signal(syscall.SIGTERM); err != os.ErrProcessDone {
		t.Errorf("Signal after the end: %v", err)
	}
	if err := p.SignalGroup(syscall.SIGTERM); err != os.ErrProcessDone {
		t.Errorf("SignalGroup after the end: %v", err)
	}
	if !p.Ended() || !p.WaitGroupGone(time.Minute) {
		t.Error("it has not ended")
	}
}

// The parent-death signal belongs to the thread that forks. That one must
// outlive the thread of whoever asks for the process.
func TestProcessOutlivesTheThreadThatStartedIt(t *testing.T) {
	var p *platform.Process
	var out *bufio.Reader
	done := make(chan struct{})
	tid := make(chan int, 1)
	go func() {
		defer close(done)
		runtime.LockOSThread() // not unlocked: the thread ends with the goroutine
		tid <- gettid()
		p, out = start(t, `echo ready >$OUT; trap 'echo here >$OUT; exit 0' USR1; echo set >$OUT; while :; do read x || sleep 0.01; done`)
	}()
	<-done
	id := <-tid
	for deadline := time.Now().Add(30 * time.Second); threadLives(id); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Skip("the runtime keeps the thread")
		}
	}
	for _, want := range []string{"ready\n", "set\n"} {
		if line, err := out.ReadString('\n'); line != want {
			t.Fatal(line, err)
		}
	}
	if err := p.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if e := next(t, p); e.Kind != platform.ProcessExited {
		t.Errorf("%+v", e)
	}
}

func TestStartProcessErrors(t *testing.T) {
	for path, want := range map[string]error{"/no/such/file": syscall.ENOENT, "/": syscall.EACCES, "a\x00b": syscall.EINVAL} {
		if _, err := platform.StartProcess(platform.ProcessSpec{Path: path, Args: []string{path}}); err != want {
			t.Errorf("StartProcess(%q): %v, want %v", path, err, want)
		}
	}
}

// A wait of ours must not take the exit status from somebody else's.
func TestOtherChildrenAreLeftAlone(t *testing.T) {
	p, _ := start(t, `while :; do sleep 1; done`)
	for code := range 50 {
		err := exec.Command("sh", "-c", fmt.Sprint("exit ", code)).Run()
		var exit *exec.ExitError
		if code > 0 && (!errors.As(err, &exit) || exit.ExitCode() != code) || code == 0 && err != nil {
			t.Fatalf("exit %d: %v", code, err)
		}
	}
	p.SignalGroup(syscall.SIGKILL)
	if e := next(t, p); e != (platform.ProcessEvent{Kind: platform.ProcessKilled, Signal: syscall.SIGKILL}) {
		t.Errorf("%+v", e)
	}
}

// A detached process leads a session, reads nothing and holds none of our
// descriptors, inheritable or not.
func TestStartDetached(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	held, holder, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	inherited := inheritable(t, holder)
	holder.Close()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	pid, err := platform.StartDetached(platform.DetachedSpec{
		Path: sh, Args: []string{"sh", "-c", `pwd; echo $VAR; cat; echo gone >&2; ps -o pid= -o sid= -p $$; read x <"$GATE"`},
		Env: []string{"PATH=" + os.Getenv("PATH"), "VAR=value", "GATE=" + dir + "/gate"}, Dir: dir, Stdout: w,
	})
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(inherited)
	w.Close()
	if err := unix.Mkfifo(dir+"/gate", 0o600); err != nil {
		t.Fatal(err)
	}
	// It runs, and the other pipe has no writer left.
	if n, err := held.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("the inheritable descriptor was inherited: %d, %v", n, err)
	}
	out := bufio.NewReader(r)
	for _, want := range []string{dir, "value"} {
		if line, err := out.ReadString('\n'); strings.TrimSpace(line) != want {
			t.Errorf("%q, %v; want %q", line, err, want)
		}
	}
	if line, err := out.ReadString('\n'); strings.Join(strings.Fields(line), " ") != fmt.Sprintf("%d %d", pid, pid) {
		t.Errorf("pid and session: %q, %v; want %d", line, err, pid)
	}
	syscall.Kill(pid, syscall.SIGKILL)
	io.ReadAll(out)

	if _, err := platform.StartDetached(platform.DetachedSpec{Path: "/no/such/file", Args: []string{"x"}}); err != syscall.ENOENT {
		t.Errorf("StartDetached: %v", err)
	}
}

func BenchmarkStartProcess(b *testing.B) {
	for b.Loop() {
		p, err := platform.StartProcess(platform.ProcessSpec{Path: "/bin/true", Args: []string{"true"}, KillGroup: true})
		if err != nil {
			b.Fatal(err)
		}
		for range p.Events() {
		}
	}
}
