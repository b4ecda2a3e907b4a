package taskapi_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/taskagent/taskagent/taskapi"
)

// Both ways carry the same request, a variable read with a workload identity, to
// an upstream that does nothing. Client and upstream allocate nothing either, so
// allocations are the door's own.

func BenchmarkRelay(b *testing.B) {
	benchmarkDoor(b, func(h http.Handler) http.Handler { return h })
}

func BenchmarkReverseProxy(b *testing.B) {
	benchmarkDoor(b, func(h http.Handler) http.Handler { return hidden{h} })
}

var (
	benchRequest = "GET /v1/var/nomad/jobs/web HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Go-http-client/1.1\r\nX-Nomad-Token: " +
		strings.Repeat("e", 720) + "\r\nAccept-Encoding: gzip\r\n\r\n"
	benchAnswer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Nomad-Index: 12\r\nX-Nomad-Knownleader: true\r\n" +
		"X-Nomad-Lastcontact: 0\r\nDate: Sun, 22 Nov 2026 01:59:21 GMT\r\nContent-Length: 500\r\n\r\n" + strings.Repeat("x", 500)
)

func benchmarkDoor(b *testing.B, wrap func(http.Handler) http.Handler) {
	dial := script(b, sockets, func(_ int, c *client) {
		answer := []byte(benchAnswer)
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			if err != nil || !bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
				return
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	})
	d := openHandler(b, sockets, wrap(taskapi.New(taskapi.Config{Dial: dial})))
	for _, clients := range []int{1, 8} {
		b.Run(map[int]string{1: "1 client", 8: "8 clients"}[clients], func(b *testing.B) {
			b.ReportAllocs()
			var turns atomic.Int64
			turns.Store(int64(b.N))
			done := make(chan error)
			for range clients {
				c, err := d.dial(context.Background())
				if err != nil {
					b.Fatal(err)
				}
				go func() { done <- ask(c, &turns) }()
			}
			for range clients {
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// ask sends a request for each turn and reads its answer.
func ask(c net.Conn, turns *atomic.Int64) error {
	defer c.Close()
	request := []byte(benchRequest)
	buf := make([]byte, 4096)
	for turns.Add(-1) >= 0 {
		if _, err := c.Write(request); err != nil {
			return err
		}
		for n := 0; ; {
			k, err := c.Read(buf[n:])
			if err != nil {
				return err
			}
			n += k
			if i := bytes.Index(buf[:n], []byte("\r\n\r\n")); i >= 0 && n == i+len("\r\n\r\n")+500 {
				break
			}
		}
	}
	return nil
}

func BenchmarkParseRequest(b *testing.B) {
	head := []byte(benchRequest)
	b.SetBytes(int64(len(head)))
	b.ReportAllocs()
	for b.Loop() {
		if !taskapi.ParsesRequest(head) {
			b.Fatal("not understood")
		}
	}
}
