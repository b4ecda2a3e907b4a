package taskapi_test

import (
	"bufio"
	"bytes"
	"errors"

	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taskagent/taskagent/taskapi"
)

// twoWays are the relay and net/http in front of the same upstream.
type twoWays struct {
	relay, plain *door
	// asked gets what the upstream saw of each request.
	asked chan string
}

// hidden has a Server not see that a handler could be relayed.
type hidden struct{ http.Handler }

func openTwoWays(t testing.TB) *twoWays {
	w := &twoWays{asked: make(chan string, 100)}
	dial := serveHTTP(t, sockets, func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // when that is noticed is a matter of time
		}
		w.asked <- fmt.Sprintf("%s %s %s %s %d %v, %d bytes, CRC %x", r.Method, r.RequestURI, r.Host, headers(r.Header), r.ContentLength, r.TransferEncoding, len(body), crc32.ChecksumIEEE(body))
		reply(rw, r)
	})
	cfg := taskapi.Config{Dial: dial, RetryFor: -1}
	w.relay = open(t, sockets, cfg)
	w.plain = openHandler(t, sockets, hidden{taskapi.New(cfg)})
	return w
}

// reply answers in the way that the path asks for.
func reply(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/chunked":
		w.Header().Set("Trailer", "X-End")
		io.WriteString(w, "one")
		http.NewResponseController(w).Flush()
		io.WriteString(w, "two")
		w.Header().Set("X-End", "1")
	case "/none":
		w.WriteHeader(204)
	case "/same":
		w.Header().Set("Etag", "x")
		w.WriteHeader(304)
	case "/hints":
		w.Header().Set("Link", "</a>")
		w.WriteHeader(103)
		io.WriteString(w, "hinted")
	case "/last":
		w.Header().Set("Connection", "close")
		io.WriteString(w, "last")
	case "/untyped":
		w.Header()["Content-Type"] = nil
		io.WriteString(w, "<html>")
	case "/hop":
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
		w.Header().Set("Keep-Alive", "timeout=1")
	case "/missing":
		w.Header().Set("X-Nomad-Index", "7")
		w.WriteHeader(404)
	case "/large":
		io.WriteString(w, strings.Repeat("large", 50000))
	}
}

func headers(h http.Header) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(h)) {
		out = append(out, fmt.Sprintf("%s: %q", name, h[name]))
	}
	return strings.Join(out, "; ")
}

// run sends bytes through d and says what came back, and what the upstream saw.
// Each string is sent after an answer to the one before. The connection has to end
// by itself: the last request says so.
func (w *twoWays) run(t testing.TB, d *door, method string, sent ...string) string {
	t.Helper()
	c, err := d.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	go io.WriteString(c, sent[0])
	var out bytes.Buffer
	in := bufio.NewReader(c)
	for {
		if _, err := in.Peek(1); err != nil {
			break
		}
		r, err := http.ReadResponse(in, &http.Request{Method: method})
		if err != nil {
			fmt.Fprintln(&out, "no answer")
			break
		}
		body, err := io.ReadAll(r.Body)
		// Whether a body whose length was not said is chunked or ends with the
		// connection is for each hop to choose; so is the date of an answer without.
		r.Header.Del("Date")
		if len(body) > 1000 {
			body = fmt.Appendf(body[:10], "… %d bytes, CRC %x", len(body), crc32.ChecksumIEEE(body))
		}
		fmt.Fprintf(&out, "answer %d %s %q, whole %v; trailers %s\n", r.StatusCode, headers(r.Header), body, !errors.Is(err, io.ErrUnexpectedEOF), headers(r.Trailer))
		if r.StatusCode >= 200 && len(sent) > 1 {
			sent = sent[1:]
			go io.WriteString(c, sent[0])
		}
	}
	for len(w.asked) > 0 {
		fmt.Fprintln(&out, "asked", <-w.asked)
	}
	return out.String()
}

func (w *twoWays) compare(t testing.TB, method string, sent ...string) {
	t.Helper()
	relay, plain := w.run(t, w.relay, method, sent...), w.run(t, w.plain, method, sent...)
	if relay != plain {
		t.Errorf("%.600q\nthe relay:\n%.2000s\nnet/http:\n%.2000s", sent, relay, plain)
	}
}

// tail completes a last request that says wrong things about its body. It is not
// long because a connection that is closed before all was read may lose answers.
const tail = "0\r\n\r\nxxx"

