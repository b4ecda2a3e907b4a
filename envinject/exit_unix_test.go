//go:build unix

package envinject_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/taskagent/taskagent/envinject"
)

func TestEveryExitCode(t *testing.T) {
	for code := range 256 {
		exit := run(t, "sh", "-c", "exit "+strconv.Itoa(code))
		if exit != (envinject.Exit{Code: code}) || exit.Status() != code {
			t.Errorf("exit %d: %+v, status %d", code, exit, exit.Status())
		}
	}
}

// Every signal whose default is to end a process, sent by the task to itself.
func TestEveryDeadlySignal(t *testing.T) {
	for n := 1; n <= lastSignal; n++ {
		sig := syscall.Signal(n)
		switch sig {
		case syscall.SIGCHLD, syscall.SIGCONT, syscall.SIGURG, syscall.SIGWINCH,
			syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU:
			continue
		}
		if notDeadly[sig] {
			continue
		}
		exit := run(t, "sh", "-c", fmt.Sprintf("ulimit -c 0; kill -%d $$; exit 99", n))
		if exit != (envinject.Exit{Signal: sig}) || exit.Status() != 128+n {
			t.Errorf("signal %d: %+v, status %d", n, exit, exit.Status())
		}
	}
}

func TestCommandThatCannotBeStarted(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode fs.FileMode) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	plain := write("plain", "#!/bin/sh\n", 0o644)
	orphan := write("orphan", "#! /no/such/interpreter -x\n", 0o755)
	garbage := write("garbage", "\x00\x01\x02", 0o755)
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(filepath.Join(bin, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	write("bin/local", "#!/bin/sh\n", 0o755)

	tests := map[string]struct {
		command string
		dir     string
		path    string
		code    int
		is      error
		message string
		hint    string
	}{
		"not in PATH": {
			command: "no-such-command", path: "/bin:" + dir, code: 127, is: envinject.ErrNotFound,
			message: `start "no-such-command": not found in PATH /bin:` + dir,
		},
		"empty": {
			command: "", code: 127, is: envinject.ErrNotFound,
			message: `start "": command not found`, hint: "the command is empty",
		},
		"no such file": {
			command: "/no/such/file", code: 127, is: fs.ErrNotExist,
			message: `start "/no/such/file": no such file: file does not exist`,
		},
		"below a file": {
			command: plain + "/x", code: 127, is: envinject.ErrNotFound,
			message: `start "` + plain + `/x": no such file: file does not exist`,
		},
		"a directory": {
			command: dir, code: 126, is: envinject.ErrNotExecutable,
			message: `start "` + dir + `": is a directory`,
		},
		"a directory in PATH is passed over": {
			command: "folder", path: bin, code: 127, is: envinject.ErrNotFound,
			message: `start "folder": not found in PATH ` + bin,
		},
		"no right to execute": {
			command: plain, code: 126, is: fs.ErrPermission,
			message: `start "` + plain + `": permission denied`,
			hint:    "the task's user needs the right to execute it and to enter its directories; a file system mounted noexec refuses too",
		},
		"no right to execute, in PATH": {
			command: "plain", path: dir + ":/bin", code: 126, is: envinject.ErrNotExecutable,
			message: `start "plain" (` + plain + `): permission denied`,
			hint:    "the task's user needs the right to execute it and to enter its directories; a file system mounted noexec refuses too",
		},
		"interpreter missing": {
			command: orphan, code: 126, is: envinject.ErrNotExecutable,
			message: `start "` + orphan + `": its interpreter "/no/such/interpreter" is missing: no such file or directory`,
		},
		"no known format": {
			command: garbage, code: 126, is: envinject.ErrNotExecutable,
			message: `start "` + garbage + `": exec format error`,
			hint:    "a script needs a first line like #!/bin/sh, a binary must be one of this machine's kind",
		},
		"only through a relative entry of PATH": {
			command: "local", dir: dir, path: "/bin:bin", code: 126, is: envinject.ErrRelativePath,
			message: `start "local" (bin/local): found through a relative entry of PATH`,
			hint:    "if that is the one you want, write ./bin/local",
		},
		"only through an empty entry of PATH": {
			command: "local", dir: bin, path: "/bin:", code: 126, is: envinject.ErrRelativePath,
			message: `start "local": found through a relative entry of PATH`,
			hint:    "if that is the one you want, write ./local",
		},
		"no working directory": {
			command: "sh", dir: "/no/such/directory", path: "/bin", code: 125, is: fs.ErrNotExist,
			message: `start "sh": working directory: stat /no/such/directory: no such file or directory`,
		},
		"a file for a working directory": {
			command: "sh", dir: plain, path: "/bin", code: 125,
			message: `start "sh": working directory: ` + plain + ` is not a directory`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := supervise(t, envinject.Config{Command: []string{test.command}, Dir: test.dir})
			err := s.Start([]string{"PATH=/wrong", "PATH=" + test.path})
			var start *envinject.StartError
			if !errors.As(err, &start) {
				t.Fatalf("Start: %v", err)
			}
			if start.Error() != test.message || start.ExitCode() != test.code || start.Hint() != test.hint {
				t.Errorf("Start: %d %q, hint %q\nwant:  %d %q, hint %q", start.ExitCode(), start, start.Hint(), test.code, test.message, test.hint)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("Start: %v is not %v", err, test.is)
			}
			if exit := ended(t, s); exit.Status() != test.code || exit.Err != err {
				t.Errorf("Exit: %+v", exit)
			}
		})
	}
}

