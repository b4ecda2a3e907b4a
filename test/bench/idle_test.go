//go:build linux

package bench_test

import (
	"testing"
	"time"
)

// idleWatch is how long idle agents are watched: an agent may wake once a minute.
const idleWatch = time.Minute

// BenchmarkIdle watches 200 agents with nothing to do for a minute: what they
// and their leader take of a core, and how often an agent wakes. One waking is
// many switches of threads: the Go runtime's monitor looks after what woke until
// it has gone to sleep again. Of the tokens a hundred live for a day and a
// hundred for ever.
func BenchmarkIdle(b *testing.B) {
	w := newWorld(b)
	leader := w.leader("-signing-alg", "EdDSA")
	var tasks []*task
	for i := range 200 {
		ttl := "0s"
		if i%2 == 0 {
			ttl = "24h"
		}
		tasks = append(tasks, w.launch("t"+itoa(i), "-ttl", ttl, "-env=false"))
	}
	for _, t := range tasks {
		t.awaitLine("up")
	}
	time.Sleep(20 * time.Second) // deadlines of the start, not needed any more, wake an agent once
	for b.Loop() {
		began, leading := time.Now(), activityOf(b, leader.pid)
		cpu, wakings, switches := watchIdle(b, tasks)
		took, led := time.Since(began), activityOf(b, leader.pid).since(leading)
		perAgentMinute := 1 / took.Minutes() / float64(len(tasks))
		b.ReportMetric(100*cpu.Seconds()/took.Seconds(), "agents-cpu-%")
		b.ReportMetric(100*led.cpu.Seconds()/took.Seconds(), "leader-cpu-%")
		b.ReportMetric(float64(wakings)*perAgentMinute, "wakings/agent/min")
		b.ReportMetric(float64(switches)*perAgentMinute, "switches/agent/min")
	}
	b.ReportMetric(0, "ns/op")
}

// watchIdle looks at every agent once a second for a while. An agent whose
// threads switched in a second has woken, unless it was awake the second before.
func watchIdle(b *testing.B, tasks []*task) (cpu time.Duration, wakings, switches int64) {
	last := make([]activity, len(tasks))
	awake := make([]bool, len(tasks))
	for i, t := range tasks {
		last[i] = activityOf(b, t.pid)
	}
	for end := time.Now().Add(idleWatch); time.Now().Before(end); {
		time.Sleep(time.Second)
		for i, t := range tasks {
			now := activityOf(b, t.pid)
			did := now.since(last[i])
			last[i] = now
			cpu += did.cpu
			switches += did.switches
			if did.switches > 0 && !awake[i] {
				wakings++
			}
			awake[i] = did.switches > 0
		}
	}
	return cpu, wakings, switches
}
