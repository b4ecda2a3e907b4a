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
	// Servers is their number. Zero: one.
	Servers int
}

// Cluster is a running Nomad.
type Cluster struct {
	Options
	// ServerHTTP and ClientHTTP are the URLs of the HTTP APIs of the first server and
	// of the client, RPC is the first server's RPC address, and RPCs are those of all.
	ServerHTTP, ClientHTTP, RPC string
	RPCs                        []string
	// Region is the cluster's, Dir where all of its data lies, and SecretFile the
	// file of the node's secret.
	Region, Dir, SecretFile string
	// Management is the token that may do everything; empty without ACLs.
	Management string
	// Certs are the certificates, with TLS.
	Certs *Certs

	t       testing.TB
	bin     string
	servers []*process
	client  *process
	http    *http.Client
	jobs    []string
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
	n := max(o.Servers, 1)
	ports := freePorts(t, 3*n+1)
	for i := range n {
		p := ports[3*i:]
		c.RPCs = append(c.RPCs, addr(p[1]))
		c.servers = append(c.servers, c.process(fmt.Sprintf("server%d", i), fmt.Sprintf(serverConfig, p[0], p[1], p[2], n, addr(ports[2]))))
	}
	c.RPC, c.ServerHTTP = c.RPCs[0], scheme+"://"+addr(ports[0])
	for _, s := range c.servers {
		s.start()
	}
	c.awaitLeader()
	if !o.NoACL {
		var token struct{ SecretID string }
		c.Call("POST", "/v1/acl/bootstrap", nil, &token)
		c.Management = token.SecretID
	}
	if o.NoClient {
		return c
	}
	port := ports[3*n]
	c.ClientHTTP = scheme + "://" + addr(port)
	c.client = c.process("client", fmt.Sprintf(clientConfig, port, strings.Join(c.RPCs, `", "`), loopback()))
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
  bootstrap_expect = %[4]d
  server_join {
    retry_join     = [%[5]q]
    retry_interval = "1s"
  }
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
  servers           = ["%[2]s"]
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

// StartServer starts the first server and waits until it has a leader and can sign.
func (c *Cluster) StartServer() {
	c.t.Helper()
	c.servers[0].start()
	c.awaitLeader()
}

func (c *Cluster) awaitLeader() {
	c.t.Helper()
	c.Eventually("the servers to have a leader", func() bool {
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

// StopServer ends the first server the hard way.
func (c *Cluster) StopServer() { c.servers[0].stop(syscall.SIGKILL) }

// StopLeader ends the server that leads, the hard way, and returns its number.
func (c *Cluster) StopLeader() (n int) {
	c.t.Helper()
	var leader string
	c.Call("GET", "/v1/status/leader", nil, &leader)
	for i, rpc := range c.RPCs {
		if rpc == leader {
			c.servers[i].stop(syscall.SIGKILL)
			return i
		}
	}
	c.t.Fatalf("the leader is %q", leader)
	return 0
}

// StopClient ends the client the hard way; its tasks live on.
func (c *Cluster) StopClient() { c.client.stop(syscall.SIGKILL) }

// Logs returns what the agents logged.
func (c *Cluster) Logs() string {
	var b strings.Builder
	for _, p := range append(c.servers[:len(c.servers):len(c.servers)], c.client) {
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
		for _, s := range c.servers {
			if s.crashed() {
				c.t.Fatalf("%s ended while waiting for %s", s.name, what)
			}
		}
		switch {
		case c.client.crashed():
			c.t.Fatalf("the client ended while waiting for %s", what)
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
