package test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScript runs testdata/script/*.txtar, one script a behaviour. Each has a
// data directory of its own, and its leader is stopped at the end.
func TestScript(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the scripts use a POSIX shell")
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		Setup:               setupScript,
		Condition:           condition,
		RequireExplicitExec: false,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"taskagent":  runTaskagent,
			"mode":       checkMode,
			"waitfile":   waitFile,
			"waitmatch":  waitMatch,
			"signal":     sendSignal,
			"stopleader": stopLeaderCmd,
			"exitcode":   exitCode,
		},
	})
}

func setupScript(env *testscript.Env) error {
	data := filepath.Join(env.WorkDir, "data")
	env.Setenv("TASKAGENT_DATA_DIR", data)
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("TMPDIR", filepath.Join(env.WorkDir, "tmp"))
	env.Setenv("PATH", filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH"))
	if err := os.MkdirAll(filepath.Join(env.WorkDir, "tmp"), 0o700); err != nil {
		return err
	}
	env.Defer(func() { _ = stopLeader(data) })
	return nil
}

// condition knows [root] and [linux], beside testscript's own.
func condition(cond string) (bool, error) {
	switch cond {
	case "root":
		return os.Geteuid() == 0, nil
	}
	return false, fmt.Errorf("unknown condition %q", cond)
}

// runTaskagent runs the binary: taskagent ARG...
func runTaskagent(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec(binary, args...)
	switch {
	case neg && err == nil:
		ts.Fatalf("unexpected success")
	case !neg && err != nil:
		ts.Fatalf("taskagent %s: %v", strings.Join(args, " "), err)
	}
}

// exitCode checks a status: exitcode N COMMAND [ARG...]
func exitCode(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exitcode N COMMAND [ARG...]")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		coder, ok := err.(interface{ ExitCode() int })
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = coder.ExitCode()
	}
	if want, _ := strconv.Atoi(args[0]); got != want {
		ts.Fatalf("exit status %d, want %s", got, args[0])
	}
}

// checkMode checks permissions: mode 0600 FILE...
func checkMode(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args[1:] {
		info, err := os.Lstat(ts.MkAbs(name))
		ts.Check(err)
		if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
			ts.Fatalf("%s has mode %s, want %s", name, got, args[0])
		}
	}
}

// patience bounds every wait of a script; what is waited for comes far sooner.
const patience = 30 * time.Second

// waitFile waits for sockets, and for files that are not empty, or with ! for them to be gone.
func waitFile(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		waitFor(ts, "the file "+name, func() bool {
			info, err := os.Stat(ts.MkAbs(name))
			if neg {
				return os.IsNotExist(err)
			}
			return err == nil && (info.Size() > 0 || info.Mode()&os.ModeSocket != 0)
		})
	}
}

// waitMatch waits until a file has at least N lines that contain TEXT: waitmatch N TEXT FILE
func waitMatch(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	waitFor(ts, fmt.Sprintf("%q %s times in %s", args[1], args[0], args[2]), func() bool {
		b, _ := os.ReadFile(ts.MkAbs(args[2]))
		n := 0
		for line := range strings.SplitSeq(string(b), "\n") {
			if strings.Contains(line, args[1]) {
				n++
			}
		}
		return n >= want
	})
}

func waitFor(ts *testscript.TestScript, what string, ok func() bool) {
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("waited %s for %s", patience, what)
		}
	}
}

// sendSignal signals the process whose pid is in a file: signal TERM FILE
func sendSignal(ts *testscript.TestScript, _ bool, args []string) {
	pid := strings.TrimSpace(ts.ReadFile(args[1]))
	ts.Check(ts.Exec("kill", "-"+args[0], pid))
}

func stopLeaderCmd(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(stopLeader(ts.Getenv("TASKAGENT_DATA_DIR")))
}