func TestEnvironmentThatCannotBePassed(t *testing.T) {
	s := supervise(t, envinject.Config{Command: []string{"true"}})
	err := s.Start([]string{"PATH=/bin", "NOMAD_TOKEN=secret\x00"})
	if want := `start "true": the variable "NOMAD_TOKEN" of its environment has a NUL byte in it`; err == nil || err.Error() != want {
		t.Errorf("Start: %v, want %s", err, want)
	}
	s = supervise(t, envinject.Config{Command: []string{"true", "a\x00b"}})
	err = s.Start([]string{"PATH=/bin"})
	if want := `start "true": an argument has a NUL byte in it`; err == nil || err.Error() != want {
		t.Errorf("Start: %v, want %s", err, want)
	}
}

// The command is searched for in the task's PATH, and PATH in the environment
// of the caller means nothing.
func TestCommandIsSearchedInTheTasksPath(t *testing.T) {
	file := scripted(t, "only-here", "#!/bin/sh\nexit 42\n")
	t.Setenv("PATH", "/wrong")
	s := supervise(t, envinject.Config{Command: []string{"only-here"}})
	if err := s.Start([]string{"PATH=/nowhere:relative:" + filepath.Dir(file)}); err != nil {
		t.Fatal(err)
	}
	if exit := ended(t, s); exit.Code != 42 {
		t.Errorf("Exit: %+v", exit)
	}

	s = supervise(t, envinject.Config{Command: []string{"sh", "-c", "exit 43"}})
	if err := s.Start([]string{}); err != nil {
		t.Fatalf("without a PATH: %v", err)
	}
	if exit := ended(t, s); exit.Code != 43 {
		t.Errorf("Exit: %+v", exit)
	}
}

func TestWorkingDirectory(t *testing.T) {
	file := scripted(t, "here", "#!/bin/sh\n[ -e here ] && exit 5\n")
	s := supervise(t, envinject.Config{Command: []string{"./here"}, Dir: filepath.Dir(file)})
	if err := s.Start(os.Environ()); err != nil {
		t.Fatal(err)
	}
	if exit := ended(t, s); exit.Code != 5 {
		t.Errorf("Exit: %+v", exit)
	}
}

func TestExitSaysHowItEnded(t *testing.T) {
	for want, exit := range map[string]envinject.Exit{
		"exit status 3":                           {Code: 3},
		"ended by SIGTERM":                        {Signal: syscall.SIGTERM},
		"the task was not started":                {Err: envinject.ErrNotStarted},
		"SIGHUP came before the task was started": {Signal: 1, Err: &envinject.InterruptedError{Signal: 1}},
	} {
		if exit.String() != want {
			t.Errorf("%+v: %q, want %q", exit, exit, want)
		}
	}
	if got := (envinject.Exit{Err: envinject.ErrNotStarted}).Status(); got != 125 {
		t.Errorf("status %d, want 125", got)
	}
}

func TestNoCommand(t *testing.T) {
	_, err := envinject.New(envinject.Config{})
	if err == nil || !strings.Contains(err.Error(), "no command given") {
		t.Errorf("New: %v", err)
	}
}
