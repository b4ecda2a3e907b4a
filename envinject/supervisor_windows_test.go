package envinject_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/windows"

	"github.com/taskagent/taskagent/envinject"
	"github.com/taskagent/taskagent/platform"
)

// record is the task of the tests here, chosen by its first argument: "exit N",
// "sleep", or "tree", which starts another "sleep" and prints both ids.
func record() int {
	switch os.Args[1] {
	case "exit":
		code, _ := strconv.Atoi(os.Args[2])
		return code
	case "tree":
		child := exec.Command(os.Args[0], "sleep")
		if err := child.Start(); err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Println(child.Process.Pid)
	}
	fmt.Println("ready")
	time.Sleep(time.Hour)
	return 0
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func taskEnv(extra ...string) []string {
	return envinject.Merge(os.Environ(), envinject.MergeOptions{Task: append(extra, helperEnv+"=record")})
}

func TestExitCodes(t *testing.T) {
	for _, code := range []int{0, 1, 2, 125, 126, 127, 137, 255, 256, 3221225477} {
		s := supervise(t, envinject.Config{Command: []string{self(t), "exit", strconv.Itoa(code)}})
		if err := s.Start(taskEnv()); err != nil {
			t.Fatal(err)
		}
		if exit := ended(t, s); exit != (envinject.Exit{Code: code}) {
			t.Errorf("exit %d: %+v", code, exit)
		}
	}
}

func TestCommandThatCannotBeStarted(t *testing.T) {
	// Not t.TempDir: Wine cannot remove a file that was just executed.
	dir, err := os.MkdirTemp("", "envinject")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	batch := filepath.Join(dir, "x.bat")
	for _, name := range []string{"x.bat", "garbage.exe"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("rem\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct {
		command string
		code    int
	}{
		"not in PATH":         {"no-such-command", 127},
		"no such file":        {`C:\no\such\file.exe`, 127},
		"a directory":         {dir, 127}, // with the extensions, which are not there
		"a batch file":        {batch, 126},
		"no known format":     {filepath.Join(dir, "garbage.exe"), 126},
		"batch file, in PATH": {"x.bat", 126},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := supervise(t, envinject.Config{Command: []string{test.command}})
			err := s.Start(taskEnv("PATH=" + dir))
			var start *envinject.StartError
			if !errors.As(err, &start) || start.ExitCode() != test.code {
				t.Errorf("Start: %v, want %d", err, test.code)
			}
		})
	}
}

// The command is found in the task's PATH, with the extensions of programs.
func TestCommandIsSearchedInTheTasksPath(t *testing.T) {
	s := supervise(t, envinject.Config{Command: []string{"hostname"}})
	if err := s.Start(taskEnv(`PATH=C:\nowhere;` + os.Getenv("SystemRoot") + `\system32`)); err != nil {
		t.Fatal(err)
	}
	if exit := ended(t, s); exit != (envinject.Exit{}) {
		t.Errorf("Exit: %+v", exit)
	}
}

// Closing ends every process of the task.
func TestTheJobEndsWithTheTask(t *testing.T) {
	r, w := pipe(t)
	stdout := syscall.Stdout
	syscall.Stdout = syscall.Handle(w.Fd())
	s := supervise(t, envinject.Config{Command: []string{self(t), "tree"}})
	err := s.Start(taskEnv())
	syscall.Stdout = stdout
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	out := read(t, r)
	line, _ := out.line()
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatalf("%q", line)
	}
	out.expect("ready")
	child, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(pid))
	if err != nil {
		t.Fatal(err)
	}
	defer windows.CloseHandle(child)
	s.Close()
	if exit := s.Exit(); exit.Status() != 137 {
		t.Errorf("Exit: %+v", exit)
	}
	if state, err := windows.WaitForSingleObject(child, uint32(limit.Milliseconds())); state != windows.WAIT_OBJECT_0 {
		t.Errorf("the task's child is still there: %v, %v", state, err)
	}
}

// The system ends the task when the agent is killed: nobody else holds the job.
func TestTaskDiesWithTheAgent(t *testing.T) {
	r, w := pipe(t)
	agent := exec.Command(self(t), self(t), "tree")
	agent.Env = append(os.Environ(), helperEnv+"=wrap", "TASK_HELPER=record")
	agent.Stdout, agent.Stderr = w, os.Stderr
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	out := read(t, r)
	line, _ := out.line()
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatalf("%q", line)
	}
	out.expect("ready")
	child, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(pid))
	if err != nil {
		t.Fatal(err)
	}
	defer windows.CloseHandle(child)
	agent.Process.Kill()
	agent.Wait()
	if state, err := windows.WaitForSingleObject(child, uint32(limit.Milliseconds())); state != windows.WAIT_OBJECT_0 {
		t.Errorf("the task's child is still there: %v, %v", state, err)
	}
	for _, ok := out.line(); ok; _, ok = out.line() {
	}
}

// The kill signal is Ctrl-Break, which ends a Go program that does not catch
// it. Without a console it cannot be sent, and the task is killed at once.
func TestStopWithCtrlBreak(t *testing.T) {
	var events []envinject.EventKind
	s := supervise(t, envinject.Config{
		Command: []string{self(t), "sleep"}, KillTimeout: limit,
		Notify: func(e envinject.Event) { events = append(events, e.Kind) },
	})
	if err := s.Start(taskEnv()); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Log(events, s.Exit())
	if s.Exit().Status() == 0 {
		t.Errorf("Exit: %+v", s.Exit())
	}
}

func TestRestartAndStop(t *testing.T) {
	started := make(chan int, 4)
	s := supervise(t, envinject.Config{
		Command: []string{self(t), "sleep"}, KillSignal: syscall.SIGKILL,
		Notify: func(e envinject.Event) {
			if e.Kind == envinject.TaskStarted {
				started <- e.PID
			}
		},
	})
	if err := s.Start(taskEnv()); err != nil {
		t.Fatal(err)
	}
	first := <-started
	if err := s.Restart(taskEnv()); err != nil {
		t.Fatal(err)
	}
	if second := <-started; second == first || s.PID() != second {
		t.Errorf("restarted as %d, was %d, is %d", second, first, s.PID())
	}
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if exit := s.Exit(); exit.Status() != 137 {
		t.Errorf("Exit: %+v", exit)
	}
}

func TestWhatWindowsHasNot(t *testing.T) {
	s := supervise(t, envinject.Config{Command: []string{self(t), "sleep"}})
	if err := s.Start(taskEnv()); err != nil {
		t.Fatal(err)
	}
	err := s.Signal(syscall.SIGHUP)
	if want := "send signal 1: Windows has SIGINT, SIGTERM and SIGKILL only: unsupported operation"; err == nil || err.Error() != want || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Signal: %v, want %s", err, want)
	}
	s = supervise(t, envinject.Config{Command: []string{self(t)}, User: &platform.Credential{UID: 1, GID: 1}})
	if err := s.Start(taskEnv()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Start as another user: %v", err)
	}
}
