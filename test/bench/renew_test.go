//go:build linux

package bench_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/taskagent/taskagent/internal/wire"
	"github.com/taskagent/taskagent/secretsdir"
)

// BenchmarkRenewed is the time from a renewed token's leaving the leader until a
// reader in the task has it: one who reads the file when the system tells of its
// change, and one who leaves that to package secretsdir. Ten tasks renew twice a
// second each.
func BenchmarkRenewed(b *testing.B) {
	for _, r := range []struct {
		name string
		read func(*task) <-chan string
	}{{"file", readFile}, {"watcher", readWatcher}} {
		b.Run("reader="+r.name, func(b *testing.B) {
			w := newWorld(b)
			w.leader("-signing-alg", "EdDSA")
			seen := make(chan time.Duration)
			for i := range 10 {
				w.renewing("t"+itoa(i), r.read, seen)
			}
			var all []float64
			for b.Loop() {
				for range 60 {
					select {
					case d := <-seen:
						all = append(all, milliseconds(d))
					case <-time.After(time.Minute):
						b.Fatal("nothing is renewed")
					}
				}
			}
			b.ReportMetric(median(all), "visible-ms")
			b.ReportMetric(quantile(all, 0.95), "visible-p95-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// readFile returns tokens as they come to be in the task's file.
func readFile(t *task) <-chan string {
	t.tb.Helper()
	watch, err := fsnotify.NewWatcher()
	if err == nil {
		err = watch.Add(t.secrets)
	}
	if err != nil {
		t.tb.Fatal(err)
	}
	t.tb.Cleanup(func() { watch.Close() })
	tokens := make(chan string)
	go func() {
		defer close(tokens)
		for ev := range watch.Events {
			if ev.Name == t.tokenFile() && ev.Has(fsnotify.Create) {
				if data, err := os.ReadFile(ev.Name); err == nil {
					tokens <- string(data)
				}
			}
		}
	}()
	return tokens
}

// readWatcher does the same with package secretsdir.
func readWatcher(t *task) <-chan string {
	t.tb.Helper()
	watch, err := secretsdir.Watch(t.tb.Context(), t.tokenFile())
	if err != nil {
		t.tb.Fatal(err)
	}
	return watch.C()
}

// renewing starts a task whose token lives for a second, with a relay between
// its agent and the leader that notes when new tokens pass.
func (w *world) renewing(name string, read func(*task) <-chan string, seen chan<- time.Duration) {
	w.tb.Helper()
	var signed atomic.Int64 // when, in nanoseconds since 1970
	dir := tempDir(w.tb)
	l, err := net.Listen("unix", filepath.Join(dir, wire.LeaderSocket))
	if err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(func() { l.Close() })
	go func() {
		for {
			agent, err := l.Accept()
			if err != nil {
				return
			}
			go relay(agent, filepath.Join(w.data, wire.LeaderSocket), &signed)
		}
	}()
	t := w.start(name, "-ttl", "1s", "-env=false", "-data-dir", dir)
	tokens := read(t)
	go func() {
		for range tokens {
			if at := signed.Swap(0); at != 0 {
				select {
				case seen <- time.Since(time.Unix(0, at)):
				case <-w.tb.Context().Done():
					return
				}
			}
		}
	}()
}

// relay passes on what both sides say, line by line from the leader.
func relay(agent net.Conn, leaderSocket string, signed *atomic.Int64) {
	defer agent.Close()
	leader, err := net.Dial("unix", leaderSocket)
	if err != nil {
		return
	}
	defer leader.Close()
	go func() { _, _ = io.Copy(leader, agent) }()
	for r := bufio.NewReader(leader); ; {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return
		}
		if bytes.Contains(line, []byte(`"signed":`)) {
			signed.Store(time.Now().UnixNano())
		}
		if _, err := agent.Write(line); err != nil {
			return
		}
	}
}
