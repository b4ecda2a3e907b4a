package nomad_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/nomad"
	"github.com/taskagent/taskagent/internal/nomad/tlsfiles"
	"github.com/taskagent/taskagent/renew"
	"github.com/taskagent/taskagent/test/nomadtest"
)

// demoJob has identities of every sort, and a task that ends by itself.
const demoJob = `
job "demo" {
  group "g" {
    task "web" {
      driver = "raw_exec"
      config {
        command = "sleep"
        args    = ["3600"]
      }
      identity {
        name = "aws"
        aud  = ["sts.amazonaws.com", "other"]
        ttl  = "1h"
      }
      identity {
        name = "short"
        aud  = ["nomadproject.io"]
        ttl  = "20s"
      }
      resources {
        cpu    = 50
        memory = 32
      }
    }
    task "short-lived" {
      driver = "raw_exec"
      lifecycle {
        hook = "prestart"
      }
      config {
        command = "true"
      }
      resources {
        cpu    = 50
        memory = 32
      }
    }
    service {
      name     = "svc"
      provider = "nomad"
      identity {
        name = "svcid"
        aud  = ["svc.example"]
        ttl  = "1h"
      }
    }
  }
}
`

// demoIdentities are those that a Source is told of in these tests.
var demoIdentities = []identity.Spec{
	{Name: "default"}, {Name: "aws"}, {Name: "short"}, {Name: "svcid", Service: "svc"}, {Name: "other"},
}

