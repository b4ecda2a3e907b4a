package taskapi_test

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/taskagent/taskagent/taskapi"
)

// understood are heads that the relay takes, and what it sends upstream for them.
var understood = []struct {
	name, head string
	want       taskapi.ParsedRequest
}{
	{
		"as Go's client sends it",
		"GET /v1/vars?prefix=nomad%2Fjobs HTTP/1.1\r\nHost: nomad\r\nUser-Agent: Go-http-client/1.1\r\nX-Nomad-Token: abc\r\nAccept-Encoding: gzip\r\n\r\n",
		taskapi.ParsedRequest{Method: "GET", Token: "abc", Out: "GET /v1/vars?prefix=nomad%2Fjobs HTTP/1.1\r\nHost: up\r\nUser-Agent: Go-http-client/1.1\r\nX-Nomad-Token: abc\r\nAccept-Encoding: gzip\r\n"},
	},
	{
		"as curl sends it",
		"GET / HTTP/1.1\r\nHost: localhost\r\nauthorization: bEaReR abc\r\nAccept: */*\r\n\r\n",
		taskapi.ParsedRequest{Method: "GET", Token: "abc", Out: "GET / HTTP/1.1\r\nHost: up\r\nauthorization: bEaReR abc\r\nAccept: */*\r\n"},
	},
	{
		"a write",
		"PUT /v1/var/a HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\nContent-Type: application/json\r\n\r\n",
		taskapi.ParsedRequest{Method: "PUT", Length: 65536, Out: "PUT /v1/var/a HTTP/1.1\r\nHost: up\r\nContent-Type: application/json\r\nContent-Length: 65536\r\n"},
	},
	{
		"a write without a body",
		"POST /v1/x HTTP/1.1\r\nHost: x\r\n\r\n",
		taskapi.ParsedRequest{Method: "POST", Out: "POST /v1/x HTTP/1.1\r\nHost: up\r\nContent-Length: 0\r\n"},
	},
	{
		"the last request",
		"DELETE /v1/var/a HTTP/1.1\r\nhost:\r\nconnection:\tClose \r\n\r\n",
		taskapi.ParsedRequest{Method: "DELETE", Closing: true, Out: "DELETE /v1/var/a HTTP/1.1\r\nHost: up\r\n"},
	},
	{
		"blanks around a value, tabs within",
		"HEAD /a HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\nX-A: \t b\tc \t\r\nX-B:\r\n\r\n",
		taskapi.ParsedRequest{Method: "HEAD", Out: "HEAD /a HTTP/1.1\r\nHost: up\r\nX-A: b\tc\r\nX-B: \r\n"},
	},
	{
		"every character that a path may have",
		"GET //aZ09-._~!$&'()*+,;=:@/%2f/../? HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
		taskapi.ParsedRequest{Method: "GET", Out: "GET //aZ09-._~!$&'()*+,;=:@/%2f/../? HTTP/1.1\r\nHost: up\r\n"},
	},
	{
		"an empty token and another",
		"GET / HTTP/1.1\r\nHost: %2Ftmp%2Fapi.sock\r\nX-Nomad-Token: \t \r\nAuthorization: Bearer \t t \r\n\r\n",
		taskapi.ParsedRequest{Method: "GET", Token: "t", Out: "GET / HTTP/1.1\r\nHost: up\r\nX-Nomad-Token: \r\nAuthorization: Bearer \t t\r\n"},
	},
}

func TestRequestUnderstood(t *testing.T) {
	for _, test := range understood {
		t.Run(test.name, func(t *testing.T) {
			got, ok := taskapi.ParseRequest([]byte(test.head), "up")
			if !ok || got != test.want {
				t.Errorf("got %+v, %v\nwant %+v", got, ok, test.want)
			}
			for i := range len(test.head) {
				if taskapi.Unusual([]byte(test.head[:i+1]), max(0, i-3)) {
					t.Fatalf("the beginning %q is taken for unusual", test.head[:i+1])
				}
			}
		})
	}
}

