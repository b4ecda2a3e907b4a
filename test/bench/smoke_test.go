//go:build linux

package bench_test

import (
	"os"
	"testing"
	"time"
)

// TestSmoke keeps the parts of the benchmarks from rotting: `go test ./...` runs
// none of them.
func TestSmoke(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT RUN: it builds the binary as a release is built, and -short was given")
	}
	w := newWorld(t)
	l := w.leader()
	w.variables()
	tk := w.start("reader", "-ttl", "1h", "-env=false")
	request := readRequest(variablePath, tk.token())
	for name, socket := range map[string]string{
		"agent": tk.socket(), "door": w.door(), "nginx": nginx(t, w.door()), "haproxy": haproxy(t, w.door()),
		"reverseproxy": reverseProxy(t, w.door()), "bare": bareServer(t, "{}"),
	} {
		if socket != "" {
			dialAll(t, 2, socket, request).send(10)
		}
		t.Logf("%s is at %q", name, socket)
	}
	if m := memoryOf(t, tk.pid); m.resident <= 0 || m.resident < m.proportional || m.private <= 0 && os.Geteuid() == 0 {
		t.Errorf("memory of the agent: %+v", m)
	}
	if a := activityOf(t, l.pid); a.cpu <= 0 || a.switches <= 0 {
		t.Errorf("activity of the leader: %+v", a)
	}
	if s := w.status(); len(s.Tasks) != 1 || s.Tasks[0].Identities[0].NextRenewal.IsZero() {
		t.Errorf("status: %+v", s)
	}
	lease, names, tokens := w.lease("other", 3)
	if signed, err := lease.Sign(t.Context(), names...); err != nil || len(signed) != len(tokens) {
		t.Errorf("signed %d of %d: %v", len(signed), len(tokens), err)
	}
}

// TestSimulation is the schedule of a few tasks: each renews twice in its hour,
// and no minute has many times its share.
func TestSimulation(t *testing.T) {
	sim := simulate(t, 3600, time.Hour, 4*time.Hour)
	if mean := sim.mean(); mean < 1.9 || mean > 2.1 {
		t.Errorf("3600 tasks renew %.2f times a second, want 2", mean)
	}
	if u := sim.unevenness(2*time.Hour, 4*time.Hour); u > 1.5 {
		t.Errorf("the busiest minute has %.2f times the mean", u)
	}
}

// TestMissingPeer: a peer that is not installed is left out, and said to be.
func TestMissingPeer(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if got := installed("no-such-proxy"); got != "" {
		t.Errorf("found %q", got)
	}
	if _, said := missing.Load("no-such-proxy"); !said {
		t.Error("nobody was told")
	}
}
