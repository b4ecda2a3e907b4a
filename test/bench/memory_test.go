//go:build linux

package bench_test

import (
	"os/exec"
	"strconv"
	"testing"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// settle is how long a process may take to come to rest before it is looked at.
const settle = 2 * time.Second

// BenchmarkAgentMemory is what an agent holds: idle, and idle again after
// 100,000 requests over 8 connections, which stay open. Ten agents are on the
// machine; the pages of the binary, which they share, count in full in rss and in
// parts in pss. Beside it a Go program that waits for a child and, where there is
// one, the Nomad client that serves a task its socket.
func BenchmarkAgentMemory(b *testing.B) {
	w := newWorld(b)
	w.leader()
	w.variables()
	other := start(b, exec.Command(bare(b), "run", "sleep", "3600"))
	var t *task
	for i := range 10 {
		t = w.start("t"+itoa(i), "-ttl", "24h")
	}
	nomad := nomadTask(b)
	for b.Loop() {
		time.Sleep(settle)
		reportMemory(b, "idle", t.pid)
		reportMemory(b, "bare", other.pid)
		if nomad != nil {
			reportMemory(b, "nomad", nomad.pid)
		}
		dialAll(b, 8, t.socket(), readRequest(variablePath, t.token())).send(100_000)
		time.Sleep(settle)
		reportMemory(b, "used", t.pid)
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkLeaderMemory is what a leader with 100 tasks holds, and what it holds
// after each of them has read a thousand times.
func BenchmarkLeaderMemory(b *testing.B) {
	w := newWorld(b)
	l := w.leader()
	w.variables()
	var tasks []*task
	for i := range 100 {
		tasks = append(tasks, w.start("t"+itoa(i), "-ttl", "24h"))
	}
	for b.Loop() {
		time.Sleep(settle)
		reportMemory(b, "idle", l.pid)
		for _, t := range tasks {
			dialAll(b, 1, t.socket(), readRequest(variablePath, t.token())).send(1000)
		}
		time.Sleep(settle)
		reportMemory(b, "used", l.pid)
	}
	b.ReportMetric(0, "ns/op")
}

func reportMemory(b *testing.B, name string, pid int) {
	m := memoryOf(b, pid)
	b.ReportMetric(float64(m.resident)/mib, name+"-rss-MiB")
	b.ReportMetric(float64(m.proportional)/mib, name+"-pss-MiB")
	b.ReportMetric(float64(m.private)/mib, name+"-private-MiB")
}
