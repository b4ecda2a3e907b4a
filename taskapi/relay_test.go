package taskapi_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/taskagent/taskagent/taskapi"
)

// onBoth runs a test with sockets and with connections of another kind.
func onBoth(t *testing.T, f func(t *testing.T, n network)) {
	for name, n := range networks {
		t.Run(name, func(t *testing.T) { f(t, n) })
	}
}

// echo answers with what it was asked.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s %s", r.Method, r.RequestURI, r.Host, body)
}

func TestRelayCarriesRequests(t *testing.T) {
	onBoth(t, func(t *testing.T, n network) {
		d := open(t, n, taskapi.Config{Dial: serveHTTP(t, n, echo)})
		c := d.connect(t)
		for range 3 {
			c.send(get("/v1/vars?a=b"))
			c.wantAnswer(200, "GET /v1/vars?a=b localhost ")
			c.send(put("/v1/var/x", "hello"))
			c.wantAnswer(200, "PUT /v1/var/x localhost hello")
		}
		c.send("HEAD /h HTTP/1.1\r\nHost: x\r\n" + token + "\r\n")
		if r, body := c.answer("HEAD"); r.StatusCode != 200 || body != "" || r.ContentLength != 18 {
			t.Errorf("HEAD: %v %q", r, body)
		}
		c.send(get("/last", "Connection: close\r\n"))
		r, _ := c.answer("GET")
		if !r.Close {
			t.Error("the last answer does not say so")
		}
		c.wantEnd()
		if d.byNetHTTP.Load() != 0 {
			t.Error("net/http got the connection")
		}
		if n := d.IdleUpstreams(); n != 1 && n != 2 {
			t.Errorf("%d connections to the upstream were kept", n)
		}
	})
}

func TestRelayRefusesWithoutToken(t *testing.T) {
	onBoth(t, func(t *testing.T, n network) {
		d := open(t, n, taskapi.Config{Dial: serveHTTP(t, n, echo)})
		c := d.connect(t)
		for _, credentials := range []string{"", "X-Nomad-Token: \r\n", "X-Nomad-Token:\t\r\n", "Authorization: Basic Ym9i\r\n", "Authorization: Bearer\r\n", "Authorization: Bearer \t\r\n", "Authorization: Bearer\tx\r\n"} {
			for _, path := range []string{"/v1/vars", "/", "/.well-known/jwks.json"} {
				c.send("PUT " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n" + credentials + "\r\nhi")
				r, body := c.answer("PUT")
				r.Header.Del("Date")
				if got := fmt.Sprint(r.StatusCode, r.Header, body); got != "401 map[Content-Length:[12] Content-Type:[text/plain; charset=utf-8] X-Content-Type-Options:[nosniff]]Unauthorized" {
					t.Errorf("%q: %s", credentials, got)
				}
			}
		}
		c.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
		if r, body := c.answer("HEAD"); r.StatusCode != 401 || body != "" {
			t.Errorf("HEAD: %v", r)
		}
		c.send(get("/still"))
		c.wantAnswer(200, "GET /still localhost ")
		c.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if r, _ := c.answer("GET"); r.StatusCode != 401 || !r.Close {
			t.Errorf("the last: %v", r)
		}
		c.wantEnd()
		if d.byNetHTTP.Load() != 0 {
			t.Error("net/http got the connection")
		}
	})
}

func TestRelayInjects(t *testing.T) {
	dial := serveHTTP(t, sockets, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header["X-Nomad-Token"], r.Header["Authorization"])
	})
	var asked atomic.Int32
	d := open(t, sockets, taskapi.Config{Dial: dial, Inject: func(r *http.Request) (string, bool) {
		asked.Add(1)
		if r.Method != "GET" || r.Host != "x" || r.Header.Get("X-A") != "b" || r.RemoteAddr == "" {
			t.Errorf("asked about %+v", r)
		}
		switch r.URL.Path {
		case "/no":
			return "", false
		case "/empty":
			return "", true
		case "/bad":
			return "a\r\nX-B: c", true
		case "/panic":
			panic("a mistake")
		}
		return "injected", true
	}})
	c := d.connect(t)
	ask := func(path, credentials string) {
		c.send("GET " + path + " HTTP/1.1\r\nHost: x\r\nX-A: b\r\n" + credentials + "\r\n")
	}
	ask("/", "")
	c.wantAnswer(200, "[injected] []")
	ask("/no", "")
	c.wantAnswer(401, "Unauthorized")
	ask("/empty", "")
	c.wantAnswer(401, "Unauthorized")
	// Credentials of the client's own always count, bad ones too.
	n := asked.Load()
	ask("/", "X-Nomad-Token: own\r\n")
	c.wantAnswer(200, "[own] []")
	ask("/", "Authorization: Bearer own\r\n")
	c.wantAnswer(200, "[] [Bearer own]")
	ask("/", "X-Nomad-Token:\r\n")
	c.wantAnswer(401, "Unauthorized")
	ask("/", "Authorization: Basic x\r\n")
	c.wantAnswer(401, "Unauthorized")
	if asked.Load() != n {
		t.Error("a request with credentials was asked about")
	}
	ask("/bad", "")
	c.wantAnswer(401, "Unauthorized")
	c = d.connect(t)
	ask("/panic", "")
	c.wantEnd() // a mistake costs one connection
	c = d.connect(t)
	ask("/", "")
	c.wantAnswer(200, "[injected] []")
}

func TestRelayAnswersInOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, n network) {
		d := open(t, n, taskapi.Config{Dial: serveHTTP(t, n, echo)})
		c := d.connect(t)
		all := get("/1") + put("/2", "two") + "GET /3 HTTP/1.1\r\nHost: x\r\n\r\n" + put("/4", strings.Repeat("4", 65536), "X-Long: "+strings.Repeat("l", 65000)+"\r\n") + get("/5")
		for _, step := range []int{len(all), 1000, 7} {
			go func() {
				for i := 0; i < len(all); i += step {
					c.send(all[i:min(i+step, len(all))])
				}
			}()
			c.wantAnswer(200, "GET /1 localhost ")
			c.wantAnswer(200, "PUT /2 localhost two")
			c.wantAnswer(401, "Unauthorized")
			c.wantAnswer(200, "PUT /4 localhost "+strings.Repeat("4", 65536))
			c.wantAnswer(200, "GET /5 localhost ")
		}
	})
}

// What the relay does not understand goes to net/http with all that came, and so
// does what comes after it.
func TestRelayHandsOver(t *testing.T) {
	const upload = "PUT /up HTTP/1.1\r\nHost: x\r\n" + token + "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
	big := strings.Repeat("b", 70000)
	for name, test := range map[string]struct{ send, want string }{
		"chunked upload":        {upload, "PUT /up localhost onetwo"},
		"body beyond the bound": {put("/up", big), "PUT /up localhost " + big},
		"expectation":           {put("/up", "abc", "Expect: 200-ok\r\n"), ""},
		"old version":           {"GET /old HTTP/1.0\r\n" + token + "Connection: keep-alive\r\n\r\n", "GET /old localhost "},
		"bare LF":               {"GET /lf HTTP/1.1\nHost: x\nX-Nomad-Token: t\n\n", "GET /lf localhost "},
		"head beyond the bound": {get("/long", "X-Long: "+strings.Repeat("x", 70000)+"\r\n"), "GET /long localhost "},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, n network) {
				d := open(t, n, taskapi.Config{Dial: serveHTTP(t, n, echo)})
				c := d.connect(t)
				go c.send(get("/before") + test.send + get("/after"))
				c.wantAnswer(200, "GET /before localhost ")
				if test.want == "" {
					if r, _ := c.answer("PUT"); r.StatusCode != 417 {
						t.Errorf("answer %v", r)
					}
				} else {
					c.wantAnswer(200, test.want)
					c.wantAnswer(200, "GET /after localhost ")
				}
				if d.byNetHTTP.Load() != 1 {
					t.Errorf("net/http got %d connections", d.byNetHTTP.Load())
				}
			})
		})
	}
}

func TestUpgradeThroughServer(t *testing.T) {
	d := open(t, sockets, taskapi.Config{Dial: script(t, sockets, func(_ int, c *client) {
		if c.request() == "" {
			return
		}
		c.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		io.Copy(c.Conn, c.r)
	})})
	c := d.connect(t)
	c.send(get("/exec", "Connection: Upgrade\r\nUpgrade: echo\r\n"))
	if r, err := http.ReadResponse(c.r, nil); err != nil || r.StatusCode != 101 {
		t.Fatal(r, err)
	}
	c.send("to and")
	c.want("to and")
	c.send(" fro")
	c.want(" fro")
	if err := c.Conn.(*net.UnixConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.wantEnd()
}
