package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/taskagent/taskagent/internal/leader/datadir"
	"github.com/taskagent/taskagent/platform"
)

// StartError says that a leader could not be started, in its own words.
type StartError struct {
	Dir    string
	Reason string
	Advice string
}

// Error names the data directory and the leader's reason.
func (e *StartError) Error() string {
	return fmt.Sprintf("start a leader for %s: %s", e.Dir, e.Reason)
}

// Hint returns the next step for the user.
func (e *StartError) Hint() string { return e.Advice }

// startLeader starts a leader that outlives this process and waits until it
// says that it serves, or why it does not.
func startLeader(ctx context.Context, o Options) error {
	exe, err := executable(o.Exe)
	if err != nil {
		return &StartError{o.DataDir, err.Error(), ""}
	}
	// The leader runs in /.
	dir, err := filepath.Abs(o.DataDir)
	if err != nil {
		return &StartError{o.DataDir, err.Error(), ""}
	}
	said, stdout, err := os.Pipe()
	if err != nil {
		return &StartError{o.DataDir, err.Error(), ""}
	}
	defer said.Close()
	pid, err := platform.StartDetached(platform.DetachedSpec{
		Path:   exe,
		Args:   []string{exe, "leader", "-data-dir", dir, "-linger", o.Linger.String(), "-detached"},
		Env:    leaderEnv(os.Environ()),
		Dir:    rootDir(dir),
		Stdout: stdout,
	})
	stdout.Close()
	if err != nil {
		return &StartError{o.DataDir, fmt.Sprintf("execute %s: %v", exe, err), ""}
	}
	o.Logger.Debug("started a leader", "pid", pid, "data_dir", dir)
	return awaitReady(ctx, o, said)
}

// awaitReady reads what the leader says. An error of its own ends with its end.
func awaitReady(ctx context.Context, o Options, said *os.File) error {
	deadline := time.Now().Add(o.StartTimeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	_ = said.SetReadDeadline(deadline) // pipes of Windows have none; a leader there ends or gets ready too
	stop := context.AfterFunc(ctx, func() { _ = said.SetReadDeadline(time.Now()) })
	defer stop()

	logged := "see " + filepath.Join(o.DataDir, datadir.Log)
	e := &StartError{o.DataDir, "it ended without a word", logged}
	lines := bufio.NewScanner(io.LimitReader(said, 64<<10))
	for lines.Scan() {
		line := lines.Text()
		if line == "ready" {
			return nil
		}
		if reason, ok := strings.CutPrefix(line, "error: "); ok {
			e.Reason, e.Advice = reason, logged
		}
		if advice, ok := strings.CutPrefix(line, "hint: "); ok {
			e.Advice = advice
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(lines.Err(), os.ErrDeadlineExceeded) {
		e.Reason = fmt.Sprintf("it did not get ready within %v", o.StartTimeout)
	}
	return e
}

// executable returns the program to start. This one may have been replaced or
// removed since it started; Linux still knows it.
func executable(given string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find our own program: %w", err)
	}
	if _, err := os.Stat(exe); err != nil && runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	return exe, nil
}

// rootDir is a working directory that keeps no file system of the caller's busy.
func rootDir(dir string) string { return filepath.VolumeName(dir) + string(filepath.Separator) }

// leaderVars are the variables a leader may need. It gets no others: it lives
// on in an environment that was one task's, with that one's credentials.
var leaderVars = map[string]bool{
	"HOME": true, "LANG": true, "LC_ALL": true, "LOGNAME": true, "PATH": true, "TMPDIR": true, "TZ": true, "USER": true,
	"GOCOVERDIR": true, "GOGC": true, "GOMAXPROCS": true, "GOMEMLIMIT": true, "GOTRACEBACK": true,
	"LOCALAPPDATA": true, "SYSTEMROOT": true, "TEMP": true, "TMP": true, "USERPROFILE": true, "WINDIR": true,
}

func leaderEnv(environ []string) []string {
	var env []string
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		if runtime.GOOS == "windows" {
			name = strings.ToUpper(name)
		}
		if leaderVars[name] {
			env = append(env, kv)
		}
	}
	return env
}
