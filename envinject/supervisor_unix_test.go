//go:build unix

package envinject_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taskagent/taskagent/envinject"
)

// handClock is a kill timeout that ends when the test says so.
type handClock struct {
	started chan time.Duration
	fire    chan time.Time
	stopped chan struct{}
}

func newHandClock() *handClock {
	return &handClock{make(chan time.Duration, 8), make(chan time.Time), make(chan struct{}, 8)}
}

func (c *handClock) after(d time.Duration) (<-chan time.Time, func() bool) {
	c.started <- d
	return c.fire, func() bool { c.stopped <- struct{}{}; return true }
}

// shell is a configuration for a script that writes to what it is told is
// $OUT, a pipe whose other end the reader has.
func shell(t *testing.T, script string) (envinject.Config, []string, *reader) {
	r, w := pipe(t)
	fd := inheritable(t, w)
	w.Close()
	t.Cleanup(func() { syscall.Close(fd) })
	env := slices.Clip(append(os.Environ(), fmt.Sprintf("OUT=/dev/fd/%d", fd)))
	return envinject.Config{Command: []string{"sh", "-c", script}}, env, read(t, r)
}

// inheritable copies a descriptor to one that children get.
func inheritable(t *testing.T, f *os.File) int {
	t.Helper()
	// High enough that no script uses the number.
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD, 64)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestStopSendsTheKillSignalFirst(t *testing.T) {
	cfg, env, out := shell(t, `trap 'echo got TERM >$OUT; exit 3' TERM; echo ready >$OUT; sleep 100 & while :; do wait; done`)
	clock := newHandClock()
	cfg.KillSignal, cfg.KillTimeout = syscall.SIGTERM, 7*time.Second
	cfg.SetAfter(clock.after)
	s := supervise(t, cfg)
	if err := s.Start(env); err != nil {
		t.Fatal(err)
	}
	out.expect("ready")
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if exit := s.Exit(); exit != (envinject.Exit{Code: 3}) {
		t.Errorf("Exit: %+v", exit)
	}
	out.expect("got TERM")
	if d := <-clock.started; d != 7*time.Second {
		t.Errorf("the kill timeout is %v", d)
	}
	<-clock.stopped
}

// The task and its children ignore the kill signal. Nothing happens before the
// timeout, then all of them are killed.
func TestStopKillsTheGroupAfterTheTimeout(t *testing.T) {
	cfg, env, out := shell(t, `trap '' INT; (echo ready >$OUT; sleep 100 & while :; do wait; done) & echo ready >$OUT; wait`)
	clock := newHandClock()
	cfg.KillTimeout = time.Hour
	cfg.SetAfter(clock.after)
	s := supervise(t, cfg)
	if err := s.Start(env); err != nil {
		t.Fatal(err)
	}
	out.expect("ready")
	out.expect("ready")
	pid := s.PID()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("Stop: %v", err)
	}
	<-clock.started
	select {
	case <-s.Done():
		t.Fatal("the task ended before the timeout")
	default:
	}
	clock.fire <- time.Time{}
	if exit := ended(t, s); exit != (envinject.Exit{Signal: syscall.SIGKILL}) {
		t.Errorf("Exit: %+v", exit)
	}
	if left := livingInGroup(t, pid); len(left) > 0 {
		t.Errorf("left of the process group: %v", left)
	}
}

func TestStopWithoutPatience(t *testing.T) {
	for name, cfg := range map[string]envinject.Config{
		"no timeout": {KillSignal: syscall.SIGINT},
		"SIGKILL":    {KillSignal: syscall.SIGKILL, KillTimeout: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			base, env, out := shell(t, `trap '' INT; echo ready >$OUT; sleep 100 & while :; do wait; done`)
			cfg.Command = base.Command
			s := supervise(t, cfg)
			if err := s.Start(env); err != nil {
				t.Fatal(err)
			}
			out.expect("ready")
			if err := s.Stop(context.Background()); err != nil {
				t.Fatal(err)
			}
			if exit := s.Exit(); exit != (envinject.Exit{Signal: syscall.SIGKILL}) {
				t.Errorf("Exit: %+v", exit)
			}
		})
	}
}

// A stopped process sees the kill signal only when it is continued.
func TestStopContinuesAStoppedTask(t *testing.T) {
	cfg, env, out := shell(t, `trap 'exit 4' INT; echo ready >$OUT; kill -STOP $$; sleep 100 & while :; do wait; done`)
	stopped := make(chan struct{})
	cfg.KillTimeout = time.Hour
	cfg.Notify = func(e envinject.Event) {
		if e.Kind == envinject.TaskStopped {
			close(stopped)
		}
	}
	s := supervise(t, cfg)
	if err := s.Start(env); err != nil {
		t.Fatal(err)
	}
	out.expect("ready")
	<-stopped
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if exit := s.Exit(); exit != (envinject.Exit{Code: 4}) {
		t.Errorf("Exit: %+v", exit)
	}
}

