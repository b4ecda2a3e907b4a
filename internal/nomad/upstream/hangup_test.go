package upstream_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestUpgrade holds a connection as exec's WebSocket does: quiet for hours, then
// busy in both directions, until either side hangs up.
func TestUpgrade(t *testing.T) {
	for _, who := range []string{"client", "upstream"} {
		t.Run(who+" hangs up", inBubble(func(t *testing.T) {
			ended := make(chan error, 1)
			p := proxy(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Connection") != "Upgrade" || r.Header.Get("Upgrade") != "websocket" || r.Header.Get("Sec-Websocket-Key") != "x" {
					t.Errorf("the upstream got %v", r.Header)
				}
				conn, rw, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-Websocket-Accept: y\r\n\r\nfirst\n")
				for {
					line, err := rw.ReadString('\n')
					if err != nil {
						ended <- err
						return
					}
					if line == "bye\n" {
						return
					}
					fmt.Fprintf(conn, "echo %s", line)
				}
			})
			conn, err := p.face.dial(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprint(conn, "GET /v1/client/allocation/a/exec?task=web&command=%5B%22sh%22%5D HTTP/1.1\r\nHost: nomad\r\nX-Nomad-Token: token\r\n"+
				"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n")
			in := bufio.NewReader(conn)
			resp, err := http.ReadResponse(in, nil)
			if err != nil || resp.StatusCode != 101 || resp.Header.Get("Sec-Websocket-Accept") != "y" {
				t.Fatal(resp, err)
			}
			want := []string{"first\n"}
			for i := range 3 {
				time.Sleep(5 * time.Hour)
				fmt.Fprintf(conn, "line %d\n", i)
				want = append(want, fmt.Sprintf("echo line %d\n", i))
				for ; len(want) > 0; want = want[1:] {
					if line, err := in.ReadString('\n'); line != want[0] {
						t.Fatalf("got %q, want %q: %v", line, want[0], err)
					}
				}
			}
			if who == "client" {
				conn.Close()
				if err := <-ended; err == nil {
					t.Error("the upstream was not told")
				}
				return
			}
			fmt.Fprint(conn, "bye\n")
			if _, err := in.ReadByte(); err != io.EOF {
				t.Errorf("the client was not told: %v", err)
			}
		}))
	}
}

// TestClientHangsUp frees the upstream at once, in the middle of a stream and
// while it is waited for.
func TestClientHangsUp(t *testing.T) {
	for _, path := range []string{"/v1/event/stream", "/v1/jobs?index=7"} {
		t.Run(path, inBubble(func(t *testing.T) {
			released := make(chan time.Time, 1)
			p := proxy(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(path, "stream") {
					fmt.Fprintln(w, "{}")
					w.(http.Flusher).Flush()
				}
				<-r.Context().Done()
				released <- time.Now()
			})
			ctx, cancel := context.WithCancel(t.Context())
			hungUp := time.Now().Add(time.Minute)
			time.AfterFunc(time.Minute, cancel)
			resp, err := p.http.Do(p.request(ctx, "GET", path, nil))
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			if at := <-released; at != hungUp {
				t.Errorf("released %s later", at.Sub(hungUp))
			}
		}))
	}
}

// TestUpstreamHangsUp wants a client to see that an answer is not complete, and
// the reason where the answer had not begun.
func TestUpstreamHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := proxy(t, func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			switch r.URL.Path {
			case "/length":
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnot all")
			case "/chunked":
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nnot all\r\n")
			case "/garbage":
				_, _ = io.WriteString(conn, "what?\r\n\r\n")
			}
		})
		for _, path := range []string{"/length", "/chunked"} {
			resp := p.do(p.request(t.Context(), "GET", path, nil))
			body, err := io.ReadAll(resp.Body)
			if string(body) != "not all" || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: %q, %v", path, body, err)
			}
		}
		// A write is sent once, whatever became of it.
		for _, path := range []string{"/nothing", "/garbage"} {
			resp := p.do(p.request(t.Context(), "PUT", path, strings.NewReader("x")))
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != 502 || !strings.HasPrefix(string(body), "taskagent: the Task API's upstream cannot be reached: ") {
				t.Errorf("%s: %d %q", path, resp.StatusCode, body)
			}
		}
	})
}

// TestUpstreamDown says so, and heals by itself.
func TestUpstreamDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var back atomic.Pointer[pipes]
		p := front(t, func(ctx context.Context, addr string) (net.Conn, error) {
			if b := back.Load(); b != nil {
				return b.dial(ctx, addr)
			}
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
		}, func() {})
		const down = "taskagent: the Task API's upstream cannot be reached: dial tcp: connection refused"
		for range 3 {
			b := newPipes()
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "up") })}
			if status, body := p.get("/v1/jobs"); status != 502 || body != down {
				t.Errorf("%d %q", status, body)
			}
			go server.Serve(b)
			back.Store(b)
			if status, body := p.get("/v1/jobs"); status != 200 || body != "up" {
				t.Errorf("%d %q", status, body)
			}
			server.Close()
			back.Store(nil)
		}
	})
}
