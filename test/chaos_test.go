//go:build unix

package test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestTwentyAtOnce starts twenty agents on an empty data directory: one leader
// comes of it, and all twenty run.
func TestTwentyAtOnce(t *testing.T) {
	w := newWorld(t)
	var tasks []*task
	for i := range 20 {
		tasks = append(tasks, w.launch(fmt.Sprintf("t%d", i), []string{"-job", fmt.Sprintf("job%d", i)}))
	}
	for _, tk := range tasks {
		tk.waitReady()
	}
	for i, tk := range tasks {
		if status, body := tk.ask("GET", "/v1/vars", as(tasks[(i+1)%20].token()), ""); status != 200 {
			t.Errorf("task %d: %d %s", i, status, body)
		}
	}
	if log, _ := os.ReadFile(filepath.Join(w.dataDir, "leader.log")); strings.Count(string(log), "leading") > 1 {
		t.Errorf("more than one leader led:\n%s", log)
	}
}

// TestLeaderKilled kills the leader with SIGKILL again and again while tasks
// read and an operator writes. Nothing acknowledged is lost, every running
// task's token stays good, and no request hangs.
func TestLeaderKilled(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 8
	}
	w := newWorld(t)
	var tasks []*task
	for i := range 4 {
		tasks = append(tasks, w.start(fmt.Sprintf("t%d", i), []string{"-job", "example", "-group", "cache", "-task", fmt.Sprintf("t%d", i), "-ttl", "1h"}))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	var reads, writes atomic.Int64

	for i, tk := range tasks {
		wg.Go(func() {
			for ctx.Err() == nil {
				status, body, err := askSocket(tk.socket(), "GET", "/v1/vars", as(tk.token()), "")
				switch {
				case err != nil:
					t.Errorf("task %d: %v", i, err)
					return
				case status == 200:
					reads.Add(1)
				default:
					t.Errorf("task %d: a read was answered %d %s", i, status, body)
					return
				}
			}
		})
	}
	acknowledged := map[string]string{} // only the writer touches it until it is done
	wg.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			path := fmt.Sprintf("nomad/jobs/example/v%d", n%50)
			value := fmt.Sprint(n)
			ok, err := w.putOverLeaderSocket(path, value)
			if err != nil {
				t.Errorf("write: %v", err)
				return
			}
			if ok {
				acknowledged[path] = value
				writes.Add(1)
			} else {
				delete(acknowledged, path) // it may have been done or not
			}
		}
	})

	killed := map[int]bool{}
	for range rounds {
		before := writes.Load()
		eventually(t, "writes to go on", func() bool { return writes.Load() >= before+3 || t.Failed() })
		pid := w.leader()
		if killed[pid] {
			t.Errorf("leader %d is back from the dead", pid)
		}
		killed[pid] = true
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
	}
	before := reads.Load()
	eventually(t, "reads to go on after the last kill", func() bool { return reads.Load() > before+8 || t.Failed() })
	cancel()
	wg.Wait()

	for path, value := range acknowledged {
		if got := w.must("var", "get", "-item", "n", path); got != value {
			t.Errorf("%s is %s, acknowledged was %s", path, got, value)
		}
	}
	for i, tk := range tasks {
		if status, body := tk.ask("GET", "/v1/vars", as(tk.token()), ""); status != 200 {
			t.Errorf("task %d's token after it all: %d %s", i, status, body)
		}
	}
	t.Logf("%d kills, %d reads, %d acknowledged writes", len(killed), reads.Load(), writes.Load())
	if reads.Load() == 0 || writes.Load() == 0 {
		t.Error("nothing was read or written in between")
	}
}

// putOverLeaderSocket writes as the operator; false means that it is not known
// whether the write was done. It does not start leaders: the agents do.
func (w *world) putOverLeaderSocket(path, value string) (bool, error) {
	body, _ := json.Marshal(map[string]any{"Path": path, "Items": map[string]string{"n": value}})
	status, text, err := askSocket(filepath.Join(w.dataDir, "leader.sock"), "PUT", "/v1/var/"+path, nil, string(body))
	switch {
	case err == nil && status == 200:
		return true, nil
	case err == nil:
		return false, fmt.Errorf("%d %s", status, text)
	case errors.Is(err, context.DeadlineExceeded), os.IsTimeout(err):
		return false, fmt.Errorf("hung: %w", err)
	}
	return false, nil
}

// leader returns the pid of the leader, waiting for one.
func (w *world) leader() int {
	w.t.Helper()
	var pid int
	eventually(w.t, "a leader", func() bool { pid = leaderOf(w.dataDir); return pid != 0 })
	return pid
}

// TestLeaderStopped stops the leader with SIGSTOP for a while: requests wait or
// fail in words, none hangs for ever, and afterwards everything is as before.
func TestLeaderStopped(t *testing.T) {
	w := newWorld(t)
	tk := w.start("redis", []string{"-job", "example", "-ttl", "1h"})
	pid := w.leader()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	answers := make(chan int, 8)
	for range 8 {
		go func() {
			status, _, err := askSocket(tk.socket(), "GET", "/v1/vars", as(tk.token()), "")
			if err != nil {
				status = 0
			}
			answers <- status
		}()
	}
	time.Sleep(500 * time.Millisecond) // the pause itself is what is tested
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for range 8 {
		if status := <-answers; status != http.StatusOK {
			t.Errorf("a read during the pause: %d, want 200 once the leader goes on", status)
		}
	}
	if got := w.leader(); got != pid {
		t.Errorf("leader is %d, was %d: a pause must not make a second one", got, pid)
	}
	if status, _ := tk.ask("GET", "/v1/vars", as(tk.token()), ""); status != 200 {
		t.Errorf("the token after the pause: %d", status)
	}
}
