package upstream_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/nomad"
	"github.com/taskagent/taskagent/internal/nomad/gate"
	"github.com/taskagent/taskagent/internal/nomad/upstream"
	"github.com/taskagent/taskagent/taskapi"
	"github.com/taskagent/taskagent/test/nomadtest"
)

const realJob = `
job "demo" {
  group "g" {
    task "web" {
      driver = "raw_exec"
      config {
        command = "sh"
        args    = ["-c", "echo hello from the task; exec sleep 3600"]
      }
      identity {
        name = "short"
        aud  = ["nomadproject.io"]
        ttl  = "5s"
      }
      identity {
        name = "aws"
        aud  = ["sts.amazonaws.com"]
        ttl  = "1h"
      }
      resources {
        cpu    = 50
        memory = 32
      }
    }
  }
}
`

// realProxy is a Task API in front of a real Nomad, on loopback.
type realProxy struct {
	t   *testing.T
	url string
}

func newRealProxy(t *testing.T, cfg upstream.Config) *realProxy {
	t.Helper()
	up, err := upstream.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	g := gate.New(gate.Config{Transport: up.Transport, Scheme: up.Scheme, Host: up.Host})
	h := taskapi.New(taskapi.Config{Transport: up.Transport, Scheme: up.Scheme, Host: up.Host, Streams: upstream.Streams, Verifier: g})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := taskapi.NewServer(h, nil)
	s.Serve(l, func(err error) { t.Error(err) })
	t.Cleanup(func() { s.Close(); up.Close() })
	return &realProxy{t, "http://" + l.Addr().String()}
}

func (p *realProxy) do(ctx context.Context, method, path, token, body string) (*http.Response, error) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("X-Nomad-Token", token)
	}
	return http.DefaultClient.Do(req)
}

// call returns the status and the beginning of the body.
func (p *realProxy) call(method, path, token, body string) string {
	p.t.Helper()
	resp, err := p.do(p.t.Context(), method, path, token, body)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %.120s", resp.StatusCode, strings.TrimSpace(string(data)))
}