// foreign are heads that net/http has to read. Most are attempts to have two
// parsers disagree.
var foreign = map[string]string{
	"two lengths":                  "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
	"two lengths in one":           "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n\r\n",
	"length and transfer coding":   "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
	"transfer coding":              "PUT / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: chunked\r\n\r\n",
	"transfer coding, misspelt":    "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n",
	"signed length":                "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\n",
	"negative length":              "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
	"hexadecimal length":           "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\n",
	"leading zero":                 "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 05\r\n\r\n",
	"empty length":                 "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n",
	"length beyond the bound":      "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n",
	"length beyond any number":     "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
	"space before the colon":       "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
	"tab before the colon":         "GET / HTTP/1.1\r\nHost\t: x\r\n\r\n",
	"folded line":                  "GET / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n",
	"folded first line":            "GET / HTTP/1.1\r\n Host: x\r\n\r\n",
	"line without a colon":         "GET / HTTP/1.1\r\nHost: x\r\nnothing\r\n\r\n",
	"header without a name":        "GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
	"bare LF":                      "GET / HTTP/1.1\r\nHost: x\nX-A: b\r\n\r\n",
	"bare LF at the end":           "GET / HTTP/1.1\r\nHost: x\r\n\n\r\n\r\n",
	"bare CR in a value":           "GET / HTTP/1.1\r\nHost: x\r\nX-A: b\rc\r\n\r\n",
	"bare CR in the request line":  "GET /\r HTTP/1.1\r\nHost: x\r\n\r\n",
	"two CRs":                      "GET / HTTP/1.1\r\r\nHost: x\r\n\r\n",
	"NUL in a value":               "GET / HTTP/1.1\r\nHost: x\r\nX-A: b\x00c\r\n\r\n",
	"NUL in a name":                "GET / HTTP/1.1\r\nHost: x\r\nX-\x00A: b\r\n\r\n",
	"DEL in a long value":          "GET / HTTP/1.1\r\nHost: x\r\nX-A: 0123456789\x7f0123456789\r\n\r\n",
	"control in a long value":      "GET / HTTP/1.1\r\nHost: x\r\nX-A: 0123456789\x1f0123456789\r\n\r\n",
	"beyond ASCII in a value":      "GET / HTTP/1.1\r\nHost: x\r\nX-Nomad-Token: \u0085\u00a0\r\n\r\n",
	"beyond ASCII in a name":       "GET / HTTP/1.1\r\nHost: x\r\nX-\u00e4: a\r\n\r\n",
	"beyond ASCII in the target":   "GET /\u00e4 HTTP/1.1\r\nHost: x\r\n\r\n",
	"absolute form":                "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
	"authority form":               "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
	"asterisk form":                "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
	"no target":                    "GET  HTTP/1.1\r\nHost: x\r\n\r\n",
	"fragment":                     "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
	"fragment after a query":       "GET /a?b#c HTTP/1.1\r\nHost: x\r\n\r\n",
	"space in the target":          "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
	"space after the version":      "GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
	"escape that is none":          "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
	"escape cut short":             "GET /%a HTTP/1.1\r\nHost: x\r\n\r\n",
	"a path that would be escaped": "GET /a|b HTTP/1.1\r\nHost: x\r\n\r\n",
	"HTTP/1.0":                     "GET / HTTP/1.0\r\nHost: x\r\n\r\n",
	"HTTP/1.2":                     "GET / HTTP/1.2\r\nHost: x\r\n\r\n",
	"HTTP/0.9":                     "GET /\r\n\r\n",
	"HTTP/2":                       "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"lower-case version":           "GET / http/1.1\r\nHost: x\r\n\r\n",
	"unknown method":               "LIST / HTTP/1.1\r\nHost: x\r\n\r\n",
	"lower-case method":            "get / HTTP/1.1\r\nHost: x\r\n\r\n",
	"blank first":                  " GET / HTTP/1.1\r\nHost: x\r\n\r\n",
	"line break first":             "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
	"no host":                      "GET / HTTP/1.1\r\n\r\n",
	"two hosts":                    "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
	"host with a path":             "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
	"host with a user":             "GET / HTTP/1.1\r\nHost: a@x\r\n\r\n",
	"host with a blank":            "GET / HTTP/1.1\r\nHost: a x\r\n\r\n",
	"two tokens":                   "GET / HTTP/1.1\r\nHost: x\r\nX-Nomad-Token:\r\nx-nomad-token: b\r\n\r\n",
	"two authorizations":           "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
	"expectation":                  "PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
	"upgrade":                      "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	"upgrade without a connection": "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\n\r\n",
	"a header named by connection": "GET / HTTP/1.1\r\nHost: x\r\nConnection: close, X-Nomad-Token\r\nX-Nomad-Token: a\r\n\r\n",
	"empty connection":             "GET / HTTP/1.1\r\nHost: x\r\nConnection:\r\n\r\n",
	"two connections":              "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n",
	"trailers asked for":           "GET / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n\r\n",
	"trailers announced":           "GET / HTTP/1.1\r\nHost: x\r\nTrailer: X-A\r\n\r\n",
	"Keep-Alive":                   "GET / HTTP/1.1\r\nHost: x\r\nKeep-Alive: timeout=5\r\n\r\n",
	"Proxy-Connection":             "GET / HTTP/1.1\r\nHost: x\r\nProxy-Connection: close\r\n\r\n",
	"Proxy-Authorization":          "GET / HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic x\r\n\r\n",
	"Proxy-Authenticate":           "GET / HTTP/1.1\r\nHost: x\r\nProxy-Authenticate: x\r\n\r\n",
	"HTTP2-Settings":               "GET / HTTP/1.1\r\nHost: x\r\nHTTP2-Settings: x\r\n\r\n",
	"Forwarded":                    "GET / HTTP/1.1\r\nHost: x\r\nForwarded: for=a\r\n\r\n",
	"X-Forwarded-For":              "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: a\r\n\r\n",
	"X-Forwarded-Host":             "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Host: a\r\n\r\n",
	"X-Forwarded-Proto":            "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: a\r\n\r\n",
	"more than the head":           "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
	"less than the head":           "GET / HTTP/1.1\r\nHost: x\r\n",
	"nothing":                      "",
}

