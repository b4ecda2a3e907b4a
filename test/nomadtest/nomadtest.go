// Package nomadtest runs a real Nomad for tests: one server and one client on
// loopback, with ACLs, from the binary that NOMAD_BIN or PATH names.
//
// Without a binary a test that calls Start is skipped, and says so. What is
// started ends with the test, tasks and mounts included. It is for tests alone;
// nothing here is part of the program.
package nomadtest

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Options says how the cluster is to be. The zero Options has ACLs and no TLS.
type Options struct {
	// NoACL turns ACLs off.
	NoACL bool
	// TLS turns TLS on, for RPC with verified names, and for HTTP with client
	// certificates. The cluster's Certs are then set.
	TLS bool
	// NoClient is for tests that need no allocation.
	NoClient bool
}

// Cluster is a running Nomad.
type Cluster struct {
	Options
	// ServerHTTP and ClientHTTP are the URLs of their HTTP APIs, and RPC is the
	// server's RPC address.
	ServerHTTP, ClientHTTP, RPC string
	// Region is the cluster's, Dir where all of its data lies, and SecretFile the
	// file of the node's secret.
	Region, Dir, SecretFile string
	// Management is the token that may do everything; empty without ACLs.
	Management string
	// Certs are the certificates, with TLS.
	Certs *Certs

	t              testing.TB
	bin            string
	server, client *process
	http           *http.Client
	jobs           []string
}

// Binary returns the path of Nomad's binary, or skips the test.
func Binary(t testing.TB) string {
	t.Helper()
	bin := os.Getenv("NOMAD_BIN")
	if bin == "" {
		var err error
		if bin, err = exec.LookPath("nomad"); err != nil {
			t.Skip("NOT RUN: this test needs a real Nomad, and NOMAD_BIN is not set and nomad not in PATH")
		}
	}
	if testing.Short() {
		t.Skip("NOT RUN: this test starts a real Nomad, and -short was given")
	}
	return bin
}

// Start starts a cluster and waits until it can run tasks.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	c := &Cluster{Options: o, Region: "global", t: t, bin: Binary(t), http: &http.Client{Timeout: 30 * time.Second}}
	// Short: sockets of tasks lie deep inside of it.
	dir, err := os.MkdirTemp("", "nt")
	if err != nil {
		t.Fatal(err)
	}
	c.Dir = dir
	c.SecretFile = filepath.Join(dir, "client", "client", "secret-id")
	t.Cleanup(c.close)
	scheme := "http"
	if o.TLS {
		scheme = "https"
		c.Certs = NewCerts(t, c.Region)
		c.http.Transport = c.Certs.transport()
	}
	ports := freePorts(t, 4)
	c.RPC = addr(ports[1])
	c.ServerHTTP = scheme + "://" + addr(ports[0])
	c.server = c.process("server", fmt.Sprintf(serverConfig, ports[0], ports[1], ports[2]))
	c.StartServer()
	if !o.NoACL {
		var token struct{ SecretID string }
		c.Call("POST", "/v1/acl/bootstrap", nil, &token)
		c.Management = token.SecretID
	}
	if o.NoClient {
		return c
	}
	c.ClientHTTP = scheme + "://" + addr(ports[3])
	c.client = c.process("client", fmt.Sprintf(clientConfig, ports[3], c.RPC, loopback()))
	c.StartClient()
	return c
}

// loopback names the interface, so that nothing of this machine's own network gets
// into what the servers know.
func loopback() string {
	interfaces, _ := net.Interfaces()
	for _, i := range interfaces {
		if i.Flags&net.FlagLoopback != 0 {
			return i.Name
		}
	}
	return ""
}

func addr(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// commonConfig is what both agents have in their files.
const commonConfig = `
name = %q
data_dir = %q
bind_addr = "127.0.0.1"
log_level = "INFO"
disable_update_check = true
leave_on_interrupt = false
acl {
  enabled = %t
}
%s
`

const serverConfig = `
ports {
  http = %[1]d
  rpc  = %[2]d
  serf = %[3]d
}
advertise {
  http = "127.0.0.1:%[1]d"
  rpc  = "127.0.0.1:%[2]d"
  serf = "127.0.0.1:%[3]d"
}
server {
  enabled          = true
  bootstrap_expect = 1
}
`

const clientConfig = `
ports {
  http = %[1]d
}
advertise {
  http = "127.0.0.1:%[1]d"
  rpc  = "127.0.0.1"
  serf = "127.0.0.1"
}
client {
  enabled           = true
  servers           = [%[2]q]
  network_interface = %[3]q
  cpu_total_compute = 8000
  memory_total_mb   = 4096
  options = {
    "driver.allowlist"     = "raw_exec"
    "fingerprint.denylist" = "env_aws,env_gce,env_azure,env_digitalocean"
  }
}
plugin "raw_exec" {
  config {
    enabled = true
  }
}
`

// StartServer starts the server and waits until it leads and can sign.
func (c *Cluster) StartServer() {
	c.t.Helper()
	c.server.start()
	c.Eventually("the server to lead", func() bool {
		var keys struct{ Keys []any }
		return c.try("GET", c.ServerHTTP+"/.well-known/jwks.json", nil, &keys) && len(keys.Keys) > 0
	})
}

// StartClient starts the client and waits until its node is ready.
func (c *Cluster) StartClient() {
	c.t.Helper()
	c.client.start()
	c.Eventually("the node to be ready", func() bool {
		var nodes []struct{ Status string }
		return c.try("GET", c.ServerHTTP+"/v1/nodes", nil, &nodes) && len(nodes) == 1 && nodes[0].Status == "ready" &&
			c.try("GET", c.ClientHTTP+"/v1/agent/health?type=client", nil, nil)
	})
}

// StopServer ends the server the hard way.
func (c *Cluster) StopServer() { c.server.stop(syscall.SIGKILL) }

// StopClient ends the client the hard way; its tasks live on.
func (c *Cluster) StopClient() { c.client.stop(syscall.SIGKILL) }

// Logs returns what the agents logged.
func (c *Cluster) Logs() string {
	var b strings.Builder
	for _, p := range []*process{c.server, c.client} {
		if p != nil {
			data, _ := os.ReadFile(p.log)
			lines := bytes.Split(data, []byte("\n"))
			fmt.Fprintf(&b, "== %s\n%s\n", p.name, bytes.Join(lines[max(0, len(lines)-80):], []byte("\n")))
		}
	}
	return b.String()
}

// Eventually waits until f returns true.
func (c *Cluster) Eventually(what string, f func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !f(); time.Sleep(100 * time.Millisecond) {
		switch {
		case c.server.crashed(), c.client.crashed():
			c.t.Fatalf("Nomad ended while waiting for %s", what)
		case time.Now().After(deadline):
			c.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// freePorts returns ports that nobody listened on a moment ago.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}
