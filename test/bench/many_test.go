//go:build linux

package bench_test

import (
	"os"
	"syscall"
	"testing"
	"time"
)

// BenchmarkMany starts 500 tasks at once under one leader that signs with RS256:
// how long until all run, what all of it holds, and how evenly the renewals of
// their one-hour tokens are spread over the six minutes in which they fall.
func BenchmarkMany(b *testing.B) {
	for b.Loop() {
		many(b, 500)
	}
	b.ReportMetric(0, "ns/op")
}

func many(b *testing.B, n int) {
	w := newWorld(b)
	leader := w.leader()
	began := time.Now()
	var tasks []*task
	for i := range n {
		tasks = append(tasks, w.launch("t"+itoa(i), "-ttl", "1h", "-env=false"))
	}
	for _, t := range tasks {
		t.awaitLine("up")
	}
	b.ReportMetric(time.Since(began).Seconds(), "running-s")
	time.Sleep(settle)

	agents := int64(0)
	for _, t := range tasks {
		agents += memoryOf(b, t.pid).proportional
	}
	b.ReportMetric(float64(agents)/mib, "agents-MiB")
	b.ReportMetric(float64(memoryOf(b, leader.pid).proportional)/mib, "leader-MiB")

	// In slots of half a minute.
	const slot = 30 * time.Second
	slots := map[time.Duration]float64{}
	status := w.status()
	var first time.Time
	for _, t := range status.Tasks {
		if due := t.Identities[0].NextRenewal; first.IsZero() || due.Before(first) {
			first = due
		}
	}
	for _, t := range status.Tasks {
		slots[t.Identities[0].NextRenewal.Sub(first)/slot]++
	}
	if len(status.Tasks) != n {
		b.Errorf("the leader knows %d tasks of %d", len(status.Tasks), n)
	}
	peak, mean := 0.0, float64(n)/float64(len(slots))
	for _, v := range slots {
		peak = max(peak, v)
	}
	b.ReportMetric(peak/mean, "renewals-peak/mean")
	for _, t := range tasks {
		t.signal(syscall.SIGTERM)
	}
}

// BenchmarkBinary is the size of the binary, built as a release is.
func BenchmarkBinary(b *testing.B) {
	for b.Loop() {
		for _, exe := range []string{taskagent(b), bare(b)} {
			info, err := os.Stat(exe)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(info.Size())/1e6, info.Name()+"-MB")
		}
	}
	b.ReportMetric(0, "ns/op")
}
