package envinject_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// screen is the far end of a terminal: what a user types and sees.
type screen struct {
	t      *testing.T
	master *os.File
	cmd    *exec.Cmd

	mu      sync.Mutex // guards what follows
	text    string
	changed chan struct{}
	at      int // how far expect has read
}

// onTerminal runs a command as the leader of a session on a new terminal, with
// "agent" in its PATH: an agent that hands over the terminal.
func onTerminal(t *testing.T, command ...string) *screen {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()

	dir := t.TempDir()
	agent := fmt.Sprintf("#!/bin/sh\n%s=wrap exec '%s' \"$@\"\n", helperEnv, self(t))
	if err := os.WriteFile(dir+"/agent", []byte(agent), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "PS1=prompt> ", "TERM=dumb", "HISTFILE=", "ENV=", "GORACE=atexit_sleep_ms=0")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if strings.HasPrefix(cmd.Path, "agent") || command[0] == "agent" {
		cmd.Path = dir + "/agent"
		cmd.Err = nil
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, master: master, cmd: cmd, changed: make(chan struct{}, 1)}
	go func() {
		var buf [4096]byte
		for {
			n, err := master.Read(buf[:])
			s.mu.Lock()
			s.text += string(buf[:n])
			s.mu.Unlock()
			select {
			case s.changed <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		endSession(t, cmd.Process.Pid)
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			s.mu.Lock()
			t.Logf("the screen:\n%s", s.text)
			s.mu.Unlock()
		}
	})
	return s
}

