//go:build unix

package envinject_test

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/taskagent/taskagent/envinject"
	"github.com/taskagent/taskagent/platform"
)

// record is a task that writes the name of every signal it gets to standard
// output, and ends at SIGTERM with status 7.
func record() int {
	signals := make(chan os.Signal, 128)
	platform.NotifySignals(signals)
	dropped := make(chan os.Signal, 8)
	signal.Notify(dropped, syscall.SIGCHLD, syscall.SIGTTIN, syscall.SIGTTOU)
	fmt.Println("ready")
	for {
		select {
		case sig := <-signals:
			fmt.Println(platform.SignalName(sig.(syscall.Signal)))
			if sig == syscall.SIGTERM {
				return 7
			}
		case sig := <-dropped:
			fmt.Println(platform.SignalName(sig.(syscall.Signal)))
		}
	}
}

// scripted is a directory for a test, made so that any user can enter it.
func scripted(t *testing.T, name, script string) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

// run starts a command with the test's environment and waits for its end.
func run(t *testing.T, command ...string) envinject.Exit {
	t.Helper()
	s, err := envinject.New(envinject.Config{Command: command})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Start(os.Environ()); err != nil {
		t.Fatal(err)
	}
	return ended(t, s)
}

// eventually is for what no process can announce: that another one is gone.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so after %v: %s", limit, what)
		}
	}
}