func TestRequestLeftToNetHTTP(t *testing.T) {
	for name, head := range foreign {
		if got, ok := taskapi.ParseRequest([]byte(head), "up"); ok {
			t.Errorf("%s: %q is understood as %+v", name, head, got)
		}
	}
}

// FuzzRequestHead: what the relay understands net/http understands in the same
// way, in the form it came and in the form it goes upstream.
func FuzzRequestHead(f *testing.F) {
	for _, test := range understood {
		f.Add([]byte(test.head))
	}
	for _, head := range foreign {
		f.Add([]byte(head))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		got, ok := taskapi.ParseRequest(head, "up")
		if !ok {
			return
		}
		came := readWhole(t, head)
		goes := readWhole(t, []byte(got.Out+"\r\n"))
		for what, r := range map[string]*http.Request{"as it came": came, "as it goes": goes} {
			if r.Method != got.Method || r.ContentLength != int64(got.Length) || len(r.TransferEncoding) > 0 || len(r.Trailer) > 0 {
				t.Errorf("%s: net/http reads %+v, the relay %+v", what, r, got)
			}
			if token := firstToken(r.Header); token != got.Token {
				t.Errorf("%s: net/http's token is %q, the relay's %q", what, token, got.Token)
			}
		}
		if came.Close != got.Closing || goes.Close || goes.Host != "up" {
			t.Errorf("closing %v, %v sent on; net/http: %v; host %q", got.Closing, goes.Close, came.Close, goes.Host)
		}
		target := strings.Fields(string(head))[1]
		// The slow way sends the target as the URL's RequestURI.
		if came.RequestURI != target || goes.RequestURI != target || came.URL.RequestURI() != target {
			t.Errorf("target %q came as %q, would go as %q, goes as %q", target, came.RequestURI, came.URL.RequestURI(), goes.RequestURI)
		}
		came.Header.Del("Connection")
		delete(came.Header, "Content-Length") // "0" is added where it says nothing new
		delete(goes.Header, "Content-Length")
		if !maps.EqualFunc(came.Header, goes.Header, slices.Equal) {
			t.Errorf("headers came as %v and go as %v", came.Header, goes.Header)
		}
	})
}

// readWhole has net/http read a head that is all there is.
func readWhole(t *testing.T, head []byte) *http.Request {
	t.Helper()
	b := bufio.NewReader(bytes.NewReader(head))
	r, err := http.ReadRequest(b)
	if err != nil {
		t.Fatalf("net/http does not understand %q: %v", head, err)
	}
	if rest, _ := io.ReadAll(b); len(rest) > 0 {
		t.Fatalf("of %q net/http leaves %q", head, rest)
	}
	return r
}

// firstToken states the gate's rule a second time.
func firstToken(h http.Header) string {
	if t := strings.TrimSpace(h.Get("X-Nomad-Token")); t != "" {
		return t
	}
	f := strings.SplitN(strings.TrimSpace(h.Get("Authorization")), " ", 2)
	if len(f) == 2 && strings.EqualFold(f[0], "bearer") {
		return strings.TrimSpace(f[1])
	}
	return ""
}
