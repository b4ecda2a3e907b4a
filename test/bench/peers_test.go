//go:build linux

package bench_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// notRun says once, loudly, that a peer is missing.
func notRun(peer, why string) {
	if _, said := missing.LoadOrStore(peer, true); !said {
		fmt.Fprintf(os.Stderr, "\n*** NOT RUN: %s: %s. Its columns are missing below.\n\n", peer, why)
	}
}

var missing sync.Map

// installed returns a program's path, empty when it is not there.
func installed(name string) string {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 && !info.IsDir() {
			return path
		}
	}
	notRun(name, "it is not installed (Debian: apt-get install "+name+")")
	return ""
}

// awaitSocket waits until somebody listens.
func awaitSocket(tb testing.TB, socket string) string {
	tb.Helper()
	waitFor(tb, "a listener at "+socket, func() bool {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return socket
}

// bareServer starts a Go server that answers a fixed body and returns its socket.
func bareServer(tb testing.TB, body string) string {
	tb.Helper()
	socket := filepath.Join(tempDir(tb), "s")
	start(tb, exec.Command(bare(tb), "serve", socket, body))
	return awaitSocket(tb, socket)
}

// reverseProxy starts httputil.ReverseProxy in front of a socket.
func reverseProxy(tb testing.TB, upstream string) string {
	tb.Helper()
	socket := filepath.Join(tempDir(tb), "s")
	start(tb, exec.Command(bare(tb), "proxy", socket, upstream))
	return awaitSocket(tb, socket)
}

const nginxConf = `
daemon off;
pid %[1]s/pid;
error_log stderr error;
worker_processes auto;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/g;
  keepalive_requests 100000000;
  upstream door { server unix:%[2]s; keepalive 64; keepalive_requests 100000000; }
  server {
    listen unix:%[1]s/s;
    location / { proxy_pass http://door; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`

// nginx starts nginx in front of a socket and returns its own, empty without it.
func nginx(tb testing.TB, upstream string) string {
	tb.Helper()
	exe := installed("nginx")
	if exe == "" {
		return ""
	}
	dir := tempDir(tb)
	conf := filepath.Join(dir, "conf")
	text := fmt.Sprintf(nginxConf, dir, upstream)
	if os.Geteuid() == 0 {
		text = "user root;\n" + text // or its workers could not reach the door
	}
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	start(tb, exec.Command(exe, "-c", conf, "-p", dir, "-e", "stderr"))
	return awaitSocket(tb, filepath.Join(dir, "s"))
}

const haproxyConf = `
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  option http-keep-alive
  http-reuse always
frontend tasks
  bind unix@%s/s
  default_backend door
backend door
  server leader unix@%s
`

// haproxy starts HAProxy in front of a socket and returns its own, empty without it.
func haproxy(tb testing.TB, upstream string) string {
	tb.Helper()
	exe := installed("haproxy")
	if exe == "" {
		return ""
	}
	dir := tempDir(tb)
	conf := filepath.Join(dir, "conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, haproxyConf, dir, upstream), 0o600); err != nil {
		tb.Fatal(err)
	}
	start(tb, exec.Command(exe, "-f", conf, "-db", "-q"))
	return awaitSocket(tb, filepath.Join(dir, "s"))
}