// want makes a call that has to come to what is wanted: a status, or a status and
// the beginning of a body.
func (p *realProxy) want(what, method, path, token, body, want string) {
	p.t.Helper()
	got := p.call(method, path, token, body)
	p.t.Logf("%-40s %s %-40s %s", what, method, path, got)
	if !strings.HasPrefix(got, want) {
		p.t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func fetch(t *testing.T, c *nomadtest.Cluster, alloc string) map[string]identity.Token {
	t.Helper()
	cfg := nomad.Config{
		Servers: []string{c.RPC}, Region: c.Region, SecretFile: c.SecretFile, AllocID: alloc, Task: "web",
		Identities: []identity.Spec{{Name: "default"}, {Name: "short"}, {Name: "aws"}},
	}
	if c.TLS {
		cfg.TLS = &c.Certs.Client
	}
	s, err := nomad.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := s.Fetch(t.Context(), []string{"default", "short", "aws"})
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// badTokens are refused everywhere, by whatever cluster.
func badTokens(t *testing.T, c *nomadtest.Cluster, p *realProxy, tokens map[string]identity.Token) {
	t.Helper()
	secret, err := os.ReadFile(c.SecretFile)
	if err != nil {
		t.Fatal(err)
	}
	valid := tokens["default"].Reveal()
	for what, token := range map[string]string{
		"garbage":             "garbage",
		"garbage with dots":   "a.b.c",
		"tampered":            valid[:len(valid)-8] + "AAAAAAAA",
		"of another cluster":  nomadtest.NewSigner(t).Sign(identity.Claims{Audience: []string{"nomadproject.io"}, AllocationID: "a", Task: "t"}),
		"for another service": tokens["aws"].Reveal(),
		"a UUID":              "01234567-89ab-cdef-0123-456789abcdef",
		"the node's secret":   strings.TrimSpace(string(secret)),
	} {
		p.want(what, "GET", "/v1/vars", token, "", "403 Forbidden")
	}
	p.want("no token", "GET", "/v1/vars", "", "", "401 Unauthorized")
	p.want("no token, no such path", "DELETE", "/nowhere", "", "", "401 Unauthorized")
}

// TestRealProxy stands in front of a Nomad with ACLs.
func TestRealProxy(t *testing.T) {
	c := nomadtest.Start(t, nomadtest.Options{})
	alloc := c.Run(realJob)
	tokens := fetch(t, c, alloc)
	task := tokens["default"].Reveal()
	c.Call("PUT", "/v1/var/nomad%2Fjobs%2Fdemo", map[string]any{"Path": "nomad/jobs/demo", "Items": map[string]string{"k": "v"}}, nil)
	c.Call("PUT", "/v1/var/other%2Fpath", map[string]any{"Path": "other/path", "Items": map[string]string{"k": "v"}}, nil)

	for name, url := range map[string]string{
		"server": c.ServerHTTP, "client": c.ClientHTTP,
		"task socket": "unix://" + filepath.Join(c.Dir, "client", "alloc", alloc, "web", "secrets", "api.sock"),
	} {
		t.Run(name, func(t *testing.T) {
			p := newRealProxy(t, upstream.Config{URL: url})
			badTokens(t, c, p, tokens)
			p.want("implicit policy", "GET", "/v1/var/nomad%2Fjobs%2Fdemo", task, "", `200 {"CreateIndex":`)
			p.want("no policy", "GET", "/v1/var/other%2Fpath", task, "", "403 Permission denied")
			p.want("named identity", "GET", "/v1/vars", fetch(t, c, alloc)["short"].Reveal(), "", "200 [")
			p.want("the operator", "GET", "/v1/acl/tokens", c.Management, "", "200 [")
			p.want("no such path", "GET", "/v1/nowhere", task, "", "404")
			p.want("wrong method", "PATCH", "/v1/vars", task, "", "405")
			p.want("blocking query", "GET", "/v1/vars?index=1&wait=1s", task, "", "200 [")
		})
	}

	p := newRealProxy(t, upstream.Config{URL: c.ClientHTTP})
	t.Run("attached policy", func(t *testing.T) {
		c.Policy("demo", `namespace "default" { variables { path "other/*" { capabilities = ["read", "write"] } } }`, "demo", "", "")
		p.want("with a policy", "GET", "/v1/var/other%2Fpath", task, "", "200 {")
		p.want("a write", "PUT", "/v1/var/other%2Fnew", task, `{"Path":"other/new","Items":{"a":"b"}}`, "200 {")
		p.want("a conflict", "PUT", "/v1/var/other%2Fnew?cas=1", task, `{"Path":"other/new","Items":{"a":"c"}}`, "409 {")
		c.Call("DELETE", "/v1/acl/policy/demo", nil, nil)
		p.want("without it again", "GET", "/v1/var/other%2Fpath", task, "", "403 Permission denied")
	})
	t.Run("expiry", func(t *testing.T) {
		short := fetch(t, c, alloc)["short"]
		time.Sleep(time.Until(short.Expiry()) + 10*time.Millisecond)
		p.want("expired", "GET", "/v1/vars", short.Reveal(), "", "403 Forbidden")
	})
	t.Run("streams", func(t *testing.T) { testRealStreams(t, c, p, alloc) })
	t.Run("exec", func(t *testing.T) { testRealExec(t, c, p, alloc) })
	t.Run("server restart", func(t *testing.T) {
		p := newRealProxy(t, upstream.Config{URL: c.ServerHTTP})
		p.want("before", "GET", "/v1/vars", task, "", "200 [")
		c.StopServer()
		p.want("while it is down", "GET", "/v1/vars", task, "", "502 taskagent: the Task API's upstream cannot be reached: dial tcp")
		p.want("an ACL token while it is down", "GET", "/v1/vars", c.Management, "", "502 taskagent: cannot verify the token now: ask Nomad for /v1/acl/token/self")
		p.want("garbage while it is down", "GET", "/v1/vars", "garbage", "", "403 Forbidden")
		c.StartServer()
		c.Eventually("the task's token to count again", func() bool { return strings.HasPrefix(p.call("GET", "/v1/vars", task, ""), "200 [") })
	})
	t.Run("key rotation", func(t *testing.T) {
		c.Call("PUT", "/v1/operator/keyring/rotate", nil, nil)
		c.Eventually("another key to sign with", func() bool {
			token := fetch(t, c, alloc)["short"].Reveal()
			h, err := identity.ParseHeaderInsecure(token)
			old, _ := identity.ParseHeaderInsecure(task)
			if err != nil || h.KeyID == old.KeyID {
				return false
			}
			p.want("a token of a new key", "GET", "/v1/vars", token, "", "200 [")
			return true
		})
	})
	t.Run("ended allocation", func(t *testing.T) {
		c.StopJob("demo", false)
		c.Eventually("the task's token to be refused", func() bool { return !strings.HasPrefix(p.call("GET", "/v1/vars", task, ""), "200") })
		t.Log(p.call("GET", "/v1/vars", task, ""))
		t.Log(p.call("GET", "/v1/jobs", task, ""))
		t.Log(p.call("GET", "/v1/nowhere", task, ""))
	})
}

func testRealStreams(t *testing.T, c *nomadtest.Cluster, p *realProxy, alloc string) {
	read := func(path string) (io.Reader, func()) {
		ctx, cancel := context.WithCancel(t.Context())
		resp, err := p.do(ctx, "GET", path, c.Management, "")
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 200 {
			t.Fatal(path, resp.Status)
		}
		return resp.Body, func() { cancel(); resp.Body.Close() }
	}
	body, stop := read("/v1/event/stream?topic=ACLPolicy")
	defer stop()
	events := bufio.NewScanner(body)
	begun := time.Now()
	c.Policy("noise", `namespace "x" { policy = "read" }`, "", "", "")
	for events.Scan() && !strings.Contains(events.Text(), "ACLPolicyUpserted") {
	}
	t.Logf("event after %s: %.100s", time.Since(begun), events.Text())
	if events.Err() != nil || time.Since(begun) > 5*time.Second {
		t.Errorf("event after %s: %v", time.Since(begun), events.Err())
	}
	body, stopLogs := read("/v1/client/fs/logs/" + alloc + "?task=web&type=stdout&follow=true&plain=true")
	defer stopLogs()
	logs := bufio.NewScanner(body)
	if !logs.Scan() || logs.Text() != "hello from the task" {
		t.Errorf("logs: %q %v", logs.Text(), logs.Err())
	}
	body, stopMonitor := read("/v1/agent/monitor?log_level=debug")
	defer stopMonitor()
	var frame struct{ Data []byte }
	for !bytes.Contains(frame.Data, []byte("[DEBUG]")) {
		if err := json.NewDecoder(body).Decode(&frame); err != nil {
			t.Fatalf("monitor: %v", err)
		}
	}
	t.Logf("monitor: %.100s", frame.Data)
}

func testRealExec(t *testing.T, c *nomadtest.Cluster, p *realProxy, alloc string) {
	client, err := api.NewClient(&api.Config{Address: p.url, SecretID: c.Management})
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	code, err := client.Allocations().Exec(ctx, &api.Allocation{ID: alloc}, "web", false,
		[]string{"sh", "-c", "cat; echo oops >&2; exit 7"}, strings.NewReader("typed\n"), &out, &errs, nil, nil)
	t.Logf("exec: status %d, %q, %q, %v", code, out.String(), errs.String(), err)
	if code != 7 || out.String() != "typed\n" || errs.String() != "oops\n" {
		t.Errorf("exec: status %d, %q, %q, %v", code, out.String(), errs.String(), err)
	}
}

// TestRealProxyWithoutACLs has garbage refused by nobody but the gate.
func TestRealProxyWithoutACLs(t *testing.T) {
	c := nomadtest.Start(t, nomadtest.Options{NoACL: true})
	alloc := c.Run(realJob)
	tokens := fetch(t, c, alloc)
	for name, url := range map[string]string{
		"server": c.ServerHTTP, "client": c.ClientHTTP,
		"task socket": "unix://" + filepath.Join(c.Dir, "client", "alloc", alloc, "web", "secrets", "api.sock"),
	} {
		t.Run(name, func(t *testing.T) {
			p := newRealProxy(t, upstream.Config{URL: url})
			badTokens(t, c, p, tokens)
			p.want("valid", "GET", "/v1/vars", tokens["default"].Reveal(), "", "200 [")
		})
	}
}

// TestRealProxyTLS does it with certificates on both sides.
func TestRealProxyTLS(t *testing.T) {
	c := nomadtest.Start(t, nomadtest.Options{TLS: true})
	alloc := c.Run(realJob)
	tokens := fetch(t, c, alloc)
	p := newRealProxy(t, upstream.Config{URL: c.ClientHTTP, TLS: c.Certs.Client})
	badTokens(t, c, p, tokens)
	p.want("valid", "GET", "/v1/vars", tokens["default"].Reveal(), "", "200 [")
	testRealStreams(t, c, p, alloc)
	testRealExec(t, c, p, alloc)
}
