package httpapi_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/leader/httpapi"
	"github.com/taskagent/taskagent/internal/leader/state"
)

// public are the routes that answer those who send no token at the operators'
// door, and what. None of it is a secret.
var public = map[string]string{
	"/v1/vars":                          "[]",
	"/v1/namespaces":                    "[]",
	"/v1/acl/policies":                  "[]",
	"/v1/acl/roles":                     "[]",
	"/v1/acl/auth-methods":              "[]",
	"/v1/acl/token/self":                `{"AccessorID":"anonymous",`,
	"/v1/agent/health":                  `{"client":{"ok":true,"message":"ok"},"server":{"ok":true,"message":"ok"}}`,
	"/v1/status/leader":                 `"127.0.0.1:4646"`,
	"/v1/status/peers":                  `["127.0.0.1:4646"]`,
	"/v1/regions":                       `["global"]`,
	"/.well-known/jwks.json":            `{"keys":[{"use":"sig",`,
	"/.well-known/openid-configuration": `{"issuer":"http://127.0.0.1:4646","jwks_uri":"http://127.0.0.1:4646/.well-known/jwks.json",`,
}

// below is something below the routes that stand for all below.
var below = map[string]string{
	"/v1/var/": "app/config", "/v1/service/": "web", "/v1/namespace/": "default", "/v1/acl/policy/": "p",
	"/v1/acl/token/": "11111111-1111-1111-1111-111111111111", "/v1/acl/role/": "r", "/v1/operator/keyring/": "keys",
}

var methods = []string{"GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS"}

// TestEveryRouteRefusesMissingCredentials walks the route table.
func TestEveryRouteRefusesMissingCredentials(t *testing.T) {
	w := newWorld(t)
	w.must("PUT", "/v1/var/app/config", obj{"Items": obj{"k": "secret-value"}})
	w.policy("p", `namespace "default" { policy = "read" }`)
	paths := append(httpapi.Routes(), "/v1/nope", "/v1/jobs", "/ui/")
	if len(paths) < 30 {
		t.Fatalf("only %d routes", len(paths))
	}
	body := `{"Name":"x","Type":"management","Items":{"a":"b"},"Rules":""}`
	for _, path := range paths {
		path += below[path]
		for _, method := range methods {
			a := w.do(w.task, "", method, path, body)
			if a.status != 401 || method != "HEAD" && a.body != "Unauthorized" || a.header.Get("Content-Type") != "text/plain; charset=utf-8" {
				t.Errorf("task door: %s %s: %v", method, path, a)
			}
			for _, token := range []string{"not-a-token", "11111111-1111-1111-1111-111111111111"} {
				if a := w.do(w.task, token, method, path, body); a.status != 403 || method != "HEAD" && a.body != "Forbidden" {
					t.Errorf("task door, token %s: %s %s: %v", token, method, path, a)
				}
			}
			a = w.do(w.http, "", method, path, body)
			if want, ok := public[path]; ok && method == "GET" {
				if a.status != 200 || !strings.HasPrefix(a.body, want) {
					t.Errorf("operators' door: %s %s: %v", method, path, a)
				}
				continue
			}
			if a.status < 400 || strings.Contains(a.body, "secret-value") {
				t.Errorf("operators' door: %s %s: %v", method, path, a)
			}
		}
	}
	if n := len(w.store.Tokens()); n != 1 {
		t.Errorf("there are %d tokens now", n)
	}
}

func TestTokenHeaders(t *testing.T) {
	w := newWorld(t)
	token := w.start(state.Task{Job: "example", Group: "cache", Task: "redis"})
	for _, tt := range []struct {
		name    string
		headers []string
		status  int
	}{
		{"none", nil, 401},
		{"empty", []string{"X-Nomad-Token", ""}, 401},
		{"spaces", []string{"X-Nomad-Token", "  "}, 401},
		{"basic", []string{"Authorization", "Basic " + token}, 401},
		{"no scheme", []string{"Authorization", token}, 401},
		{"scheme alone", []string{"Authorization", "Bearer"}, 401},
		{"scheme and spaces", []string{"Authorization", "Bearer   "}, 401},
		{"header", []string{"X-Nomad-Token", token}, 200},
		{"header with spaces", []string{"X-Nomad-Token", " " + token + " "}, 200},
		{"bearer", []string{"Authorization", "Bearer " + token}, 200},
		{"bearer in any case", []string{"Authorization", "bEaReR " + token}, 200},
		{"bearer and more", []string{"Authorization", "Bearer  " + token + " x"}, 200},
		{"header before bearer", []string{"X-Nomad-Token", "not-a-token", "Authorization", "Bearer " + token}, 403},
		{"empty header, then bearer", []string{"X-Nomad-Token", "", "Authorization", "Bearer " + token}, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if a := w.do(w.task, "", "GET", "/v1/vars", nil, tt.headers...); a.status != tt.status {
				t.Errorf("got %v, want %d", a, tt.status)
			}
		})
	}
}

