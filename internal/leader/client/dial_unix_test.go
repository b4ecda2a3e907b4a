//go:build unix

package client_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/taskagent/taskagent/internal/fault"
	"github.com/taskagent/taskagent/internal/leader/client"
	"github.com/taskagent/taskagent/internal/leader/datadir"
)

// TestMain lets the test's program look at a directory as another user.
func TestMain(m *testing.M) {
	if dir := os.Getenv("TEST_DIAL_AS_ANOTHER"); dir != "" {
		_, err := client.Connect(context.Background(), client.Options{DataDir: dir, Start: true})
		fault.Print(os.Stdout, err)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// What is wrong with a data directory is said of the directory, with what to do.
func TestBadDirectory(t *testing.T) {
	base := t.TempDir()
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(base, strings.Repeat("x", 300))
	for _, tt := range []struct{ dir, want, hint string }{
		{file, "data directory " + file + ": is not a directory", "choose another with -data-dir"},
		{file + "/sub", "data directory " + file + "/sub: not a directory", "choose another directory with -data-dir"},
		{long, "data directory " + long + ": file name too long", "choose a directory with a path of at most "},
	} {
		_, err := client.Connect(t.Context(), client.Options{DataDir: tt.dir, Start: true})
		if err == nil || err.Error() != "connect to the leader: "+tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
		if hint := fault.HintOf(err); !strings.HasPrefix(hint, tt.hint) {
			t.Errorf("%s: hint %q", tt.want, hint)
		}
	}
}

func TestDirectoryOfAnother(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to become another user")
	}
	base, err := os.MkdirTemp("", "ta")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	if err := os.Chmod(base, 0o711); err != nil {
		t.Fatal(err)
	}
	dir, exe := filepath.Join(base, "data"), filepath.Join(base, "exe")
	if err := datadir.Ensure(dir); err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exe, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Dir, cmd.Env = "/", append(os.Environ(), "TEST_DIAL_AS_ANOTHER="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 54321, Gid: 54322}}
	out, err := cmd.Output()
	want := "taskagent: error: connect to the leader: data directory " + dir + ": belongs to another user (uid 0, we are uid 54321)\n" +
		"hint: a leader runs only as the owner of its data directory: become that user, or choose another directory with -data-dir\n"
	if err != nil || string(out) != want {
		t.Fatalf("got %q %v", out, err)
	}
}
