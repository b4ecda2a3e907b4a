package test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// world is a data directory with its leader and tasks; all are stopped at the
// end of the test.
type world struct {
	t       *testing.T
	dir     string
	dataDir string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := shortTempDir(t)
	w := &world{t: t, dir: dir, dataDir: filepath.Join(dir, "data")}
	t.Cleanup(func() {
		if err := stopLeader(w.dataDir); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(w.dataDir, "leader.log"))
			t.Logf("leader.log:\n%s", log)
		}
	})
	return w
}

// shortTempDir is t.TempDir with a name short enough for sockets.
func shortTempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ta")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// command makes a call of the binary that knows this world's data directory.
func (w *world) command(args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Env = append(cleanEnviron(), "TASKAGENT_DATA_DIR="+w.dataDir, "HOME="+w.dir,
		"PATH="+filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH"))
	return cmd
}

// cleanEnviron is the environment without what would make this a task.
func cleanEnviron() []string {
	var out []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "NOMAD_") && !strings.HasPrefix(kv, "TASKAGENT_") {
			out = append(out, kv)
		}
	}
	return out
}

// must runs the binary to its end and returns what it printed.
func (w *world) must(args ...string) string {
	w.t.Helper()
	cmd := w.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("taskagent %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// task is a running `taskagent run`.
type task struct {
	t      *testing.T
	cmd    *exec.Cmd
	dir    string // its secrets directory
	stderr *syncBuffer
	done   chan struct{}
	err    error
}

// start runs a task with a secrets directory of its own and waits for its
// socket and its token. The command defaults to a long sleep.
func (w *world) start(name string, flags []string, command ...string) *task {
	w.t.Helper()
	tk := w.launch(name, flags, command...)
	tk.waitReady()
	return tk
}

func (w *world) launch(name string, flags []string, command ...string) *task {
	w.t.Helper()
	return w.launchEnv(name, nil, flags, command...)
}

// launchEnv is launch with more variables in the agent's environment.
func (w *world) launchEnv(name string, env, flags []string, command ...string) *task {
	w.t.Helper()
	dir := filepath.Join(w.dir, name)
	if len(command) == 0 {
		command = []string{"sleep", "600"}
	}
	args := append([]string{"run", "-secrets-dir", dir}, flags...)
	tk := &task{t: w.t, cmd: w.command(append(append(args, "--"), command...)...), dir: dir, stderr: &syncBuffer{}, done: make(chan struct{})}
	tk.cmd.Stderr = tk.stderr
	tk.cmd.Env = append(tk.cmd.Env, env...)
	if err := tk.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		tk.err = tk.cmd.Wait()
		close(tk.done)
	}()
	w.t.Cleanup(tk.stop)
	return tk
}

func (tk *task) waitReady() {
	tk.t.Helper()
	eventually(tk.t, "task "+filepath.Base(tk.dir)+" to be ready", func() bool {
		select {
		case <-tk.done:
			tk.t.Fatalf("the task ended: %v\n%s", tk.err, tk.stderr)
		default:
		}
		_, err := os.Stat(tk.socket())
		return err == nil && tk.tokenOrEmpty() != ""
	})
}

func (tk *task) socket() string { return filepath.Join(tk.dir, "api.sock") }

func (tk *task) tokenOrEmpty() string {
	b, _ := os.ReadFile(filepath.Join(tk.dir, "nomad_token"))
	return string(b)
}

func (tk *task) token() string {
	tk.t.Helper()
	token := tk.tokenOrEmpty()
	if token == "" {
		tk.t.Fatal("the task has no token")
	}
	return token
}

// stop ends the task with SIGTERM and waits for its agent.
func (tk *task) stop() {
	select {
	case <-tk.done:
		return
	default:
	}
	_ = tk.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-tk.done:
	case <-time.After(20 * time.Second):
		_ = tk.cmd.Process.Kill()
		<-tk.done
		tk.t.Errorf("the agent did not end within 20s of SIGTERM:\n%s", tk.stderr)
	}
}

// ask sends one request over the task's socket.
func (tk *task) ask(method, path string, header http.Header, body string) (int, string) {
	tk.t.Helper()
	status, text, err := askSocket(tk.socket(), method, path, header, body)
	if err != nil {
		tk.t.Fatalf("%s %s: %v", method, path, err)
	}
	return status, text
}

func askSocket(socket, method, path string, header http.Header, body string) (int, string, error) {
	tr := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}
	return askThrough(&http.Client{Transport: tr, Timeout: time.Minute}, "http://localhost"+path, method, header, body)
}

func askThrough(c *http.Client, url, method string, header http.Header, body string) (int, string, error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// as is the header of a request with a token.
func as(token string) http.Header { return http.Header{"X-Nomad-Token": {token}} }

// eventually waits for what has to happen; the bound is for when it never does.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// syncBuffer is a bytes.Buffer that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
