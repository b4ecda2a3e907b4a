package upstream_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/taskagent/taskagent/internal/nomad/tlsfiles"
	"github.com/taskagent/taskagent/internal/nomad/upstream"
	"github.com/taskagent/taskagent/test/nomadtest"
)

func TestNew(t *testing.T) {
	certs := nomadtest.NewCerts(t, "global")
	const want = "want http://host:port, https://host:port or unix:///path"
	for raw, test := range map[string]struct {
		cfg  upstream.Config
		want string // scheme and host, or the error
	}{
		"http://nomad:4646":     {upstream.Config{}, "http nomad:4646"},
		"http://nomad":          {upstream.Config{}, "http nomad:80"},
		"http://[::1]:4646/":    {upstream.Config{}, "http [::1]:4646"},
		"https://nomad":         {upstream.Config{TLS: certs.Client}, "https nomad:443"},
		"https://10.0.0.1:4646": {upstream.Config{ServerName: "server.global.nomad"}, "https 10.0.0.1:4646"},
		"nomad:4646":            {upstream.Config{}, want},
		"":                      {upstream.Config{}, want},
		"ftp://nomad":           {upstream.Config{}, want},
		"http://":               {upstream.Config{}, "it names no host"},
		"http://nomad/prefix":   {upstream.Config{}, "want no path: Nomad's API is at the root"},
		"http://nomad?x=1":      {upstream.Config{}, "want no more than a scheme and a place: no user, query or fragment"},
		"http://a b":            {upstream.Config{}, "it is not a URL"},
		"http://other:1":        {upstream.Config{TLS: certs.Client}, "http other:1"},
		"unix://relative/path":  {upstream.Config{}, "want unix:///path, with three slashes: the path must be absolute"},
		"unix://":               {upstream.Config{}, "the path must be absolute"},
		"https://missing":       {upstream.Config{TLS: tlsfiles.Files{CA: "/nowhere/ca"}}, "read CA certificates: open /nowhere/ca: "},
		"https://half":          {upstream.Config{TLS: tlsfiles.Files{Cert: "x"}}, "read client certificate: a certificate and its key are needed, and only one is given"},
	} {
		test.cfg.URL = raw
		got := ""
		u, err := upstream.New(test.cfg)
		if err == nil {
			got = u.Scheme + " " + u.Host
			if (u.Dial == nil) != (u.Scheme == "https") {
				t.Errorf("%q: a plain connection: %v", raw, u.Dial != nil)
			}
		} else {
			shown := raw
			if raw == "http://a b" {
				shown = "(not shown)"
			}
			var ok bool
			if got, ok = strings.CutPrefix(err.Error(), fmt.Sprintf("upstream %q: ", shown)); !ok {
				t.Errorf("%q: %v", raw, err)
			}
		}
		if got != test.want && !(strings.HasSuffix(test.want, ": ") && strings.HasPrefix(got, test.want)) {
			t.Errorf("%q: %s", raw, got)
		}
	}
	_, err := upstream.New(upstream.Config{URL: "https://user:hunter2@nomad"})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a password: %v", err)
	}
}

// TestPlaces reaches an API at every sort of place there is.
func TestPlaces(t *testing.T) {
	certs := nomadtest.NewCerts(t, "global")
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto, " ", r.Host) })
	plain := httptest.NewServer(hello)
	t.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(hello)
	secure.TLS = certs.ServerConfig(t)
	secure.EnableHTTP2 = true // it is not to be used all the same
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	dir := t.TempDir()
	socket := filepath.Join(dir, "api.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	local := &http.Server{Handler: hello}
	go local.Serve(l)
	t.Cleanup(func() { local.Close() })
	socketURL := "unix://" + filepath.ToSlash(socket)
	if runtime.GOOS == "windows" {
		socketURL = "unix:///" + filepath.ToSlash(socket)
	}

	host := func(s *httptest.Server) string { return s.Listener.Addr().String() }
	for name, test := range map[string]struct {
		cfg  upstream.Config
		want string // the answer, or the end of the error
	}{
		"http":                    {upstream.Config{URL: plain.URL}, "HTTP/1.1 " + host(plain)},
		"https":                   {upstream.Config{URL: secure.URL, TLS: certs.Client}, "HTTP/1.1 " + host(secure)},
		"https by another name":   {upstream.Config{URL: secure.URL, TLS: certs.Client, ServerName: "server.global.nomad"}, "HTTP/1.1 " + host(secure)},
		"unix":                    {upstream.Config{URL: socketURL}, "HTTP/1.1 localhost"},
		"nobody there":            {upstream.Config{URL: "unix:///nowhere/api.sock"}, "no such file or directory"},
		"a wrong name":            {upstream.Config{URL: secure.URL, TLS: certs.Client, ServerName: "server.mars.nomad"}, "not server.mars.nomad"},
		"no client certificate":   {upstream.Config{URL: secure.URL, TLS: tlsfiles.Files{CA: certs.CA}}, "remote error: tls: certificate required"},
		"the system's CAs":        {upstream.Config{URL: secure.URL}, "certificate signed by unknown authority"},
		"https where it is plain": {upstream.Config{URL: strings.Replace(plain.URL, "http:", "https:", 1), TLS: certs.Client}, "TLS handshake: the server does not speak TLS"},
	} {
		u, err := upstream.New(test.cfg)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		t.Cleanup(u.Close)
		req, _ := http.NewRequestWithContext(t.Context(), "GET", u.Scheme+"://"+u.Host+"/", nil)
		resp, err := u.Transport.RoundTrip(req)
		if err != nil {
			if runtime.GOOS != "windows" && !strings.HasSuffix(err.Error(), test.want) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != test.want {
			t.Errorf("%s: %s", name, body)
		}
	}
}

func TestStreamsAreKnown(t *testing.T) {
	for path, want := range map[string]bool{
		"/v1/event/stream?topic=Job":             true,
		"/v1/agent/monitor":                      true,
		"/v1/agent/monitor/export":               true,
		"/v1/operator/snapshot":                  true,
		"/v1/agent/pprof/profile?seconds=60":     true,
		"/v1/client/fs/stream/a?path=x":          true,
		"/v1/client/fs/logs/a?follow=true":       true,
		"/v1/client/fs/logs/a?follow=1":          true,
		"/v1/client/fs/logs/a?follow=false":      false,
		"/v1/client/fs/logs/a":                   false,
		"/v1/client/fs/cat/a?path=x&follow=true": false,
		"/v1/jobs":                               false,
		"/v1/agent/monitors":                     false,
		"/v1/agent/self":                         false,
	} {
		if got := upstream.Streams(httptest.NewRequest("GET", path, nil)); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}
