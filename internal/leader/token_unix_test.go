//go:build unix

package leader_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskagent/taskagent/internal/leader"
	"github.com/taskagent/taskagent/internal/leader/datadir"
)

// logBuffer is what a leader logs; it may be read meanwhile.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// leadLogged leads for a moment and returns what was logged.
func leadLogged(t *testing.T, dir string) string {
	t.Helper()
	log := new(logBuffer)
	lead(t, leader.Config{DataDir: dir, Logger: hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Info})}).end(t)
	return log.String()
}

// Whatever is wrong with the operator's token, tasks are served; the log says
// what is wrong and what to do, and what is there stays as it is.
func TestDamagedToken(t *testing.T) {
	dir := testDir(t)
	if log := leadLogged(t, dir); strings.Contains(log, "WARN") {
		t.Fatalf("a new directory: %s", log)
	}
	path := filepath.Join(dir, datadir.Token)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(content string) func() error {
		return func() error { return os.WriteFile(path, []byte(content), 0o600) }
	}
	for _, tt := range []struct {
		name       string
		put        func() error
		want, hint string
	}{
		{"missing", func() error { return nil }, "was missing and is written again: it is the same one", ""},
		{"empty", write(""), "holds no token", "remove " + path + ": the next leader writes it again"},
		{"truncated", write(string(good[:20])), "holds no token", "remove " + path},
		{"garbage", write("\x00\xff" + strings.Repeat("x", 10)), "holds no token", "remove " + path},
		{"huge", write(strings.Repeat("x", 1000)), "is larger than such a file can be", "remove " + path},
		{"another's", write("11111111-2222-4333-8444-555555555555\n"), "was deleted or never was one", "acl token create -type management"},
		{"directory", func() error { return os.Mkdir(path, 0o700) }, "is not a regular file", "remove " + path},
		{"symlink", func() error { return os.Symlink(filepath.Join(dir, datadir.Version), path) }, "is not a regular file", "remove " + path},
		{"dangling symlink", func() error { return os.Symlink("nowhere", path) }, "is not a regular file", "remove " + path},
		{"FIFO", func() error { return syscall.Mkfifo(path, 0o600) }, "is not a regular file", "remove " + path},
		{"mode", func() error {
			if err := os.WriteFile(path, good, 0o600); err != nil {
				return err
			}
			return os.Chmod(path, 0o666)
		}, "can be opened by other users", "chmod 600 " + path},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			if err := tt.put(); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Lstat(path)
			log := leadLogged(t, dir)
			if strings.Count(log, "[WARN]") != 1 || !strings.Contains(log, tt.want) || !strings.Contains(log, tt.hint) {
				t.Fatalf("log: %s", log)
			}
			if strings.Contains(log, strings.TrimSpace(string(good))) {
				t.Fatal("the token is in the log")
			}
			after, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			if before != nil && (!os.SameFile(before, after) || before.Mode() != after.Mode()) {
				t.Fatal("what was there was replaced")
			}
			if before != nil {
				// A backup is made all the same, and has the token in the store.
				if err := leader.Snapshot(within(t, time.Minute), dir, filepath.Join(t.TempDir(), "s")); err != nil {
					t.Fatal(err)
				}
				return
			}
			if again, err := os.ReadFile(path); err != nil || !bytes.Equal(again, good) || after.Mode() != 0o600 {
				t.Fatalf("written again with mode %v: %v", after.Mode(), err)
			}
		})
	}
}

// A file with secrets that other users may have read is refused, whichever of
// those that a leader needs it is.
func TestOpenFilesAreRefused(t *testing.T) {
	dir := testDir(t)
	addr := "127.0.0.1:0"
	lead(t, leader.Config{DataDir: dir, Settings: leader.Settings{HTTP: &addr}}).end(t)
	for _, name := range []string{datadir.Version, datadir.Keyring, datadir.Settings, datadir.State, datadir.Allocs} {
		path := filepath.Join(dir, name)
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		err := leader.Run(t.Context(), leader.Config{DataDir: dir})
		if err == nil || !strings.Contains(err.Error(), path) || !strings.HasSuffix(err.Error(), "can be opened by other users") {
			t.Errorf("%s: %v", name, err)
		}
		h, ok := err.(interface{ Hint() string })
		if hint := "chmod 600 " + path + ", and consider what it holds as known to others"; name != datadir.Keyring && (!ok || h.Hint() != hint) {
			t.Errorf("%s: hint of %v", name, err)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lead(t, leader.Config{DataDir: dir})
}