func (s *screen) typed(keys string) {
	s.t.Helper()
	if _, err := s.master.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// expect waits until a text appears after the last one that was expected.
func (s *screen) expect(want string) {
	s.t.Helper()
	timeout := time.After(limit)
	for {
		s.mu.Lock()
		i := strings.Index(s.text[s.at:], want)
		if i >= 0 {
			s.at += i + len(want)
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		select {
		case <-s.changed:
		case <-timeout:
			s.t.Fatalf("%q does not appear", want)
		}
	}
}

// expectStoppedJob asks the shell again and again until its job is stopped.
func (s *screen) expectStoppedJob() {
	s.t.Helper()
	eventually(s.t, "the job is stopped", func() bool {
		s.mu.Lock()
		from := s.at
		s.mu.Unlock()
		s.typed("jobs; echo ''-\n")
		s.expect("\n-\r\n")
		s.expect("prompt> ")
		s.mu.Lock()
		defer s.mu.Unlock()
		return strings.Contains(s.text[from:s.at], "Stopped")
	})
}

func (s *screen) status() int {
	s.t.Helper()
	kill := time.AfterFunc(limit, func() { s.cmd.Process.Kill() })
	defer kill.Stop()
	s.cmd.Wait()
	return s.cmd.ProcessState.ExitCode()
}

const (
	ctrlC = "\x03"
	ctrlD = "\x04"
	ctrlZ = "\x1a"
)

// userShell is an interactive shell with job control, as a user has it.
func userShell(t *testing.T) *screen {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("needs bash")
	}
	s := onTerminal(t, bash, "--norc", "--noprofile", "-i")
	s.expect("prompt> ")
	return s
}

// endSession kills what a failed test or a forgotten job leaves behind.
func endSession(t *testing.T, sid int) {
	for _, p := range processes(t) {
		if p.session == sid {
			syscall.Kill(p.pid, syscall.SIGKILL)
		}
	}
}

// The typed line is echoed, so what is expected must not be in it: the scripts
// put their words together from two halves.

// echoing is a command line that says ready and then repeats what is typed.
// Keys that come before it has the terminal would be the shell's.
func echoing(prefix string) string { return prefix + ` sh -c 'echo rea""dy; exec cat'` }

func TestTaskReadsTheTerminal(t *testing.T) {
	s := onTerminal(t, "agent", "sh", "-c", `printf 'na''me? '; read name; echo "got ${name}!"; exit 5`)
	s.expect("name? ")
	s.typed("joe\n")
	s.expect("got joe!")
	if status := s.status(); status != 5 {
		t.Errorf("status %d, want 5", status)
	}
}

func TestKeyboardInterruptReachesTheTaskOnce(t *testing.T) {
	s := onTerminal(t, "agent", "sh", "-c", `trap 'n=$((n+1)); echo int $n' INT; trap 'exit 6' TERM; echo "rea""dy"; sleep 100 & while :; do wait; done`)
	s.expect("ready")
	s.typed(ctrlC)
	s.expect("int 1")
	s.cmd.Process.Signal(syscall.SIGTERM)
	if status := s.status(); status != 6 {
		t.Errorf("status %d, want 6", status)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.Contains(s.text, "int 2") {
		t.Error("one Ctrl-C arrived twice")
	}
}

// Nobody could continue an agent without a shell, so Ctrl-Z stops neither it
// nor the task, just as it would not stop the task alone.
func TestKeyboardStopWithoutAShell(t *testing.T) {
	s := onTerminal(t, "agent", "cat")
	s.typed("one\n")
	s.expect("one\r\none\r\n")
	s.typed(ctrlZ)
	s.typed("two\n")
	s.expect("two\r\ntwo\r\n")
	s.typed(ctrlD)
	if status := s.status(); status != 0 {
		t.Errorf("status %d", status)
	}
}

func TestInteractiveShellAsTask(t *testing.T) {
	s := userShell(t)
	s.typed("PS1='inner> ' agent bash --norc --noprofile -i\n")
	s.expect("inner> ")
	s.typed("sh -c 'trap \"echo aw\"\"ake\" CONT; echo rea\"\"dy; sleep 100 & while :; do wait; done'\n")
	s.expect("ready\r\n")
	s.typed(ctrlZ)
	s.expect("Stopped")
	s.expect("inner> ")
	s.typed("fg\n")
	s.expect("awake")
	s.typed(ctrlC)
	s.expect("inner> ")
	s.typed("echo inner=$?\n")
	s.expect("inner=130")
	s.expect("inner> ")
	s.typed("exit 3\n")
	s.expect("prompt> ")
	s.typed("echo outer=$?\n")
	s.expect("outer=3")
	s.expect("prompt> ")
	s.typed(echoing("") + "\n")
	s.expect("ready\r\n")
	s.typed("still here\n")
	s.expect("still here\r\nstill here")
}

func TestStopAndContinue(t *testing.T) {
	s := userShell(t)
	s.typed(echoing("agent") + "\n")
	s.expect("ready\r\n")
	for round := range 3 {
		s.typed(fmt.Sprintf("line %d\n", round))
		s.expect(fmt.Sprintf("line %d\r\nline %d\r\n", round, round))
		s.typed(ctrlZ)
		s.expect("Stopped")
		s.expect("prompt> ")
		s.typed("echo out''side\n")
		s.expect("outside")
		s.expect("prompt> ")
		s.typed("fg\n")
		s.expect("agent sh")
		s.expect("\n")
	}
	s.typed("the end\n")
	s.expect("the end\r\nthe end")
	s.typed(ctrlD)
	s.expect("prompt> ")
	s.typed("echo status=$?\n")
	s.expect("status=0")
}

func TestStartedInTheBackground(t *testing.T) {
	s := userShell(t)
	s.typed("agent cat &\n")
	s.expect("prompt> ")
	s.expectStoppedJob()
	s.typed("fg\n")
	s.expect("agent cat\r\n")
	s.typed("hello\n")
	s.expect("hello\r\nhello\r\n")
	s.typed(ctrlC)
	s.expect("prompt> ")
	s.typed("echo status=$?\n")
	s.expect("status=130")
}

func TestContinuedInTheBackground(t *testing.T) {
	s := userShell(t)
	fifo := t.TempDir() + "/fifo"
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	s.typed("agent sh -c 'echo \"rea\"\"dy\"; read x <" + fifo + "; read y; echo \"go\"\"t $y\"'\n")
	s.expect("ready\r\n")
	s.typed(ctrlZ)
	s.expect("Stopped")
	s.expect("prompt> ")
	s.typed("bg\n")
	s.expect("prompt> ")
	// Only now, when the shell has done with bg: bash calls a job running that
	// stops again at once.
	if err := os.WriteFile(fifo, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	s.expectStoppedJob()
	s.typed("fg\n")
	s.expect("agent sh")
	s.typed("hello\n")
	s.expect("got hello")
	s.expect("prompt> ")
}

// A shell brings a job to the foreground that is running in the background,
// without any signal.
func TestBroughtToTheForegroundWhileRunning(t *testing.T) {
	s := userShell(t)
	fifo := t.TempDir() + "/fifo"
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	s.typed("agent sh -c 'read x <" + fifo + "; read y; echo \"go\"\"t $y\"' &\n")
	s.expect("prompt> ")
	s.typed("fg\n")
	s.expect("agent sh")
	if err := os.WriteFile(fifo, []byte("go\n"), 0); err != nil {
		t.Fatal(err)
	}
	s.typed("hello\n")
	s.expect("got hello")
	s.expect("prompt> ")
}

// With its output in a pipe the agent keeps the terminal for its neighbours;
// Ctrl-Z stops all of them.
func TestPipelineKeepsTheTerminal(t *testing.T) {
	s := userShell(t)
	s.typed("agent sh -c 'trap \"echo awa''ke >&2\" CONT; trap \"echo int''errupted >&2; exit 9\" INT; sleep 100 & echo \"rea\"\"dy\"; while :; do wait; done' | cat\n")
	s.expect("ready")
	s.typed(ctrlZ)
	s.expect("Stopped")
	s.expect("prompt> ")
	s.typed("fg\n")
	s.expect("awake")
	s.typed(ctrlC)
	s.expect("interrupted")
	s.expect("prompt> ")
}

// A task that is killed leaves the terminal as it was before; one that ends by
// itself may have meant what it did to it.
func TestTerminalModesAfterTheEnd(t *testing.T) {
	s := onTerminal(t, "sh", "-c", `
		agent sh -c 'stty -echo; kill -KILL $$'; echo "sta""tus $?"; stty -a | tr ' ;' '\n\n' | grep '^-*echo$'
		agent sh -c 'stty -echo'; echo "sta""tus $?"; stty -a | tr ' ;' '\n\n' | grep '^-*echo$'; read x; echo "ha""ve $x"`)
	s.expect("status 137\r\necho\r\n")
	s.expect("status 0\r\n-echo\r\n")
	s.typed("it\n")
	s.expect("have it")
	if status := s.status(); status != 0 {
		t.Errorf("status %d", status)
	}
}

// What the agent writes while the task has the terminal does not stop it, and
// the task itself is as sensitive to it as the terminal is set.
func TestOutputFromTheBackgroundDoesNotStopTheAgent(t *testing.T) {
	s := userShell(t)
	s.typed("stty tostop\n")
	s.expect("prompt> ")
	s.typed("agent sh -c 'echo rea\"\"dy; read x; sed -n \"/^SigIgn/p\" /proc/self/status; kill -USR1 $PPID; sleep 0.1; echo \"e\"\"nd\"'\n")
	s.expect("ready\r\n")
	s.typed("\n")
	s.expect("SigIgn:\t0000000000000000")
	s.expect("prompt> ")
	s.typed("echo status=$?\n")
	s.expect("status=138")
}

// A task that wants a terminal it will not be given stands still; whoever then
// presses Ctrl-C wants it to end, and a stopped process would not see that.
func TestInterruptOfATaskThatWaitsForTheTerminal(t *testing.T) {
	s := userShell(t)
	s.typed("agent cat > /dev/null\n")
	eventually(t, "the task stands still", func() bool {
		return slices.ContainsFunc(processes(t), func(p proc) bool {
			return p.session == s.cmd.Process.Pid && p.name == "cat" && p.state == "T"
		})
	})
	s.typed(ctrlC)
	s.expect("prompt> ")
	s.typed("echo status $?-\n")
	s.expect("status 130-")
}
