package rpc_test

import (
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taskagent/taskagent/internal/nomad/rpc"
	"github.com/taskagent/taskagent/internal/nomad/tlsfiles"
	"github.com/taskagent/taskagent/test/nomadtest"
)

func fakeTLS(t *testing.T, cfg *tls.Config) string {
	f := nomadtest.NewFakeRPC(t, cfg)
	f.Set("a", &nomadtest.FakeAlloc{Job: "demo", Tasks: []string{"web"}})
	return f.Listen()
}

// TestTLS wants every mistake to be refused and named, at once.
func TestTLS(t *testing.T) {
	certs, others := nomadtest.NewCerts(t, "global"), nomadtest.NewCerts(t, "global")
	server := fakeTLS(t, certs.ServerConfig(t))
	plain := fakeTLS(t, nil)
	impostor := fakeTLS(t, certs.Config(t, certs.Client))
	stranger := fakeTLS(t, others.ServerConfig(t))
	old := certs.ServerConfig(t)
	old.MaxVersion = tls.VersionTLS11
	ancient := fakeTLS(t, old)
	const hungUp = "the server closed the connection without a word"
	for name, test := range map[string]struct {
		server string
		files  *tlsfiles.Files
		want   string // the end of the error, empty: none
		hint   string
	}{
		"as it should be":               {server, &certs.Client, "", ""},
		"without TLS":                   {plain, nil, "", ""},
		"a server without TLS":          {plain, &certs.Client, "TLS handshake: " + hungUp, "a server closes"},
		"a server with TLS":             {server, nil, hungUp, "a server closes"},
		"a server of another authority": {stranger, &certs.Client, "x509: certificate signed by unknown authority", "the servers' certificate"},
		"a client for a server": {impostor, &certs.Client,
			"x509: certificate is valid for client.global.nomad, localhost, not server.global.nomad", "the servers' certificate"},
		"no client certificate":         {server, &tlsfiles.Files{CA: certs.CA}, "remote error: tls: certificate required", "the servers want"},
		"a client of another authority": {server, &tlsfiles.Files{CA: certs.CA, Cert: others.Client.Cert, Key: others.Client.Key}, "remote error: tls: unknown certificate authority", "the servers want"},
		"an ancient version":            {ancient, &certs.Client, "remote error: tls: protocol version not supported", "the servers want"},
	} {
		c := newClient(t, rpc.Config{TLS: test.files, RetryFor: time.Second}, nil, test.server)
		begun := time.Now()
		var n int
		err := c.Do(t.Context(), getAlloc(&n))
		if test.want == "" {
			if err != nil || n != 1 {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil || !strings.HasSuffix(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
		if h, ok := errors.AsType[*rpc.Error](err); !ok || !strings.HasPrefix(h.Hint(), test.hint) {
			t.Errorf("%s: hint %q", name, h.Hint())
		}
		if gaveUp := time.Since(begun) < time.Second; gaveUp == strings.HasSuffix(test.want, hungUp) {
			t.Errorf("%s: tried for %s", name, time.Since(begun))
		}
	}
}

// TestTLSFilesAreReadAgain replaces the client's certificate between two calls.
func TestTLSFilesAreReadAgain(t *testing.T) {
	certs, others := nomadtest.NewCerts(t, "global"), nomadtest.NewCerts(t, "global")
	dir := t.TempDir()
	files := tlsfiles.Files{CA: certs.CA, Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key")}
	install := func(from tlsfiles.Files) {
		for to, from := range map[string]string{files.Cert: from.Cert, files.Key: from.Key} {
			data, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(to, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	install(others.Client)
	c := newClient(t, rpc.Config{TLS: &files, RetryFor: -1}, nil, fakeTLS(t, certs.ServerConfig(t)))
	var n int
	if err := c.Do(t.Context(), getAlloc(&n)); err == nil {
		t.Error("a certificate of another authority is good")
	}
	install(certs.Client)
	if err := c.Do(t.Context(), getAlloc(&n)); err != nil {
		t.Error(err)
	}
}

func TestNew(t *testing.T) {
	certs := nomadtest.NewCerts(t, "global")
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, cfg := range map[string]rpc.Config{
		"nomad rpc: servers, a region and a token are needed": {Region: "global", Token: secret},
		`nomad rpc: server "a" is not host:port`:              {Servers: []string{"a"}, Region: "global", Token: secret},
		`nomad rpc: read CA certificates: "` + empty + `" has none in PEM form`: {Servers: []string{"a:1"}, Region: "global", Token: secret,
			TLS: &tlsfiles.Files{CA: empty}},
		"nomad rpc: read client certificate: a certificate and its key are needed, and only one is given": {Servers: []string{"a:1"},
			Region: "global", Token: secret, TLS: &tlsfiles.Files{CA: certs.CA, Cert: certs.Client.Cert}},
		`nomad rpc: read client certificate "` + certs.Client.Cert + `" and key "` + certs.Server.Key + `": tls: private key does not match public key`: {
			Servers: []string{"a:1"}, Region: "global", Token: secret,
			TLS: &tlsfiles.Files{CA: certs.CA, Cert: certs.Client.Cert, Key: certs.Server.Key}},
	} {
		if _, err := rpc.New(cfg); err == nil || err.Error() != want {
			t.Errorf("%v", err)
		}
	}
}
