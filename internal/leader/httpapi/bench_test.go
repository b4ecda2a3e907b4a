package httpapi_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/taskagent/taskagent/internal/leader/state"
)

func benchWorld(b *testing.B, variables int) (*world, string) {
	w := newWorld(b)
	for i := range variables {
		w.must("PUT", fmt.Sprintf("/v1/var/nomad/jobs/bench/%04d", i), obj{"Items": obj{"user": "app", "password": "s3cret"}})
	}
	w.must("PUT", "/v1/var/nomad/jobs/bench", obj{"Items": obj{"user": "app", "password": "s3cret"}})
	token := w.start(state.Task{Job: "bench", Group: "g", Task: "t"})
	b.ReportAllocs()
	return w, token
}

// discard is a response that goes nowhere.
type discard struct {
	h      http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(code int)        { d.status = code }

func benchHandler(b *testing.B, h http.Handler, token, path string) {
	b.RunParallel(func(pb *testing.PB) {
		r := httptest.NewRequest("GET", path, nil)
		r.Body = http.NoBody
		r.Header.Set("X-Nomad-Token", token)
		for pb.Next() {
			d := discard{h: make(http.Header, 8)}
			h.ServeHTTP(&d, r)
			if d.status != 200 {
				b.Fatalf("status %d", d.status)
			}
		}
	})
}

// BenchmarkRead is one variable read by a workload, without the network.
func BenchmarkRead(b *testing.B) {
	w, token := benchWorld(b, 100)
	benchHandler(b, w.task, token, "/v1/var/nomad/jobs/bench")
}

// BenchmarkReadACLToken is the same with an ACL token.
func BenchmarkReadACLToken(b *testing.B) {
	w, _ := benchWorld(b, 100)
	benchHandler(b, w.task, w.mgmt, "/v1/var/nomad/jobs/bench")
}

// BenchmarkList is a list of 1000 variables.
func BenchmarkList(b *testing.B) {
	w, _ := benchWorld(b, 1000)
	benchHandler(b, w.task, w.mgmt, "/v1/vars")
}

// BenchmarkReadSocket is a variable read by a workload over a Unix socket; the
// clients share the machine with the server.
func BenchmarkReadSocket(b *testing.B) {
	w, token := benchWorld(b, 100)
	path := strings.TrimPrefix(serve(b, w.task, "unix"), "unix://")
	client := &http.Client{Transport: &http.Transport{
		DialContext:         func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) },
		MaxIdleConnsPerHost: 64,
	}}
	var n atomic.Int64
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		r, _ := http.NewRequest("GET", "http://nomad/v1/var/nomad/jobs/bench", nil)
		r.Header.Set("X-Nomad-Token", token)
		for pb.Next() {
			resp, err := client.Do(r)
			if err != nil {
				b.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode != 200 {
				b.Fatalf("status %d", resp.StatusCode)
			}
			n.Add(1)
		}
	})
	b.ReportMetric(float64(n.Load())/b.Elapsed().Seconds(), "reads/s")
}