// What the task leaves behind in its group is killed when it ends by itself,
// before its end is told.
func TestEndKillsWhatIsLeftOfTheGroup(t *testing.T) {
	cfg, env, out := shell(t, `trap '' HUP INT TERM; (echo ready >$OUT; sleep 100 & while :; do wait; done) & exit 6`)
	var pid int
	cfg.Notify = func(e envinject.Event) {
		if e.Kind == envinject.TaskStarted {
			pid = e.PID
		}
	}
	s := supervise(t, cfg)
	if err := s.Start(env); err != nil {
		t.Fatal(err)
	}
	if exit := ended(t, s); exit != (envinject.Exit{Code: 6}) {
		t.Errorf("Exit: %+v", exit)
	}
	if left := livingInGroup(t, pid); len(left) > 0 {
		t.Errorf("left of the process group: %v", left)
	}
	_ = out
}

// Restarts overlap neither with the old process nor with what it left behind:
// each round takes a lock that its background child holds on to.
func TestRestartNeverRunsTwo(t *testing.T) {
	if _, err := os.Stat("/usr/bin/flock"); err != nil {
		t.Skip("needs flock of util-linux")
	}
	lock := filepath.Join(t.TempDir(), "lock")
	cfg, env, out := shell(t, `exec 9>`+lock+`; flock -n 9 || { echo overlap >$OUT; exit 1; }
		trap '' INT; (sleep 100 & while :; do wait; done) & trap - INT
		echo round $ROUND >$OUT; exec sleep 1000`)
	cfg.KillTimeout = time.Hour
	s := supervise(t, cfg)
	if err := s.Start(append(env, "ROUND=0")); err != nil {
		t.Fatal(err)
	}
	for round := range 20 {
		if l, _ := out.line(); l != fmt.Sprint("round ", round) {
			t.Fatalf("round %d: %q", round, l)
		}
		if err := s.Restart(append(env, fmt.Sprint("ROUND=", round+1))); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
}

// Requests that come while a restart is under way become one, with the latest
// environment.
func TestRestartsCoalesce(t *testing.T) {
	cfg, env, out := shell(t, `trap 'echo stopping >$OUT; read x <$GATE; exit 0' INT; echo round $ROUND >$OUT; sleep 100 & while :; do wait; done`)
	gate := filepath.Join(t.TempDir(), "gate")
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	env = slices.Clip(append(env, "GATE="+gate))
	cfg.KillTimeout = time.Hour
	var mu sync.Mutex
	starts := 0
	cfg.Notify = func(e envinject.Event) {
		if e.Kind == envinject.TaskStarted {
			mu.Lock()
			starts++
			mu.Unlock()
		}
	}
	s := supervise(t, cfg)
	if err := s.Start(append(env, "ROUND=first")); err != nil {
		t.Fatal(err)
	}
	out.expect("round first")
	for i := range 10 {
		if err := s.Restart(append(env, fmt.Sprint("ROUND=", i))); err != nil {
			t.Fatal(err)
		}
	}
	out.expect("stopping")
	if err := s.Restart(append(env, "ROUND=last")); err != nil {
		t.Fatal(err)
	}
	// While the old process is being stopped, a signal about what has changed
	// is the new one's to see anyway.
	if err := s.Signal(syscall.SIGHUP); err != nil {
		t.Errorf("Signal during a restart: %v", err)
	}
	if err := os.WriteFile(gate, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	if l, _ := out.line(); l != "round last" {
		t.Errorf("%q", l)
	}
	s.PID() // what was going on in the supervisor is over when it answers
	mu.Lock()
	defer mu.Unlock()
	if starts != 2 {
		t.Errorf("%d starts, want 2", starts)
	}
}

// A task that has ended is not run again, even if the request comes before
// anybody was told of the end.
func TestRestartAfterTheEnd(t *testing.T) {
	for range 50 {
		r, w := pipe(t)
		fd := inheritable(t, w)
		w.Close()
		s := supervise(t, envinject.Config{Command: []string{"sh", "-c", "exit 9"}, KillTimeout: time.Hour})
		if err := s.Start(os.Environ()); err != nil {
			t.Fatal(err)
		}
		syscall.Close(fd)
		r.Read(make([]byte, 1)) // the end of the process closes the pipe
		// From the closing of its descriptors to the zombie the kernel takes a
		// moment, in which a restart is still one.
		eventually(t, "the process ended", func() bool { pid := s.PID(); return pid == 0 || len(livingInGroup(t, pid)) == 0 })
		if err := s.Restart(os.Environ()); !errors.Is(err, envinject.ErrEnded) {
			t.Fatalf("Restart: %v", err)
		}
		if exit := ended(t, s); exit != (envinject.Exit{Code: 9}) {
			t.Fatalf("Exit: %+v", exit)
		}
		r.Close()
	}
}

func TestRestartOfACommandThatIsGone(t *testing.T) {
	cfg, env, out := shell(t, "")
	file := scripted(t, "task", "#!/bin/sh\necho ready >$OUT\nexec sleep 1000\n")
	cfg.Command = []string{file}
	cfg.KillTimeout = time.Hour
	s := supervise(t, cfg)
	if err := s.Start(env); err != nil {
		t.Fatal(err)
	}
	out.expect("ready")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(env); err != nil {
		t.Fatal(err)
	}
	exit := ended(t, s)
	if !errors.Is(exit.Err, envinject.ErrNotFound) || exit.Status() != 127 {
		t.Errorf("Exit: %+v", exit)
	}
}

func TestStopDuringARestart(t *testing.T) {
	cfg, env, out := shell(t, `trap '' INT; echo ready >$OUT; exec sleep 1000`)
	clock := newHandClock()
	cfg.KillTimeout = time.Hour
	cfg.SetAfter(clock.after)
	s := supervise(t, cfg)
	if err := s.Start(env); err != nil {
		t.Fatal(err)
	}
	out.expect("ready")
	if err := s.Restart(env); err != nil {
		t.Fatal(err)
	}
	<-clock.started
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	s.Stop(canceled)
	if err := s.Restart(env); !errors.Is(err, envinject.ErrEnded) {
		t.Errorf("Restart after Stop: %v", err)
	}
	clock.fire <- time.Time{}
	if exit := ended(t, s); exit != (envinject.Exit{Signal: syscall.SIGKILL}) {
		t.Errorf("Exit: %+v", exit)
	}
}

func TestSignalGoesToTheProcessAlone(t *testing.T) {
	cfg, env, out := shell(t, `trap 'echo parent >$OUT; kill -TERM $child; wait; exit 0' USR1
		(trap 'echo child >$OUT; exit' USR1; trap 'exit' TERM; echo ready >$OUT; sleep 100 & while :; do wait; done) & child=$!
		echo ready >$OUT; while :; do wait; done`)
	s := supervise(t, cfg)
	if err := s.Start(env); err != nil {
		t.Fatal(err)
	}
	out.expect("ready")
	out.expect("ready")
	if err := s.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if exit := ended(t, s); exit.Code != 0 {
		t.Errorf("Exit: %+v", exit)
	}
	if l, _ := out.line(); l != "parent" {
		t.Errorf("%q got the signal", l)
	}
}

func TestCallsInTheWrongState(t *testing.T) {
	s := supervise(t, envinject.Config{Command: []string{"sh", "-c", "exit 1"}})
	if err := s.Signal(syscall.SIGHUP); err != envinject.ErrNotStarted {
		t.Errorf("Signal before Start: %v", err)
	}
	if err := s.Restart(nil); err != envinject.ErrNotStarted {
		t.Errorf("Restart before Start: %v", err)
	}
	if s.PID() != 0 || s.Exit() != (envinject.Exit{}) {
		t.Errorf("before Start: pid %d, %+v", s.PID(), s.Exit())
	}
	if err := s.Start(os.Environ()); err != nil {
		t.Fatal(err)
	}
	ended(t, s)
	if err := s.Start(os.Environ()); err != envinject.ErrEnded {
		t.Errorf("Start after the end: %v", err)
	}
	if err := s.Signal(syscall.SIGHUP); err != envinject.ErrEnded {
		t.Errorf("Signal after the end: %v", err)
	}
	if err := s.Stop(context.Background()); err != nil {
		t.Errorf("Stop after the end: %v", err)
	}
	if exit := s.Exit(); exit.Code != 1 {
		t.Errorf("Exit: %+v", exit)
	}
	s.Close()
	s.Close()

	s = supervise(t, envinject.Config{Command: []string{"true"}})
	if err := s.Stop(context.Background()); err != nil {
		t.Errorf("Stop before Start: %v", err)
	}
	if err := s.Start(os.Environ()); err != envinject.ErrEnded {
		t.Errorf("Start after Stop: %v", err)
	}
}

func TestCloseKills(t *testing.T) {
	cfg, env, out := shell(t, `trap '' INT TERM; echo ready >$OUT; sleep 100 & while :; do wait; done`)
	s := supervise(t, cfg)
	if err := s.Start(env); err != nil {
		t.Fatal(err)
	}
	out.expect("ready")
	s.Close()
	if exit := s.Exit(); exit.Signal != syscall.SIGKILL {
		t.Errorf("Exit: %+v", exit)
	}
}

// Calls from everywhere at once, for the race detector.
func TestConcurrentCalls(t *testing.T) {
	cfg, env, _ := shell(t, `exec sleep 1000`)
	s := supervise(t, cfg)
	if err := s.Start(env); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				s.Signal(syscall.SIGCONT)
				s.Restart(env)
				s.PID()
				s.Exit()
			}
		})
	}
	wg.Wait()
	wg.Go(func() { s.Stop(context.Background()) })
	wg.Go(s.Close)
	wg.Wait()
	ended(t, s)
}