// TestTaskDoor is the table of what a task's requests are answered.
func TestTaskDoor(t *testing.T) {
	w := newWorld(t)
	task := state.Task{AllocID: state.NewID(), Job: "example", Group: "cache", Task: "redis"}
	token := w.start(task)
	expired := w.sign(identity.Claims{Subject: "global:default:example:cache:redis:default", Audience: []string{"nomadproject.io"},
		Namespace: "default", JobID: "example", AllocationID: task.AllocID, Task: "redis", Expiry: time.Now().Add(-time.Second)})
	foreign := w.sign(identity.Claims{Subject: "global:default:example:cache:redis:vault", Audience: []string{"vault.io"},
		Namespace: "default", JobID: "example", AllocationID: task.AllocID, Task: "redis"})
	ended := w.start(state.Task{AllocID: "ended", Job: "example", Group: "cache", Task: "gone"})
	if err := w.store.EndTask("ended", "gone"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, token, method, path string
		status                    int
		body                      string
	}{
		{"expired", expired, "GET", "/v1/vars", 403, "Forbidden"},
		{"for somebody else", foreign, "GET", "/v1/vars", 403, "Forbidden"},
		{"of a task that has ended", ended, "GET", "/v1/vars", 403, "Forbidden"},
		{"not permitted", token, "GET", "/v1/var/app/config", 403, "Permission denied"},
		{"unknown path", token, "GET", "/v1/nope", 404, ""},
		{"wrong method", token, "POST", "/v1/vars", 405, "Invalid method"},
		{"bad wait", token, "GET", "/v1/vars?wait=zz", 400, "Invalid wait timeBad Request"},
		{"bad wait on an unknown path", token, "GET", "/v1/nope?wait=zz", 400, "Invalid wait timeBad Request"},
		{"bad wait without a token", "", "GET", "/v1/vars?wait=zz", 401, "Unauthorized"},
		{"unknown region", token, "GET", "/v1/vars?region=elsewhere", 500, "No path to region"},
		{"own region", token, "GET", "/v1/vars?region=global", 200, "[]"},
		{"what Nomad has and we have not", token, "GET", "/v1/jobs", 403, "Permission denied"},
		{"keys", token, "GET", "/v1/operator/keyring/keys", 403, "Permission denied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if a := w.do(w.task, tt.token, tt.method, tt.path, nil); a.status != tt.status || a.body != tt.body {
				t.Errorf("got %v, want %d %s", a, tt.status, tt.body)
			}
		})
	}
}

func TestRegionsOfTasks(t *testing.T) {
	w := newWorld(t)
	token := w.start(state.Task{Region: "eu", Job: "j", Group: "g", Task: "t"})
	if a := w.do(w.task, token, "GET", "/v1/vars?region=eu", nil); a.status != 200 {
		t.Errorf("its own region: %v", a)
	}
	if a := w.do(w.task, token, "GET", "/v1/regions", nil); a.body != `["eu","global"]` {
		t.Errorf("regions: %v", a)
	}
}

func TestDoorsOfTheOperator(t *testing.T) {
	w := newWorld(t)
	w.must("PUT", "/v1/var/app/config", obj{"Items": obj{"k": "v"}})
	token := w.start(state.Task{Job: "j", Group: "g", Task: "t"})
	trusted, open := w.api.TrustedHandler(), w.api.OperatorHandler(false)
	for _, tt := range []struct {
		name   string
		h      http.Handler
		token  string
		status int
	}{
		{"trusted without a token", trusted, "", 200},
		{"trusted with a workload's", trusted, token, 403},
		{"trusted with a bad one", trusted, "not-a-token", 403},
		{"trusted with the operator's", trusted, w.mgmt, 200},
		{"open without a token", open, "", 200},
		{"open with a bad one", open, "not-a-token", 200},
		{"operator without a token", w.http, "", 403},
		{"operator with a workload's", w.http, token, 403},
		{"operator with the operator's", w.http, w.mgmt, 200},
		{"task door, whatever the operators' is", w.task, "", 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if a := w.do(tt.h, tt.token, "GET", "/v1/var/app/config", nil); a.status != tt.status {
				t.Errorf("got %v, want %d", a, tt.status)
			}
		})
	}
	a := w.do(trusted, "", "GET", "/v1/acl/token/self", nil)
	if !strings.Contains(a.body, `"AccessorID":"operator"`) || strings.Contains(a.body, w.mgmt) {
		t.Errorf("the operator's token: %v", a)
	}
}

