package test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestGate: no request passes a Task API listener without a good token,
// whatever its path and method, on the socket and on the loopback port.
func TestGate(t *testing.T) {
	w := newWorld(t)
	tk := w.start("redis", []string{"-job", "example", "-group", "cache", "-task", "redis"})
	token := tk.token()
	tampered := token[:strings.LastIndexByte(token, '.')+1] + "A" + token[strings.LastIndexByte(token, '.')+2:]
	if tampered == token {
		tampered = token[:strings.LastIndexByte(token, '.')+1] + "B" + token[strings.LastIndexByte(token, '.')+2:]
	}

	for name, c := range map[string]struct {
		header http.Header
		status int
		body   string
	}{
		"no token":       {nil, 401, "Unauthorized"},
		"empty token":    {http.Header{"X-Nomad-Token": {""}}, 401, "Unauthorized"},
		"basic":          {http.Header{"Authorization": {"Basic dTpw"}}, 401, "Unauthorized"},
		"bearer nothing": {http.Header{"Authorization": {"Bearer "}}, 401, "Unauthorized"},
		"unknown uuid":   {as("11111111-1111-1111-1111-111111111111"), 403, "Forbidden"},
		"garbage":        {as("not-a-token"), 403, "Forbidden"},
		"tampered":       {as(tampered), 403, "Forbidden"},
		"alg none":       {as("eyJhbGciOiJub25lIn0.e30."), 403, "Forbidden"},
	} {
		for _, method := range []string{"GET", "PUT", "DELETE", "PATCH"} {
			for _, path := range []string{"/", "/v1/vars", "/v1/var/nomad/jobs", "/v1/nope", "/.well-known/jwks.json", "/v1/acl/bootstrap", "/taskagent/v1/status"} {
				status, body := tk.ask(method, path, c.header, "")
				if status != c.status || body != c.body {
					t.Errorf("%s: %s %s = %d %q, want %d %q", name, method, path, status, body, c.status, c.body)
				}
			}
		}
	}

	for name, header := range map[string]http.Header{
		"x-nomad-token":  as(token),
		"bearer":         {"Authorization": {"Bearer " + token}},
		"bearer, case":   {"Authorization": {"bEaReR " + token}},
		"both, own wins": {"X-Nomad-Token": {token}, "Authorization": {"Bearer garbage"}},
	} {
		if status, body := tk.ask("GET", "/v1/vars", header, ""); status != 200 || body != "[]" {
			t.Errorf("%s: %d %q, want 200 []", name, status, body)
		}
	}
	if status, body := tk.ask("GET", "/v1/nope", as(token), ""); status != 404 || body != "" {
		t.Errorf("unknown path: %d %q, want 404 and no body", status, body)
	}
	if status, body := tk.ask("DELETE", "/v1/vars", as(token), ""); status != 405 || body != "Invalid method" {
		t.Errorf("wrong method: %d %q, want 405 Invalid method", status, body)
	}
	if status, _ := tk.ask("GET", "/taskagent/v1/status", as(token), ""); status != 404 {
		t.Errorf("the agents' own paths on the task door: %d, want 404", status)
	}
}

// TestGateOptions: "OPTIONS *", which names no path, is a request like any other.
func TestGateOptions(t *testing.T) {
	w := newWorld(t)
	tk := w.start("redis", []string{"-job", "example"})
	conn, err := net.Dial("unix", tk.socket())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 401 ") {
		t.Errorf("OPTIONS * without a token: %q %v, want 401", answer, err)
	}
}

// TestTokenDiesWithTask: what a task was given is worth nothing once it ended.
func TestTokenDiesWithTask(t *testing.T) {
	w := newWorld(t)
	other := w.start("other", []string{"-job", "other"})
	tk := w.start("redis", []string{"-job", "example"})
	token := tk.token()
	if status, _ := other.ask("GET", "/v1/vars", as(token), ""); status != 200 {
		t.Fatalf("while the task runs: %d, want 200", status)
	}
	tk.stop()
	if status, body := other.ask("GET", "/v1/vars", as(token), ""); status != 403 || body != "Forbidden" {
		t.Errorf("after the task ended: %d %q, want 403 Forbidden", status, body)
	}
}

// TestImplicitPolicy: exactly four paths, read and list, in the own namespace.
func TestImplicitPolicy(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"nomad/jobs", "nomad/jobs/example", "nomad/jobs/example/cache", "nomad/jobs/example/cache/redis",
		"nomad/jobs/example/cache/redis/below", "nomad/jobs/example/web", "nomad/jobs/other", "elsewhere"} {
		w.must("var", "put", path, "where="+path)
	}
	tk := w.start("redis", []string{"-job", "example", "-group", "cache", "-task", "redis"})
	for path, want := range map[string]int{
		"nomad/jobs": 200, "nomad/jobs/example": 200, "nomad/jobs/example/cache": 200, "nomad/jobs/example/cache/redis": 200,
		"nomad/jobs/example/cache/redis/below": 403, "nomad/jobs/example/web": 403, "nomad/jobs/other": 403, "elsewhere": 403,
	} {
		status, body := tk.ask("GET", "/v1/var/"+path, as(tk.token()), "")
		if status != want || want == 403 && body != "Permission denied" {
			t.Errorf("read %s: %d %q, want %d", path, status, body, want)
		}
		if status, body := tk.ask("PUT", "/v1/var/"+path, as(tk.token()), `{"Path":"`+path+`","Items":{"a":"b"}}`); status != 403 {
			t.Errorf("write %s: %d %q, want 403", path, status, body)
		}
	}
	_, body := tk.ask("GET", "/v1/vars", as(tk.token()), "")
	if n := strings.Count(body, `"Path"`); n != 4 {
		t.Errorf("list shows %d variables, want 4: %s", n, body)
	}
	if status, body := tk.ask("GET", "/v1/var/nomad/jobs?namespace=shared", as(tk.token()), ""); status == 200 {
		t.Errorf("read in another namespace: %d %s", status, body)
	}
}
