package taskapi_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/taskagent/taskagent/taskapi"
)

// answers are heads that upstreams send, and what clients get.
var answers = []struct {
	name, head string
	toHead     bool
	framing    string
	length     int64
	reuse      bool
	want       string // empty: as it came
}{
	{name: "as Go's server sends it", head: "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Nomad-Index: 7\r\nContent-Length: 12\r\n\r\n",
		framing: "counted", length: 12, reuse: true},
	{name: "no body", head: "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", framing: "counted", reuse: true},
	{name: "no reason", head: "HTTP/1.1 599\r\nContent-Length: 3\r\n\r\n", framing: "counted", length: 3, reuse: true},
	{name: "text beyond ASCII", head: "HTTP/1.1 200 \xc3\xa9\r\nX-A: \xc3\xa9\tb\r\nContent-Length: 3\r\n\r\n", framing: "counted", length: 3, reuse: true},
	{name: "chunked with trailers", head: "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nTrailer: X-A\r\n\r\n", framing: "chunked", reuse: true},
	{name: "until it is closed", head: "HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n", framing: "until closed"},
	{name: "old", head: "HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n",
		framing: "counted", length: 3, want: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"},
	{name: "the last", head: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: x, Close\r\nX-A: b\r\n\r\n",
		framing: "counted", length: 3, want: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-A: b\r\n\r\n"},
	{name: "for the next hop only", head: "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nconnection: X-HOP , Content-Length\r\nX-Hop: 1\r\nUpgrade: h2c\r\nProxy-Authenticate: x\r\nX-End: 1\r\nContent-Length: 3\r\n\r\n",
		framing: "counted", length: 3, reuse: true, want: "HTTP/1.1 200 OK\r\nX-End: 1\r\nContent-Length: 3\r\n\r\n"},
	{name: "to HEAD", head: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", toHead: true, framing: "none", length: 3, reuse: true},
	{name: "to HEAD, chunked", head: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\nX-A: b\r\n\r\n", toHead: true,
		framing: "none", reuse: true, want: "HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n"},
	{name: "to HEAD, no length", head: "HTTP/1.1 200 OK\r\n\r\n", toHead: true, framing: "none", reuse: true},
	{name: "unchanged", head: "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", framing: "none", length: 3, reuse: true},
	{name: "no content", head: "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n", framing: "none", reuse: true},
	{name: "no content, with a length", head: "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n",
		framing: "none", length: 3, reuse: true, want: "HTTP/1.1 204 No Content\r\n\r\n"},
	{name: "no content, chunked", head: "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
		framing: "none", reuse: true, want: "HTTP/1.1 204 No Content\r\n\r\n"},
	{name: "interim", head: "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", framing: "none", reuse: true},
}

func TestAnswerUnderstood(t *testing.T) {
	for _, test := range answers {
		t.Run(test.name, func(t *testing.T) {
			for i := range len(test.head) {
				if _, whole, err := taskapi.ParseAnswer([]byte(test.head[:i]), test.toHead); whole || err != nil {
					t.Fatalf("its first %d bytes: whole %v, %v", i, whole, err)
				}
			}
			got, whole, err := taskapi.ParseAnswer([]byte(test.head+"body"), test.toHead)
			if !whole || err != nil {
				t.Fatal(whole, err)
			}
			if got.Framing != test.framing || got.Length != test.length || got.Reuse != test.reuse || got.Size != len(test.head) {
				t.Errorf("got %+v", got)
			}
			want := test.want
			if want == "" {
				want = test.head
			}
			if got.Head != want || got.Verbatim != (test.want == "") {
				t.Errorf("verbatim %v, the client gets %q\nwant %q", got.Verbatim, got.Head, want)
			}
		})
	}
}

// malformedAnswers are heads that could be read in two ways, or in none.
var malformedAnswers = map[string]string{
	"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n":                   "malformed answer: its header Content-Length",
	"HTTP/1.1 200 OK\r\nContent-Length: 3\r\ncontent-length: 4\r\n\r\n":                   "malformed answer: its header content-length",
	"HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\n":                                       "malformed answer: its header Content-Length",
	"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n":          "malformed answer: a transfer coding beside a length or in HTTP/1.0",
	"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n":                               "malformed answer: a transfer coding beside a length or in HTTP/1.0",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n":                         "malformed answer: its header Transfer-Encoding",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n": "malformed answer: its header Transfer-Encoding",
	"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\n\r\n":                                             "malformed answer: one of its header lines is none",
	"HTTP/1.1 200 OK\r\nX-A: b\nX-B: c\r\n\r\n":                                           "malformed answer: one of its header lines is none",
	"HTTP/1.1 200 OK\r\nX-A : b\r\n\r\n":                                                  "malformed answer: one of its header lines is none",
	"HTTP/1.1 200 OK\r\nX-A: \x00\r\n\r\n":                                                "malformed answer: one of its header lines is none",
	"HTTP/1.1 200 OK\nX-A: b\r\n\r\n":                                                     "malformed answer: it begins with no status line",
	"HTTP/2.0 200 OK\r\n\r\n":                                                             "malformed answer: it begins with no status line",
	"HTTP/1.1 20 OK\r\n\r\n":                                                              "malformed answer: it begins with no status line",
	"HTTP/1.1 2000 OK\r\n\r\n":                                                            "malformed answer: it begins with no status line",
	"HTTP/1.1 099 OK\r\n\r\n":                                                             "malformed answer: it begins with no status line",
	"ICY 200 OK\r\n\r\n":                                                                  "malformed answer: it begins with no status line",
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n":                              "malformed answer: it switches protocols, which nobody asked for",
	"HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 64<<10) + "\r\n\r\n":                 "malformed answer: its head has more than 65536 bytes",
	"HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 64<<10):                              "malformed answer: its head has more than 65536 bytes",
}

func TestAnswerMalformed(t *testing.T) {
	for head, want := range malformedAnswers {
		if _, _, err := taskapi.ParseAnswer([]byte(head), false); err == nil || err.Error() != want {
			t.Errorf("%.100q: error %v, want %s", head, err, want)
		}
	}
}

// FuzzAnswer: net/http reads what a client gets in the same way as the relay reads
// what came.
func FuzzAnswer(f *testing.F) {
	for _, test := range answers {
		f.Add([]byte(test.head+"5\r\nhello\r\n0\r\n\r\n"), test.toHead)
	}
	for head := range malformedAnswers {
		f.Add([]byte(head), false)
	}
	f.Fuzz(func(t *testing.T, b []byte, toHead bool) {
		got, whole, err := taskapi.ParseAnswer(b, toHead)
		if err != nil || !whole {
			return
		}
		method := "GET"
		if toHead {
			method = "HEAD"
		}
		r, err := http.ReadResponse(bufio.NewReader(strings.NewReader(got.Head)), &http.Request{Method: method})
		if err != nil {
			t.Fatalf("net/http does not understand %q: %v", got.Head, err)
		}
		length := map[string]int64{"none": 0, "counted": got.Length, "chunked": -1, "until closed": -1}[got.Framing]
		if toHead || got.Status == 304 {
			length = r.ContentLength // says what it would be
		}
		isChunked := len(r.TransferEncoding) > 0
		if r.StatusCode != got.Status || r.ContentLength != length || isChunked != (got.Framing == "chunked") {
			t.Errorf("net/http reads %+v from %q, the relay %+v", r, got.Head, got)
		}
		for _, hop := range []string{"Connection", "Keep-Alive", "Te", "Upgrade", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization"} {
			if _, ok := r.Header[hop]; ok {
				t.Errorf("the client gets %s: %q", hop, got.Head)
			}
		}
	})
}

func TestChunkedEnd(t *testing.T) {
	for _, test := range []string{ // the bar is where the body ends
		"0\r\n\r\n|",
		"0\r\n\r\n|HTTP/1.1",
		"5\r\nhello\r\n0\r\n\r\n|",
		"00a;x=\"y\"\r\n0123456789\r\n0\r\n\r\n|more",
		"1;\r\na\r\n000\r\nX-A: b\r\nX-B:\r\n\r\n|x",
	} {
		body, more, _ := strings.Cut(test, "|")
		for step := 1; step <= len(body); step++ {
			if n, err := taskapi.ChunkedEnd([]byte(body+more), step); n != len(body) || err != nil {
				t.Fatalf("%q by %d bytes: ends at %d, %v", test, step, n, err)
			}
		}
	}
	for _, body := range []string{
		"\r\n\r\n", "x\r\n", "-1\r\n", "1 \r\n", "0x1\r\n", " 1\r\n", "1\n", "1\r1", "1\r\nab\r\n", "1\r\na\n0\r\n\r\n", "1\r\na\r0",
		"0\r\n\n", "0\r\n\rx", "0\r\nX-A: \x00\r\n\r\n", "0\r\nX-A: b\r\n c\r\n\r\n", "0\r\n: b\r\n\r\n", "0\r\nb\r\n\r\n", "1;\x00\r\n", "1000000000000000\r\n",
		"0\r\nX: " + strings.Repeat("a", 16<<10) + "\r\n\r\n", "1;" + strings.Repeat("a", 16<<10) + "\r\n",
	} {
		if n, err := taskapi.ChunkedEnd([]byte(body), len(body)); err == nil || err.Error() != "malformed answer: its chunks" {
			t.Errorf("%.50q: end %d, %v", body, n, err)
		}
	}
}

// FuzzChunkedEnd: where the relay sees the end of a chunked body, net/http sees it too.
func FuzzChunkedEnd(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\n"), 1)
	f.Add([]byte("A;x=\"y\"\r\n0123456789\r\n0\r\nX-A: b\r\n\r\nmore"), 7)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		n, err := taskapi.ChunkedEnd(b, max(1, step))
		if err != nil {
			return
		}
		in := bufio.NewReader(io.MultiReader(strings.NewReader("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), strings.NewReader(string(b))))
		r, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			// These bounds depend on sizes that are net/http's own affair.
			if s := err.Error(); strings.Contains(s, "too much non-data") || strings.Contains(s, "suspiciously long") || strings.Contains(s, "line too long") {
				return
			}
			t.Fatalf("net/http does not understand %q: %v", b[:n], err)
		}
		if rest, _ := io.ReadAll(in); string(rest) != string(b[n:]) {
			t.Errorf("of %q the relay leaves %q, net/http %q", b, b[n:], rest)
		}
	})
}
