package leader_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taskagent/taskagent/internal/leader"
	"github.com/taskagent/taskagent/internal/leader/client"
	"github.com/taskagent/taskagent/internal/leader/datadir"
)

// door is a client of one of the leader's listeners.
func door(dial func(context.Context) (net.Conn, error)) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		DisableKeepAlives: true,
	}}
}

func get(t *testing.T, c *http.Client, url, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// Which door a request comes in by decides what it needs; a task's token opens
// them until the task has ended.
func TestDoors(t *testing.T) {
	dir := testDir(t)
	lead(t, leader.Config{DataDir: dir, Settings: leader.Settings{HTTP: ptr("0"), Issuer: ptr("http://i.example")}})
	s, err := client.Status(within(t, time.Minute), dir)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := os.ReadFile(filepath.Join(dir, datadir.Token))
	if err != nil {
		t.Fatal(err)
	}
	management := strings.TrimSpace(string(secret))
	l, started := start(t, dir, task("redis"), false)
	token := started.Tokens["default"]

	tasks := door(func(ctx context.Context) (net.Conn, error) { return client.DialTask(ctx, dir) })
	trusted, err := client.HTTP(within(t, time.Minute), client.Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	operators := http.DefaultClient
	check := func(name string, c *http.Client, url, token string, want int) {
		t.Helper()
		if got, body := get(t, c, url, token); got != want {
			t.Errorf("%s: %d %s, want %d", name, got, body, want)
		}
	}
	const path = "/v1/var/nomad/jobs/example"
	check("task door, no token", tasks, "http://x"+path, "", 401)
	check("task door, unknown path, no token", tasks, "http://x/nowhere", "", 401)
	check("task door, no way around", tasks, "http://x/taskagent/v1/status", "", 401)
	conn, err := client.DialTask(within(t, time.Minute), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
	if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || resp.StatusCode != 401 {
		t.Errorf("task door, OPTIONS *: %v %v", resp, err)
	}
	check("task door, garbage", tasks, "http://x"+path, "garbage", 403)
	check("task door, other audience", tasks, "http://x"+path, started.Tokens["aws"], 403)
	check("task door, token", tasks, "http://x"+path, token, 404)
	check("task door, not permitted", tasks, "http://x/v1/var/else", token, 403)
	check("task door, not ours either", tasks, "http://x/taskagent/v1/status", token, 404)
	check("leader.sock, no token", trusted, "http://x/v1/var/else", "", 404)
	check("leader.sock, token counts", trusted, "http://x/v1/var/else", token, 403)
	check("operators, no token", operators, "http://"+s.HTTP+"/v1/var/else", "", 403)
	check("operators, management", operators, "http://"+s.HTTP+"/v1/var/else", management, 404)
	check("operators, not ours", operators, "http://"+s.HTTP+"/taskagent/v1/status", management, 404)
	check("operators, keys", operators, "http://"+s.HTTP+"/.well-known/jwks.json", "", 200)
	check("operators, discovery", operators, "http://"+s.HTTP+"/.well-known/openid-configuration", "", 200)
	if err := l.End(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	check("task door, ended", tasks, "http://x"+path, token, 403)
	check("leader.sock, ended", trusted, "http://x"+path, token, 403)
}

// Whoever opens connections to the operators' listener and says nothing must
// not use up what agents need, nor keep the leader from ending.
func TestSilentConnections(t *testing.T) {
	dir := testDir(t)
	lead(t, leader.Config{DataDir: dir, Settings: leader.Settings{HTTP: ptr("0")}})
	s, err := client.Status(within(t, time.Minute), dir)
	if err != nil {
		t.Fatal(err)
	}
	before := openFiles(t)
	const many = 600
	for range many {
		conn, err := net.Dial("tcp", s.HTTP)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	start(t, dir, task("t"), false)
	// Our own ends of the connections are among them.
	if n := openFiles(t) - before - many; n > 300 {
		t.Errorf("%d silent connections cost the leader %d descriptors", many, n)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("the open files are not known here")
	}
	return len(names)
}

// A blocked request must not keep a leader from ending.
func TestBlockedRequestsEnd(t *testing.T) {
	dir := testDir(t)
	r := lead(t, leader.Config{DataDir: dir})
	c, err := client.HTTP(within(t, time.Minute), client.Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		resp, err := c.Get("http://x/v1/namespaces?index=1000000&wait=5m")
		if err == nil {
			resp.Body.Close()
		}
	}()
	time.Sleep(50 * time.Millisecond) // most likely it is blocked by now; the test holds either way
	began := time.Now()
	r.end(t)
	<-done
	if took := time.Since(began); took > 20*time.Second {
		t.Fatalf("took %v", took)
	}
}
