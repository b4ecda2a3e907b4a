package test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"
)

// operator is a leader started by hand, with a listener for operators.
type operator struct {
	w     *world
	cmd   *exec.Cmd
	url   string // of the listener
	token string // the management token
	done  chan struct{}
}

// lead starts `taskagent leader` with a listener on a free loopback port and
// waits until it leads.
func (w *world) lead(flags ...string) *operator {
	w.t.Helper()
	o := &operator{w: w, done: make(chan struct{})}
	o.cmd = w.command(append([]string{"leader", "-http", "127.0.0.1:0"}, flags...)...)
	var stderr syncBuffer
	o.cmd.Stderr = &stderr
	stdout, err := o.cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := o.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	go func() {
		_ = o.cmd.Wait()
		close(o.done)
	}()
	w.t.Cleanup(o.stop)
	if line != "ready\n" {
		w.t.Fatalf("the leader said %q, %v\n%s", line, err, stderr.String())
	}
	var status struct{ HTTP string }
	if err := json.Unmarshal([]byte(w.must("status", "-json")), &status); err != nil || status.HTTP == "" {
		w.t.Fatalf("no address of the operators' listener in the status: %v", err)
	}
	o.url = "http://" + status.HTTP
	token, err := os.ReadFile(filepath.Join(w.dataDir, "management.token"))
	if err != nil {
		w.t.Fatal(err)
	}
	o.token = strings.TrimSpace(string(token))
	return o
}

// stop ends the leader with SIGTERM and waits for it.
func (o *operator) stop() {
	_ = o.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-o.done:
	case <-time.After(20 * time.Second):
		_ = o.cmd.Process.Kill()
		<-o.done
		o.w.t.Error("the leader did not end within 20s of SIGTERM")
	}
}

// leaderSocket is the URL of the socket that vouches for the operator.
func (w *world) leaderSocket() string { return "unix://" + filepath.Join(w.dataDir, "leader.sock") }

// nomadClient is Nomad's own client for an address and a token.
func nomadClient(t *testing.T, address, token string) *api.Client {
	t.Helper()
	c, err := api.NewClient(&api.Config{Address: address, SecretID: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// client is Nomad's own client speaking as the task, over its socket.
func (tk *task) client() *api.Client {
	tk.t.Helper()
	return nomadClient(tk.t, "unix://"+tk.socket(), tk.token())
}

// doors calls f for each way an operator's client can reach the leader: over
// TCP with the management token, and over the leader's socket without any.
func (o *operator) doors(t *testing.T, f func(t *testing.T, c *api.Client)) {
	t.Helper()
	t.Run("http", func(t *testing.T) { f(t, nomadClient(t, o.url, o.token)) })
	t.Run("socket", func(t *testing.T) { f(t, nomadClient(t, o.w.leaderSocket(), "")) })
}

// ok ends the test when err is not nil.
func ok(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// refused checks the status and text of what Nomad's client makes of a refusal.
func refused(t testing.TB, what string, err error, status int, text string) {
	t.Helper()
	e, is := err.(interface {
		error
		StatusCode() int
		Body() string
	})
	if !is {
		t.Errorf("%s: got %v, want a refusal with %d", what, err, status)
	} else if e.StatusCode() != status || !strings.Contains(e.Body(), text) {
		t.Errorf("%s: got %d %q, want %d with %q", what, e.StatusCode(), e.Body(), status, text)
	}
}
