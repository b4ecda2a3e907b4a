//go:build linux

package test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taskagent/taskagent/test/nomadtest"
)

const besideJob = `
job "beside" {
  group "g" {
    task "t" {
      driver = "raw_exec"
      config {
        command = "sleep"
        args    = ["3600"]
      }
      identity {
        file = true
      }
      identity {
        name = "short"
        aud  = ["elsewhere"]
        file = true
        ttl  = "20s"
      }
      resources {
        cpu    = 50
        memory = 64
      }
    }
  }
}
`

// TestBesideNomad runs taskagent outside of the allocation, on the same node: it
// fetches the identities from the servers over RPC.
func TestBesideNomad(t *testing.T) {
	nomadtest.Binary(t)
	if testing.Short() {
		t.Skip("renewals of a real Nomad take 10 s and more each")
	}
	for name, o := range map[string]nomadtest.Options{"plain": {}, "tls": {TLS: true}, "acl off": {NoACL: true}} {
		t.Run(name, func(t *testing.T) { besideNomad(t, o) })
	}
}

func besideNomad(t *testing.T, o nomadtest.Options) {
	c := nomadtest.Start(t, o)
	c.Call("PUT", "/v1/var/nomad/jobs/beside", map[string]any{"Path": "nomad/jobs/beside", "Items": map[string]string{"k": "v"}}, nil)
	id := c.Run(besideJob)
	w := newWorld(t)
	flags := []string{"-source", "nomad", "-region", c.Region, "-alloc-id", id, "-task", "t", "-nomad-rpc", c.RPC, "-node-secret-file", c.SecretFile,
		"-upstream", c.ClientHTTP, "-identity", "name=short,aud=elsewhere,file,env,change_mode=signal,change_signal=SIGHUP"}
	if o.TLS {
		flags = append(flags, "-ca-cert", c.Certs.CA, "-client-cert", c.Certs.Client.Cert, "-client-key", c.Certs.Client.Key)
	}
	log := filepath.Join(w.dir, "log")
	tk := w.start("beside", flags, "sh", "-c", `echo "$NOMAD_NAMESPACE $NOMAD_JOB_ID $NOMAD_GROUP_NAME $NOMAD_TASK_NAME $NOMAD_ALLOC_ID" > `+log+`
trap 'echo hup >> `+log+`' HUP
trap 'echo stopped >> `+log+`; exit 0' INT
while :; do sleep 0.1; done`)
	line := "default beside g t " + id
	c.Eventually("the task to know itself", func() bool { b, _ := os.ReadFile(log); return strings.HasPrefix(string(b), line+"\n") })

	garbage, uuid := 403, 403 // also where ACLs are off and the cluster would not look
	for path, want := range map[string]int{"/v1/var/nomad/jobs/beside": 200, "/v1/vars": 200, "/v1/nope": 404} {
		if status, body := tk.ask("GET", path, as(tk.token()), ""); status != want {
			t.Errorf("%s: %d %s, want %d", path, status, body, want)
		}
	}
	for name, c := range map[string]struct {
		header http.Header
		want   int
	}{"no token": {nil, 401}, "garbage": {as("garbage"), garbage}, "uuid": {as("11111111-1111-1111-1111-111111111111"), uuid}} {
		if status, body := tk.ask("GET", "/v1/vars", c.header, ""); status != c.want {
			t.Errorf("%s: %d %s, want %d", name, status, body, c.want)
		}
	}
	if !o.NoACL {
		if status, body := tk.ask("GET", "/v1/acl/token/self", as(c.Management), ""); status != 200 {
			t.Errorf("an ACL token of the cluster's: %d %s, want 200", status, body)
		}
		streams(t, c, tk)
	}

	// The identity is renewed and the task told.
	first, _ := os.ReadFile(filepath.Join(tk.dir, "nomad_short.jwt"))
	c.Eventually("a renewal", func() bool {
		b, _ := os.ReadFile(log)
		now, _ := os.ReadFile(filepath.Join(tk.dir, "nomad_short.jwt"))
		return strings.Contains(string(b), "hup") && string(now) != string(first) && len(now) > 0
	})

	// The server goes away and comes back.
	c.StopServer()
	c.StartServer()
	c.Eventually("the Task API to heal", func() bool {
		status, _, err := askSocket(tk.socket(), "GET", "/v1/var/nomad/jobs/beside", as(tk.token()), "")
		return err == nil && status == 200
	})
	before, _ := os.ReadFile(filepath.Join(tk.dir, "nomad_short.jwt"))
	c.Eventually("renewals to go on", func() bool {
		now, _ := os.ReadFile(filepath.Join(tk.dir, "nomad_short.jwt"))
		return string(now) != string(before)
	})

	// The job is stopped: the task is, too, and that is no failure.
	c.StopJob("beside", false)
	select {
	case <-tk.done:
	case <-time.After(30 * time.Second):
		t.Fatalf("the task goes on after its job was stopped\n%s", tk.stderr)
	}
	if b, _ := os.ReadFile(log); tk.err != nil || !strings.Contains(string(b), "stopped") {
		t.Errorf("it ended with %v, log %q\n%s", tk.err, b, tk.stderr)
	}
}

// streams reads an event from the event stream through the agent.
func streams(t *testing.T, c *nomadtest.Cluster, tk *task) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://localhost/v1/event/stream?topic=*", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = as(c.Management)
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", tk.socket())
	}}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Errorf("event stream: %v", err)
		return
	}
	defer resp.Body.Close()
	go c.Call("PUT", "/v1/namespace/events", map[string]string{"Name": "events"}, nil)
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if strings.Contains(lines.Text(), "Events") {
			return
		}
	}
	t.Errorf("event stream: it ended without an event: %v", ctx.Err())
}