func realSource(t *testing.T, c *nomadtest.Cluster, change func(*nomad.Config)) *nomad.Source {
	t.Helper()
	cfg := nomad.Config{
		Servers: []string{c.RPC}, Region: c.Region, SecretFile: c.SecretFile, Task: "web",
		Identities: demoIdentities, RetryFor: -1,
	}
	if c.TLS {
		cfg.TLS = &c.Certs.Client
	}
	change(&cfg)
	s, err := nomad.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// keySet returns the keys that the cluster publishes.
func keySet(t *testing.T, c *nomadtest.Cluster) identity.KeySet {
	t.Helper()
	resp, err := http.Get(c.ServerHTTP + "/.well-known/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := identity.ParseKeySet(data)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestRealNomad takes identities from a running Nomad, and watches their task end.
func TestRealNomad(t *testing.T) {
	c := nomadtest.Start(t, nomadtest.Options{})
	alloc := c.Run(demoJob)
	ctx := t.Context()
	s := realSource(t, c, func(cfg *nomad.Config) { cfg.AllocID = alloc })

	t.Run("identities", func(t *testing.T) {
		names := []string{"default", "aws", "short", "svcid"}
		tokens, err := s.Fetch(ctx, names)
		if err != nil {
			t.Fatal(err)
		}
		keys := keySet(t, c)
		for name, want := range map[string]struct {
			subject, audience, task, service string
			ttl                              time.Duration
		}{
			"default": {"global:default:demo:g:web:default", "nomadproject.io", "web", "", 0},
			"aws":     {"global:default:demo:g:web:aws", "sts.amazonaws.com", "web", "", time.Hour},
			"short":   {"global:default:demo:g:web:short", "nomadproject.io", "web", "", 20 * time.Second},
			"svcid":   {"global:default:demo:g:svc:svcid", "svc.example", "", "svc", time.Hour},
		} {
			claims, err := identity.Verify(tokens[name].Reveal(), keys, identity.VerifyOptions{Audience: want.audience, Leeway: time.Minute})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			t.Logf("%s: %+v", name, claims)
			if claims.Subject != want.subject || claims.Task != want.task || claims.Service != want.service || claims.AllocationID != alloc {
				t.Errorf("%s: %+v", name, claims)
			}
			if want.ttl == 0 && !claims.Expiry.IsZero() || want.ttl != 0 && claims.Expiry.Sub(claims.IssuedAt) != want.ttl {
				t.Errorf("%s: from %s to %s", name, claims.IssuedAt, claims.Expiry)
			}
		}
		if len(tokens) != len(names) {
			t.Errorf("got %d tokens", len(tokens))
		}
		// The default identity is the one the Nomad client delivers.
		path := filepath.Join(c.Dir, "client", "alloc", alloc, "web", "secrets", "nomad_token")
		if delivered, err := os.ReadFile(path); err == nil && string(delivered) != tokens["default"].Reveal() {
			t.Error("the default identity is another than the delivered one")
		}
	})

	t.Run("renewal", func(t *testing.T) {
		first, err := s.Fetch(ctx, []string{"short"})
		if err != nil {
			t.Fatal(err)
		}
		c.Eventually("another token", func() bool {
			second, err := s.Fetch(ctx, []string{"short"})
			return err == nil && second["short"].Expiry().After(first["short"].Expiry())
		})
	})

	t.Run("describe", func(t *testing.T) {
		a, err := s.Describe(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if a.ID != alloc || a.Name != "demo.g[0]" || a.Namespace != "default" || a.Job != "demo" || a.Group != "g" {
			t.Errorf("got %+v", a)
		}
	})

	t.Run("rejections", func(t *testing.T) { testRejections(t, c, alloc) })
	t.Run("server restart", func(t *testing.T) {
		patient := realSource(t, c, func(cfg *nomad.Config) { cfg.AllocID, cfg.RetryFor = alloc, time.Minute })
		c.StopServer()
		got := make(chan error, 1)
		go func() {
			_, err := patient.Fetch(ctx, []string{"default", "short"})
			for err != nil && strings.HasSuffix(err.Error(), "Permission denied") && ctx.Err() == nil {
				// What a server says before it has read its own log. It may pass, so it
				// must not be permanent: a Renewer tries again.
				t.Log(err)
				time.Sleep(time.Second)
				_, err = patient.Fetch(ctx, []string{"default", "short"})
			}
			got <- err
		}()
		_, err := s.Fetch(ctx, []string{"short"})
		if err == nil || !strings.HasSuffix(err.Error(), "connection refused") {
			t.Errorf("with the server down: %v", err)
		}
		c.StartServer()
		if err := <-got; err != nil {
			t.Errorf("after the server came back: %v", err)
		}
	})
	t.Run("end", func(t *testing.T) { testEnd(t, c, s, alloc) })
}

func testRejections(t *testing.T, c *nomadtest.Cluster, alloc string) {
	const missing = "00000000-1111-2222-3333-444444444444"
	wrong := filepath.Join(t.TempDir(), "secret-id")
	if err := os.WriteFile(wrong, []byte(missing), 0o600); err != nil {
		t.Fatal(err)
	}
	prefix := `fetch identities of task "web" in allocation "` + alloc + `": call Alloc.SignIdentities: server ` + c.RPC + ": "
	for name, test := range map[string]struct {
		change    func(*nomad.Config)
		identity  string
		want      string
		permanent bool
	}{
		"unknown identity": {nil, "other",
			`the servers do not sign identities of task "web" in allocation "` + alloc + `": "other" (identity not found)`, true},
		"identity that was not given": {nil, "nobody", `fetch identity "nobody": it is not one that this task was given`, true},
		"unknown allocation": {func(cfg *nomad.Config) { cfg.AllocID = missing }, "aws",
			`task "web" of allocation "` + missing + `" is gone: allocation not found`, true},
		"unknown allocation, default": {func(cfg *nomad.Config) { cfg.AllocID = missing }, "default",
			`task "web" of allocation "` + missing + `" is gone: allocation not found`, true},
		"unknown task": {func(cfg *nomad.Config) { cfg.Task = "nobody" }, "aws",
			`task "nobody" of allocation "` + alloc + `" is gone: task not found`, true},
		"unknown task, default": {func(cfg *nomad.Config) { cfg.Task = "nobody" }, "default",
			`task "nobody" of allocation "` + alloc + `" is gone: task not found`, true},
		"dead task": {func(cfg *nomad.Config) { cfg.Task = "short-lived" }, "default",
			`task "short-lived" of allocation "` + alloc + `" is gone: the task is dead`, true},
		"unknown secret": {func(cfg *nomad.Config) { cfg.SecretFile = wrong }, "aws", prefix + "Permission denied", false},
		"unknown region": {func(cfg *nomad.Config) { cfg.Region = "mars" }, "aws", prefix + "No path to region", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := realSource(t, c, func(cfg *nomad.Config) {
				cfg.AllocID = alloc
				if test.change != nil {
					test.change(cfg)
				}
			})
			// Beside a rejected one a good one is handed out all the same.
			tokens, err := s.Fetch(t.Context(), []string{test.identity})
			if err == nil || err.Error() != test.want || renew.IsPermanent(err) != test.permanent {
				t.Errorf("got %v, permanent %v", err, renew.IsPermanent(err))
			}
			if len(tokens) != 0 {
				t.Errorf("got %d tokens", len(tokens))
			}
		})
	}
	t.Run("beside a good one", func(t *testing.T) {
		s := realSource(t, c, func(cfg *nomad.Config) { cfg.AllocID = alloc })
		tokens, err := s.Fetch(t.Context(), []string{"aws", "default", "other"})
		var rejected *nomad.RejectedError
		if !errors.As(err, &rejected) || len(rejected.Identities) != 1 || len(tokens) != 2 {
			t.Errorf("got %v and %d tokens", err, len(tokens))
		}
	})
}

func testEnd(t *testing.T, c *nomadtest.Cluster, s *nomad.Source, alloc string) {
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Watch(ctx) }()
	cancel()
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Errorf("Watch of a done context: %v", err)
	}

	ended := make(chan error, 1)
	go func() { ended <- s.Watch(t.Context()) }()
	// Another job makes news that is none.
	c.Run(strings.ReplaceAll(demoJob, `"demo"`, `"noise"`))
	select {
	case err := <-ended:
		t.Fatalf("Watch ended early: %v", err)
	default:
	}
	c.StopJob("demo", false)
	select {
	case err := <-ended:
		want := `task "web" of allocation "` + alloc + `" is gone: the allocation is to end (desired status "stop")`
		if err == nil || err.Error() != want || !renew.IsPermanent(err) {
			t.Errorf("got %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Watch does not notice the end of the allocation")
	}
	if _, err := s.Fetch(t.Context(), []string{"default"}); !renew.IsPermanent(err) {
		t.Errorf("Fetch after the end: %v", err)
	}
	c.Eventually("the allocation to be forgotten", func() bool {
		c.GC()
		_, err := s.Fetch(t.Context(), []string{"aws"})
		return err != nil && strings.HasSuffix(err.Error(), "is gone: allocation not found")
	})
	if err := s.Watch(t.Context()); err == nil || !strings.HasSuffix(err.Error(), "is gone: allocation not found") {
		t.Errorf("Watch of a forgotten allocation: %v", err)
	}
}

// TestRealNomadTLS does the same where servers and clients prove who they are.
func TestRealNomadTLS(t *testing.T) {
	c := nomadtest.Start(t, nomadtest.Options{TLS: true})
	alloc := c.Run(demoJob)
	fetch := func(change func(*nomad.Config)) error {
		s := realSource(t, c, func(cfg *nomad.Config) { cfg.AllocID = alloc; change(cfg) })
		_, err := s.Fetch(t.Context(), []string{"default", "aws", "svcid"})
		return err
	}
	if err := fetch(func(*nomad.Config) {}); err != nil {
		t.Error(err)
	}
	for name, test := range map[string]struct {
		change func(*nomad.Config)
		want   string
	}{
		"no TLS": {func(cfg *nomad.Config) { cfg.TLS = nil }, "the server closed the connection without a word"},
		"no client certificate": {func(cfg *nomad.Config) { cfg.TLS = &tlsfiles.Files{CA: c.Certs.CA} },
			"remote error: tls: certificate required"},
		"client certificate of another role": {func(cfg *nomad.Config) {
			f := c.Certs.Issue(t, "cli.global.nomad")
			cfg.TLS = &f
		}, "remote error: tls: bad certificate"},
		"another authority": {func(cfg *nomad.Config) { cfg.TLS.CA = nomadtest.NewCerts(t, "global").CA },
			"certificate signed by unknown authority"},
		"another region": {func(cfg *nomad.Config) { cfg.Region = "mars" },
			"x509: certificate is valid for server.global.nomad, localhost, not server.mars.nomad"},
	} {
		files := c.Certs.Client
		err := fetch(func(cfg *nomad.Config) { cfg.TLS = &files; test.change(cfg) })
		if err == nil || !strings.HasSuffix(err.Error(), test.want) && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRealElection kills the leader of three servers. Renewals go on.
func TestRealElection(t *testing.T) {
	c := nomadtest.Start(t, nomadtest.Options{Servers: 3})
	alloc := c.Run(demoJob)
	s := realSource(t, c, func(cfg *nomad.Config) {
		cfg.AllocID, cfg.Servers, cfg.RetryFor = alloc, c.RPCs, 30*time.Second
	})
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- s.Watch(ctx) }()
	fetch := func() {
		t.Helper()
		begun := time.Now()
		if _, err := s.Fetch(ctx, []string{"default", "short", "svcid"}); err != nil {
			t.Error(err)
		}
		t.Logf("fetched in %s", time.Since(begun).Round(time.Millisecond))
	}
	fetch()
	t.Logf("the leader, server %d, is killed", c.StopLeader())
	for range 20 {
		fetch() // any server signs, with a leader or without
		time.Sleep(200 * time.Millisecond)
	}
	// What only a leader can tell waits for the next one.
	begun := time.Now()
	if _, err := s.Describe(ctx); err != nil {
		t.Error(err)
	}
	t.Logf("asked a leader in %s", time.Since(begun).Round(time.Millisecond))
	select {
	case err := <-ended:
		t.Fatalf("Watch ended: %v", err)
	default:
	}
	cancel()
	<-ended
}
