package taskapi_test

import (
	"strings"
	"testing"

	"github.com/taskagent/taskagent/taskapi"
)

// bigBody is more than the relay holds at once.
var bigBody = strings.Repeat("0123456789abcdef", 20000)

// exchanges are answers, in the pieces an upstream sends them in, and what the
// client receives of them.
var exchanges = []struct {
	name, method string
	pieces       []string // "" is the end of the connection
	want         string   // empty: all pieces
	ends         bool     // the client's connection
	reused       bool     // the upstream's connection
}{
	{name: "counted", pieces: []string{"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 5\r\n\r\nhello"}, reused: true},
	{name: "counted, in pieces", pieces: []string{"HT", "TP/1.1 200 OK\r\nContent-Le", "ngth: 5\r\n\r", "\nhe", "llo"}, reused: true},
	{name: "counted and large", pieces: []string{"HTTP/1.1 200 OK\r\nContent-Length: 320000\r\n\r\n" + bigBody}, reused: true},
	{name: "large head", pieces: []string{"HTTP/1.1 200 OK\r\nX-A: " + bigBody[:60000] + "\r\nContent-Length: 2\r\n\r\nok"}, reused: true},
	{name: "large head, changed", pieces: []string{"HTTP/1.1 200 OK\r\nX-A: " + bigBody[:60000] + "\r\nKeep-Alive: 1\r\nContent-Length: 2\r\n\r\nok"},
		want: "HTTP/1.1 200 OK\r\nX-A: " + bigBody[:60000] + "\r\nContent-Length: 2\r\n\r\nok", reused: true},
	{name: "empty", pieces: []string{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}, reused: true},
	{name: "chunked", pieces: []string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n", "5", "\r", "\nworld", "\r\n0\r\n", "\r\n"}, reused: true},
	{name: "chunked with trailers", pieces: []string{"HTTP/1.1 200 OK\r\nTrailer: X-A\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-A: b\r\n\r\n"}, reused: true},
	{name: "chunked and large", pieces: []string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4e200\r\n" + bigBody + "\r\n0\r\n\r\n"}, reused: true},
	{name: "until closed", pieces: []string{"HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nhel", "lo", ""},
		want: "HTTP/1.1 200 OK\r\nX-A: b\r\nConnection: close\r\n\r\nhello", ends: true},
	{name: "no content", pieces: []string{"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n"}, reused: true},
	{name: "unchanged", pieces: []string{"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"}, reused: true},
	{name: "to HEAD", method: "HEAD", pieces: []string{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"}, reused: true},
	{name: "interim", pieces: []string{"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"}, reused: true},
	{name: "the upstream's last", pieces: []string{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"},
		want: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
	{name: "old", pieces: []string{"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"}, want: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
	{name: "more than it said", pieces: []string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother"},
		want: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
	{name: "a body where there is none", method: "HEAD", pieces: []string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
		want: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"},
	{name: "counted, cut short", pieces: []string{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", ""},
		want: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", ends: true},
	{name: "chunked, cut short", pieces: []string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", ""},
		want: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", ends: true},
}

func TestReply(t *testing.T) {
	for _, test := range exchanges {
		t.Run(test.name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, n network) {
				exchange(t, n, test.method, test.pieces, test.want, test.ends, test.reused)
			})
		})
	}
}

func exchange(t *testing.T, n network, method string, pieces []string, want string, ends, reused bool) {
	const second = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond"
	seen := make(chan int, 10)
	d := open(t, n, taskapi.Config{RetryFor: -1, Dial: script(t, n, func(i int, c *client) {
		for c.request() != "" {
			seen <- i
			if len(seen) > 1 || i > 0 {
				c.send(second)
				continue
			}
			for _, p := range pieces {
				if p == "" {
					return
				}
				c.send(p)
			}
		}
	})})
	if method == "" {
		method = "GET"
	}
	if want == "" {
		want = strings.Join(pieces, "")
	}
	c := d.connect(t)
	go c.send(method + " /1 HTTP/1.1\r\nHost: x\r\n" + token + "\r\n")
	c.want(want)
	if ends {
		c.wantEnd()
		c = d.connect(t)
	}
	go c.send(get("/2"))
	c.want(second)
	if first, then := waitFor(t, "the first request", seen), waitFor(t, "the second", seen); first != 0 || (then == 0) != reused {
		t.Errorf("the requests came on connections %d and %d of the upstream's", first, then)
	}
	if d.byNetHTTP.Load() != 0 {
		t.Error("net/http got the connection")
	}
}

// Once an answer has begun, a fault can be told only by the end of the connection.
func TestReplyBecomesMalformed(t *testing.T) {
	onBoth(t, func(t *testing.T, n network) {
		const begin = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
		begun := make(chan struct{})
		d := open(t, n, taskapi.Config{Dial: script(t, n, func(_ int, c *client) {
			c.request()
			c.send(begin)
			<-begun
			c.send("x\r\n")
		})})
		c := d.connect(t)
		go c.send(get("/"))
		c.want(begin)
		close(begun)
		c.wantEnd()
		if n := d.IdleUpstreams(); n != 0 {
			t.Errorf("%d connections to the upstream were kept", n)
		}
	})
}

// An answer that cannot be understood is a fault of the upstream's, and is not
// asked for twice.
func TestReplyMalformed(t *testing.T) {
	onBoth(t, func(t *testing.T, n network) {
		for answer, want := range map[string]string{
			"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n": "its header Content-Length",
			"SSH-2.0-OpenSSH\r\n\r\n":                                     "it begins with no status line",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n": "its chunks",
			strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 16):        "it has more than 16 interim heads",
		} {
			asked := make(chan int, 10)
			d := open(t, n, taskapi.Config{Dial: script(t, n, func(i int, c *client) {
				for c.request() != "" {
					asked <- i
					c.send(answer)
				}
			})})
			c := d.connect(t)
			for range 2 {
				go c.send(get("/"))
				if strings.HasPrefix(answer, "HTTP/1.1 103") {
					c.want(answer)
				}
				c.wantAnswer(502, "taskagent: the Task API's upstream cannot be reached: malformed answer: "+want)
			}
			if len(asked) != 2 {
				t.Errorf("%q: asked %d times", answer, len(asked))
			}
		}
	})
}
