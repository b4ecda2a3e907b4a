//go:build linux

package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/taskagent/taskagent/internal/leader/client"
)

// BenchmarkGrowth is how cost grows with tasks, identities, variables and
// policies. In all of it one connection reads one variable. Tasks are leases
// without a process around them: ten thousand agents do not fit a small machine.
func BenchmarkGrowth(b *testing.B) {
	for _, axis := range []struct {
		name string
		run  func(*testing.B, int)
		at   []int
	}{
		{"tasks", growTasks, []int{1, 10, 100, 1000, 10_000}},
		{"identities", growIdentities, []int{1, 10, 64}}, // of one task; it may have no more
		{"variables", growVariables, []int{1, 10, 100, 1000, 10_000}},
		{"policies", growPolicies, []int{1, 10, 100, 1000, 10_000}},
	} {
		for _, n := range axis.at {
			b.Run(fmt.Sprintf("%s=%d", axis.name, n), func(b *testing.B) {
				axis.run(b, n)
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// growing is a world in memory: writing ten thousand variables to a disk, each
// of them for good, would measure the disk.
func growing(b *testing.B) *world {
	b.Helper()
	dir := tempDir(b)
	if shm, err := os.MkdirTemp("/dev/shm", "tb"); err == nil {
		b.Cleanup(func() { os.RemoveAll(shm) })
		dir = shm
	}
	return &world{tb: b, dir: dir, data: filepath.Join(dir, "data")}
}

// growTasks reads as one task and as all of them in turn, and starts one more.
func growTasks(b *testing.B, n int) {
	w := growing(b)
	l := w.leader("-signing-alg", "EdDSA")
	w.variables()
	requests := make([][]byte, n)
	for i := range n {
		_, _, tokens := w.lease("t"+itoa(i), 1)
		requests[i] = readRequest(variablePath, tokens[0])
	}
	c := dial(b, w.door(), requests[0])
	turn := 0
	any := func() error {
		turn++
		c.request = requests[turn%n]
		return c.do()
	}
	for b.Loop() {
		b.ReportMetric(medianTime(b, c.do), "read-µs")
		for range n { // everybody has been here once
			if err := any(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(medianTime(b, any), "read-as-any-µs")
		var starts []float64
		for range rounds {
			began := time.Now()
			extra, _, _ := w.lease("extra", 1)
			starts = append(starts, microseconds(time.Since(began)))
			_ = extra.End(b.Context())
		}
		b.ReportMetric(median(starts), "start-µs")
	}
	b.ReportMetric(float64(memoryOf(b, l.pid).resident)/mib, "leader-MiB")
}

// growIdentities starts and renews a task with so many identities.
func growIdentities(b *testing.B, n int) {
	w := growing(b)
	w.leader("-signing-alg", "EdDSA")
	var starts, renewals []float64
	for b.Loop() {
		began := time.Now()
		l, names, _ := w.lease("t", n)
		starts = append(starts, microseconds(time.Since(began)))
		began = time.Now()
		if _, err := l.Sign(b.Context(), names...); err != nil {
			b.Fatal(err)
		}
		renewals = append(renewals, microseconds(time.Since(began)))
		_ = l.End(b.Context())
	}
	b.ReportMetric(median(starts), "start-µs")
	b.ReportMetric(median(renewals), "renew-µs")
}

// growVariables reads one of so many variables, writes one, lists those of a
// task, and starts a leader on them.
func growVariables(b *testing.B, n int) {
	w := growing(b)
	l := w.leader("-signing-alg", "EdDSA")
	w.variables()
	op := w.operator()
	for i := range n {
		path := fmt.Sprintf("nomad/jobs/job%d/group", i)
		op.put("/v1/var/"+path, variable(path))
	}
	_, _, tokens := w.lease("t", 1)
	read := dialAll(b, 1, w.door(), readRequest(variablePath, tokens[0]))
	list := dialAll(b, 1, w.door(), fmt.Appendf(nil, "GET /v1/vars?prefix=nomad/jobs/example HTTP/1.1\r\nHost: x\r\nX-Nomad-Token: %s\r\n\r\n", tokens[0]))
	for b.Loop() {
		b.ReportMetric(read.latency(), "read-µs")
		b.ReportMetric(list.latency(), "list-own-µs")
		b.ReportMetric(medianTime(b, func() error {
			op.put("/v1/var/"+variablePath, variable(variablePath))
			return nil
		}), "write-µs")
	}
	b.ReportMetric(float64(memoryOf(b, l.pid).resident)/mib, "leader-MiB")
	w.reopen(l)
}

// growPolicies reads with so many policies, one of them the reader's, and reads
// once more right after one of them has changed.
func growPolicies(b *testing.B, n int) {
	w := growing(b)
	l := w.leader("-signing-alg", "EdDSA")
	w.variables()
	op := w.operator()
	put := func(i int) {
		op.put(fmt.Sprintf("/v1/acl/policy/p%d", i), map[string]any{
			"Name":   fmt.Sprintf("p%d", i),
			"Rules":  fmt.Sprintf(`namespace "default" { variables { path "team%d/*" { capabilities = ["read", "list"] } } }`, i),
			"JobACL": map[string]string{"Namespace": "default", "JobID": fmt.Sprintf("job%d", i)},
		})
	}
	for i := range n {
		put(i)
	}
	_, _, tokens := w.lease("t", 1)
	read := dialAll(b, 1, w.door(), readRequest(variablePath, tokens[0]))
	for b.Loop() {
		b.ReportMetric(read.latency(), "read-µs")
		var after []float64
		for range rounds {
			put(0)
			began := time.Now()
			read.send(1)
			after = append(after, microseconds(time.Since(began)))
		}
		b.ReportMetric(median(after), "read-after-change-µs")
	}
	b.ReportMetric(float64(memoryOf(b, l.pid).resident)/mib, "leader-MiB")
	w.reopen(l)
}

// variable is what is stored at a path.
func variable(path string) map[string]any {
	return map[string]any{"Path": path, "Items": map[string]string{"user": "app", "password": "s3cret"}}
}

// reopen gives the time from starting a leader on what is there until it serves.
func (w *world) reopen(l *process) {
	b := w.tb.(*testing.B)
	var starts []float64
	for range rounds {
		l.stop()
		began := time.Now()
		l = w.leader()
		starts = append(starts, milliseconds(time.Since(began)))
	}
	b.ReportMetric(median(starts), "leader-start-ms")
}

// operator calls the API as whoever owns the data directory.
type operator struct {
	tb   testing.TB
	http *http.Client
}

func (w *world) operator() *operator {
	w.tb.Helper()
	c, err := client.HTTP(context.Background(), client.Options{DataDir: w.data})
	if err != nil {
		w.tb.Fatal(err)
	}
	return &operator{w.tb, c}
}

func (o *operator) put(path string, body any) {
	o.tb.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		o.tb.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPut, "http://localhost"+path, bytes.NewReader(data))
	if err != nil {
		o.tb.Fatal(err)
	}
	resp, err := o.http.Do(req)
	if err != nil {
		o.tb.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		o.tb.Fatalf("PUT %s: %s: %s", path, resp.Status, answer)
	}
}