func TestHosts(t *testing.T) {
	w := newWorld(t, func(c *httpapi.Config) { c.Hosts = []string{"nomad.internal"} })
	const refusal = "Forbidden: this server does not answer to the name in the Host header; use an IP address or localhost"
	for host, ok := range map[string]bool{
		"127.0.0.1:4646": true, "127.0.0.1": true, "localhost:4646": true, "LOCALHOST.": true, "x.localhost": true, "[::1]:4646": true,
		"[fe80::1]": true, "10.1.2.3:80": true, "nomad.internal:4646": true, "NOMAD.internal": true, "": true,
		"evil.example:4646": false, "127.0.0.1.evil.example": false, "localhost.evil.example": false, "nomad.internal.evil.example": false,
		"1.2.3": false,
	} {
		a := w.do(w.http, w.mgmt, "GET", "/v1/vars", nil, "Host", host)
		if (a.status == 200) != ok || !ok && (a.status != 403 || a.body != refusal) {
			t.Errorf("host %q: %v", host, a)
		}
		if a := w.do(w.http, "", "GET", "/.well-known/jwks.json", nil, "Host", host); a.status != 200 {
			t.Errorf("keys for host %q: %v", host, a)
		}
		if a := w.do(w.task, w.mgmt, "GET", "/v1/vars", nil, "Host", host); a.status != 200 {
			t.Errorf("task door, host %q: %v", host, a)
		}
	}
}

func TestCrossOrigin(t *testing.T) {
	w := newWorld(t)
	open := w.api.OperatorHandler(false)
	body := obj{"Items": obj{"a": "b"}}
	for _, tt := range []struct {
		name    string
		headers []string
		status  int
	}{
		{"no browser", nil, 200},
		{"another site", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"another origin", []string{"Origin", "http://evil.example"}, 403},
		{"the same", []string{"Sec-Fetch-Site", "same-origin"}, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := w.do(open, "", "PUT", "/v1/var/a", body, tt.headers...)
			if a.status != tt.status {
				t.Errorf("got %v, want %d", a, tt.status)
			}
			if h := a.header.Get("Access-Control-Allow-Origin"); h != "" {
				t.Errorf("another origin may read it: %s", h)
			}
		})
	}
}

func TestCompression(t *testing.T) {
	w := newWorld(t)
	w.must("PUT", "/v1/var/big", obj{"Items": obj{"k": strings.Repeat("x", 5000)}})
	w.must("PUT", "/v1/var/small", obj{"Items": obj{"k": "x"}})
	for _, tt := range []struct {
		door     http.Handler
		path     string
		accept   string
		compress bool
	}{
		{w.http, "/v1/var/big", "gzip", true},
		{w.http, "/v1/var/big", "deflate, gzip;q=1.0", true},
		{w.http, "/v1/var/big", "*", true},
		{w.http, "/v1/var/big", "gzip;q=0", false},
		{w.http, "/v1/var/big", "br", false},
		{w.http, "/v1/var/big", "", false},
		{w.http, "/v1/var/small", "gzip", false},
		{w.task, "/v1/var/big", "gzip", false},
	} {
		a := w.do(tt.door, w.mgmt, "GET", tt.path, nil, "Accept-Encoding", tt.accept)
		body := io.Reader(strings.NewReader(a.body))
		if got := a.header.Get("Content-Encoding") == "gzip"; got != tt.compress {
			t.Errorf("%s, Accept-Encoding %q: compressed %t", tt.path, tt.accept, got)
		} else if got {
			var err error
			if body, err = gzip.NewReader(body); err != nil {
				t.Fatal(err)
			}
		}
		text, err := io.ReadAll(body)
		if err != nil || !strings.Contains(string(text), `"Items":{"k":"x`) {
			t.Errorf("%s, Accept-Encoding %q: %.100s (%v)", tt.path, tt.accept, text, err)
		}
	}
}

func TestRedirects(t *testing.T) {
	w := newWorld(t)
	for path, want := range map[string]string{
		"/": "/ui/", "/v1/var/a//b": "/v1/var/a/b", "/v1/var/a/../b": "/v1/var/b", "/v1/./vars": "/v1/vars", "/v1/service": "/v1/service/", "/v1/acl/policy": "/v1/acl/policy/",
	} {
		for _, token := range []string{w.mgmt, ""} {
			a := w.do(w.http, token, "GET", path, nil)
			if a.status != 307 || a.header.Get("Location") != want {
				t.Errorf("%s: %v to %s", path, a, a.header.Get("Location"))
			}
		}
		if a := w.do(w.task, "", "GET", path, nil); a.status != 401 {
			t.Errorf("task door: %s: %v", path, a)
		}
	}
}

func TestBodyLimit(t *testing.T) {
	w := newWorld(t)
	a := w.as("PUT", "/v1/var/a", `{"Items":{"k":"`+strings.Repeat("x", 2<<20)+`"}}`)
	if a.status != 413 || a.body != "Request body is larger than 1048576 bytes" {
		t.Errorf("got %v", a)
	}
	// 64 KiB of items fit, however they are escaped.
	a = w.as("PUT", "/v1/var/a", `{"Items":{"k":"`+strings.Repeat(`\u0001`, 65535)+`"}}`)
	if a.status != 200 {
		t.Errorf("got %d", a.status)
	}
}
