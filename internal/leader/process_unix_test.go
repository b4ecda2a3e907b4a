//go:build unix

package leader_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/taskagent/taskagent/internal/leader"
	"github.com/taskagent/taskagent/internal/leader/client"
	"github.com/taskagent/taskagent/internal/leader/datadir"
	"github.com/taskagent/taskagent/internal/wire"
)

func who(t *testing.T, dir string) wire.Leader {
	t.Helper()
	l, err := client.Who(within(t, 30*time.Second), dir)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// endLeader ends whatever process leads dir, at the end of the test.
func endLeader(t *testing.T, dir string) {
	t.Cleanup(func() {
		l, err := client.Who(context.Background(), dir)
		if err == nil && l.PID != os.Getpid() {
			_ = syscall.Kill(l.PID, syscall.SIGCONT)
			_ = syscall.Kill(l.PID, syscall.SIGTERM)
		}
	})
}

// Twenty agents that find nobody start one leader between them.
func TestTwentyAtOnce(t *testing.T) {
	dir := testDir(t)
	endLeader(t, dir)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			l, _, err := client.Start(ctx, client.Options{DataDir: dir, Start: true}, task("t"))
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(l.Close)
		})
	}
	wg.Wait()
	s, err := client.Status(within(t, time.Minute), dir)
	if err != nil || len(s.Tasks) != 20 {
		t.Fatalf("%+v %v", s, err)
	}
	log, err := os.ReadFile(filepath.Join(dir, datadir.Log))
	if err != nil || strings.Count(string(log), "leading: ") != 1 {
		t.Fatalf("leaders in the log: %s %v", log, err)
	}
}

// The agents of a leader that dies start another, and no task notices.
func TestKilledLeader(t *testing.T) {
	dir := testDir(t)
	endLeader(t, dir)
	var leases []*client.Lease
	for range 5 {
		l, _ := start(t, dir, task("t"), true)
		leases = append(leases, l)
	}
	for range 3 {
		old := who(t, dir)
		if err := syscall.Kill(old.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for _, l := range leases {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if _, err := l.Sign(ctx, "default"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if now := who(t, dir); now.PID == old.PID {
			t.Fatalf("the dead leader %d leads", now.PID)
		}
		s, err := client.Status(within(t, time.Minute), dir)
		if err != nil || len(s.Tasks) != 5 {
			t.Fatalf("%+v %v", s, err)
		}
		for _, task := range s.Tasks {
			if task.State != "running" {
				t.Fatalf("%+v", task)
			}
		}
	}
}

// A leader that is stopped makes nobody hang, nobody start another, and gives
// nothing up when it goes on.
func TestStoppedLeader(t *testing.T) {
	dir := testDir(t)
	endLeader(t, dir)
	l, _ := start(t, dir, task("t"), true)
	pid := who(t, dir).PID
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// The signal takes its time to reach all threads.
	for range 100 {
		var err error
		if _, err = l.Sign(within(t, 200*time.Millisecond), "default"); errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil {
			t.Fatalf("sign: %v", err)
		}
	}
	if _, _, err := client.Start(within(t, 200*time.Millisecond), client.Options{DataDir: dir, Start: true}, task("u")); err == nil {
		t.Error("a stopped leader started a task")
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Sign(within(t, time.Minute), "default"); err != nil {
		t.Fatal(err)
	}
	if now := who(t, dir); now.PID != pid {
		t.Fatalf("%d leads in place of %d", now.PID, pid)
	}
}

// A leader that cannot start says why, in its own words.
func TestLeaderCannotStart(t *testing.T) {
	dir := testDir(t)
	r := lead(t, leader.Config{DataDir: dir})
	r.end(t)
	if err := os.WriteFile(filepath.Join(dir, datadir.Keyring), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := client.Start(within(t, time.Minute), client.Options{DataDir: dir, Start: true}, task("t"))
	e, ok := errors.AsType[*client.StartError](err)
	if !ok || err.Error() != `start task "t": start a leader for `+dir+": open keyring "+dir+"/keyring.json: damaged: not complete JSON" || !strings.Contains(e.Hint(), "backup") {
		t.Fatalf("%v", err)
	}
	_, _, err = client.Start(within(t, time.Minute), client.Options{DataDir: dir, Start: true, Exe: "/bin/true"}, task("t"))
	if e, ok = errors.AsType[*client.StartError](err); !ok || e.Reason != "it ended without a word" || e.Hint() != "see "+dir+"/leader.log" {
		t.Fatalf("%v", err)
	}
	_, _, err = client.Start(within(t, time.Minute), client.Options{DataDir: dir, Start: true, Exe: "/no/such"}, task("t"))
	if e, ok = errors.AsType[*client.StartError](err); !ok || !strings.HasPrefix(e.Reason, "execute /no/such: ") {
		t.Fatalf("%v", err)
	}
}

// Root may use another user's leader, but must not become it.
func TestRootLeavesOthersAlone(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give a directory away")
	}
	dir := testDir(t)
	if err := datadir.Ensure(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, 4242, 4242); err != nil {
		t.Fatal(err)
	}
	want := "data directory " + dir + ": belongs to another user (uid 4242, we are uid 0)"
	_, _, err := client.Start(within(t, time.Minute), client.Options{DataDir: dir, Start: true}, task("t"))
	if err == nil || err.Error() != `start task "t": `+want {
		t.Fatalf("client: %v", err)
	}
	if err := leader.Run(t.Context(), leader.Config{DataDir: dir}); err == nil || err.Error() != want {
		t.Fatalf("leader: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 0 {
		t.Fatalf("left behind: %v %v", entries, err)
	}
}
