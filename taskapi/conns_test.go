package taskapi_test

import (
	"net/http"
	"testing"

	"github.com/taskagent/taskagent/taskapi"
)

// Idle connections make room for new ones, the longest idle first; busy ones stay,
// and who comes next waits for one to end.
func TestConnectionsAreBounded(t *testing.T) {
	for way, wrap := range map[string]func(http.Handler) http.Handler{
		"relay":    func(h http.Handler) http.Handler { return h },
		"net/http": func(h http.Handler) http.Handler { return hidden{h} },
	} {
		t.Run(way, func(t *testing.T) {
			asked, goOn := make(chan struct{}), make(chan struct{})
			h := taskapi.New(taskapi.Config{Dial: serveHTTP(t, sockets, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/busy" {
					asked <- struct{}{}
					<-goOn
				}
			})})
			d := openHandler(t, sockets, wrap(h), func(s *taskapi.Server) { s.SetMaxConns(3) })
			request := func(c *client) {
				t.Helper()
				c.send(get("/"))
				c.wantAnswer(200, "")
				// An answer comes before its connection counts as idle.
				eventually(t, "all connections are idle", func() bool { return d.IdleConns() == d.OpenConns() })
			}
			first, second, third := d.connect(t), d.connect(t), d.connect(t)
			request(second)
			request(first)
			request(third)
			fourth := d.connect(t)
			request(fourth)
			second.wantEnd() // idle for longest
			request(first)
			request(third)
			// All three are busy now: they stay, and another has to wait.
			for _, c := range []*client{first, third, fourth} {
				c.send(get("/busy"))
				waitFor(t, "the request", asked)
			}
			fifth, sixth := d.connect(t), d.connect(t)
			fifth.send(get("/"))
			sixth.send(get("/"))
			if n := d.OpenConns(); n != 3 {
				t.Errorf("%d connections are open", n)
			}
			close(goOn)
			for _, c := range []*client{first, third, fourth, fifth, sixth} {
				c.wantAnswer(200, "")
			}
		})
	}
}

// A crowd of connections that say nothing keeps nobody out.
func TestSilentCrowd(t *testing.T) {
	d := open(t, sockets, taskapi.Config{Dial: serveHTTP(t, sockets, echo)}, func(s *taskapi.Server) { s.SetMaxConns(20) })
	for range 45 {
		d.connect(t)
	}
	c := d.connect(t)
	c.send(get("/"))
	c.wantAnswer(200, "GET / localhost ")
	if n := d.OpenConns(); n > 20 {
		t.Errorf("%d connections are open", n)
	}
}
