//go:build linux

package bench_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// sender is a connection that sends one request again and again. It does as
// little as it can: the machine is the server's.
type sender struct {
	conn    net.Conn
	request []byte
	buf     []byte
}

func dial(tb testing.TB, socket string, request []byte) *sender {
	tb.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	c := &sender{conn, request, make([]byte, 16<<10)}
	// The first answer is read with care: all the others are like it.
	if _, err := conn.Write(request); err != nil {
		tb.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		tb.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || resp.ContentLength <= 0 {
		tb.Fatalf("read from %s: %s, %d bytes announced, %v\n%s", socket, resp.Status, resp.ContentLength, err, body)
	}
	return c
}

var (
	statusOK   = []byte("HTTP/1.1 200 ")
	headEnd    = []byte("\r\n\r\n")
	lengthName = []byte("content-length:")
)

// do sends the request and reads its answer.
func (c *sender) do() error {
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	n, want := 0, -1
	for want < 0 || n < want {
		got, err := c.conn.Read(c.buf[n:])
		if err != nil {
			return err
		}
		n += got
		if want >= 0 {
			continue
		}
		if i := bytes.Index(c.buf[:n], headEnd); i >= 0 {
			if want = i + len(headEnd) + contentLength(c.buf[:i+2]); want > len(c.buf) {
				return fmt.Errorf("an answer of %d bytes", want)
			}
		}
	}
	if n != want || !bytes.HasPrefix(c.buf, statusOK) {
		return fmt.Errorf("unexpected answer: %q", c.buf[:n])
	}
	return nil
}

// contentLength returns what the head announces.
func contentLength(head []byte) int {
	for len(head) > 0 {
		line, rest, _ := bytes.Cut(head, []byte("\r\n"))
		if head = rest; len(line) > len(lengthName) && bytes.EqualFold(line[:len(lengthName)], lengthName) {
			n := 0
			for _, b := range bytes.TrimSpace(line[len(lengthName):]) {
				n = 10*n + int(b-'0')
			}
			return n
		}
	}
	return 0
}

// slice is how long a contestant's turn lasts.
const slice = 100 * time.Millisecond

// senders are connections that send at the same time.
type senders struct {
	tb  testing.TB
	all []*sender
}

func dialAll(tb testing.TB, n int, socket string, request []byte) *senders {
	tb.Helper()
	c := &senders{tb: tb}
	for range n {
		c.all = append(c.all, dial(tb, socket, request))
	}
	return c
}

// rate sends as fast as it can for a slice and returns answers a second.
func (c *senders) rate() float64 {
	return perSecond(c.tb, len(c.all), 1, func(i int) error { return c.all[i].do() })()
}

// latency sends one after the other for a slice and returns the median time in
// microseconds.
func (c *senders) latency() float64 { return medianTime(c.tb, c.all[0].do) }

// medianTime calls do again and again for a slice and returns the median time it
// takes in microseconds.
func medianTime(tb testing.TB, do func() error) float64 {
	tb.Helper()
	var all []float64
	for begin := time.Now(); time.Since(begin) < slice; {
		began := time.Now()
		if err := do(); err != nil {
			tb.Fatal(err)
		}
		all = append(all, microseconds(time.Since(began)))
	}
	return median(all)
}

// send sends n requests, shared among the connections.
func (c *senders) send(n int) {
	var wg sync.WaitGroup
	for i, conn := range c.all {
		wg.Go(func() {
			for j := i; j < n; j += len(c.all) {
				if err := conn.do(); err != nil {
					c.tb.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