// TestTwoWaysAgree sends what the grammar's tests are made of.
func TestTwoWaysAgree(t *testing.T) {
	w := openTwoWays(t)
	last := func(head string) (string, bool) {
		if strings.Contains(strings.ToLower(head), "connection:") || !strings.HasSuffix(head, "\r\n\r\n") {
			return head, false
		}
		return strings.TrimSuffix(head, "\r\n") + "Connection: close\r\n\r\n", true
	}
	for _, test := range understood {
		if head, ok := last(strings.Replace(test.head, "\r\n", "\r\n"+token, 1)); ok {
			w.compare(t, test.want.Method, head+strings.Repeat("b", test.want.Length))
		}
	}
	for name, head := range foreign {
		switch name {
		case "expectation":
			continue // whether it is answered once or by every hop is a matter of time
		case "length beyond the bound":
			continue // see TestRelayHandsOver
		}
		// With and without a token: the gate stands in both ways.
		if head, ok := last(head); ok {
			w.compare(t, "GET", head+tail)
			w.compare(t, "GET", strings.Replace(head, "\r\n", "\r\n"+token, 1)+tail)
		}
	}
}

// TestTwoWaysAgreeAtRandom puts requests together from usual and unusual parts.
func TestTwoWaysAgreeAtRandom(t *testing.T) {
	w := openTwoWays(t)
	n := 3000
	if testing.Short() {
		n = 300
	}
	for seed := range uint64(n) {
		r := rand.New(rand.NewPCG(seed, 1))
		method, sent := randomRequests(r)
		if all := strings.Join(sent, ""); r.IntN(2) == 0 && !strings.Contains(all, "/large") && !strings.HasSuffix(all, tail) {
			sent = []string{all} // at once
		}
		w.compare(t, method, sent...)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if w.relay.byNetHTTP.Load() > w.plain.byNetHTTP.Load()*9/10 {
		t.Errorf("of %d connections %d were not relayed", w.plain.byNetHTTP.Load(), w.relay.byNetHTTP.Load())
	}
}

// randomRequests returns some requests with the same method, the last of which
// says that it is.
func randomRequests(r *rand.Rand) (method string, sent []string) {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	method = pick("GET", "GET", "GET", "PUT", "POST", "DELETE", "HEAD", "PATCH")
	n := 1 + r.IntN(3)
	for i := range n {
		path := pick("/", "/v1/vars", "/chunked", "/none", "/same", "/hints", "/untyped", "/hop", "/missing", "/large", "//a", "/a%2Fb", "/a;b=c", "/.", "/é"[:1+r.IntN(3)])
		if r.IntN(12) == 0 {
			path = "/last"
		}
		request := method + " " + path + pick("", "", "?", "?a=b", "?a=%zz&b=;c", "?index=1&wait=1ms") + " HTTP/1.1\r\n"
		var lines []string
		lines = append(lines, pick("Host: nomad", "host:  a:80 ", "Host:"))
		lines = append(lines, pick("X-Nomad-Token: a", "Authorization: Bearer b", "authorization: bearer\t", "X-Nomad-Token:\r\nAuthorization: BEARER c", "X-Other: x"))
		lines = append(lines, pick("Accept: */*", "Accept-Encoding: gzip", "X-Empty:", "Cookie: a=b; c", "X-Twice: 1\r\nX-TWICE: 2", "Pragma: no-cache", "User-Agent: x"))
		odd := i == n-1 && r.IntN(3) == 0
		body := ""
		if method != "GET" && method != "HEAD" || r.IntN(10) == 0 {
			sizes := []int{0, 1, 100, 5000, 60000, 70000}
			if odd || !strings.Contains(lines[1], "oken: a") && !strings.HasSuffix(lines[1], " b") && !strings.HasSuffix(lines[1], " c") {
				sizes = sizes[:3] // net/http does not read the body of what it refuses
			}
			body = strings.Repeat("x", sizes[r.IntN(len(sizes))])
			lines = append(lines, pick("Content-Length: ", "content-length:")+fmt.Sprint(len(body)))
		}
		if odd {
			lines = append(lines, pick("TE: trailers", "X-Forwarded-For: me", "Keep-Alive: 1", "X-Bad : 1", "Transfer-Encoding: chunked", "Content-Length: 3",
				" folded", "X-\x00: 1", "Connection: X-Other", "Host: again", "X-Long: "+strings.Repeat("l", 5000)))
			body += tail
		}
		if i == n-1 {
			lines = append(lines, "Connection: "+pick("close", "Close"))
		} else {
			lines = append(lines, pick("", "Connection: keep-alive"))
		}
		r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		for _, line := range lines {
			if line != "" {
				request += line + "\r\n"
			}
		}
		sent = append(sent, request+"\r\n"+body)
	}
	return method, sent
}
