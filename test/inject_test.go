package test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestInjectToken: with -inject-token the task's own user needs no token on the
// socket; one that is sent always wins, and a port injects nothing.
func TestInjectToken(t *testing.T) {
	w := newWorld(t)
	addr := filepath.Join(w.dir, "addr")
	tk := w.start("redis", []string{"-job", "example", "-inject-token", "-listen", "127.0.0.1:0"}, "sh", "-c", `echo "$NOMAD_ADDR" > `+addr+`; exec sleep 600`)
	var url string
	eventually(t, "the task to write its address", func() bool {
		b, _ := os.ReadFile(addr)
		url = strings.TrimSpace(string(b))
		return strings.HasPrefix(url, "http://127.0.0.1:")
	})
	for name, c := range map[string]struct {
		header http.Header
		socket int
		port   int
	}{
		"nothing":       {nil, 200, 401},
		"its own token": {as(tk.token()), 200, 200},
		"a bad token":   {as("garbage"), 403, 403},
		"an empty one":  {http.Header{"X-Nomad-Token": {""}}, 401, 401},
		"other scheme":  {http.Header{"Authorization": {"Basic dTpw"}}, 401, 401},
	} {
		if status, body := tk.ask("GET", "/v1/vars", c.header, ""); status != c.socket {
			t.Errorf("%s on the socket: %d %s, want %d", name, status, body, c.socket)
		}
		status, body, err := askThrough(http.DefaultClient, url+"/v1/vars", "GET", c.header, "")
		if err != nil || status != c.port {
			t.Errorf("%s on the port: %d %s %v, want %d", name, status, body, err, c.port)
		}
	}
}

// TestInjectTokenForOthers: only the task's own user is let in, and not even root
// in its place.
func TestInjectTokenForOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run a task as another user, and ask as one that is not the task's")
	}
	w := newWorld(t)
	if err := os.Chmod(w.dir, 0o711); err != nil {
		t.Fatal(err)
	}
	tk := w.start("redis", []string{"-job", "example", "-inject-token", "-user", "65533"})
	if status, body := tk.ask("GET", "/v1/vars", nil, ""); status != 401 {
		t.Errorf("root without a token: %d %s, want 401", status, body)
	}
	if status, body := tk.ask("GET", "/v1/vars", as(tk.token()), ""); status != 200 {
		t.Errorf("root with the task's token: %d %s, want 200", status, body)
	}
}
