package nomad_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/nomad"
	"github.com/taskagent/taskagent/renew"
	"github.com/taskagent/taskagent/test/nomadtest"
)

const testAlloc = "aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb"

func running() *nomadtest.FakeAlloc {
	return &nomadtest.FakeAlloc{
		Job: "demo", Tasks: []string{"web", "log"}, Identities: []string{"aws", "svcid"},
		ClientStatus: "running", DesiredStatus: "run",
	}
}

func secretFile(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret-id")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pipeTo returns a Dial that reaches the server without a network.
func pipeTo(f *nomadtest.FakeRPC) func(context.Context, string) (net.Conn, error) {
	return func(context.Context, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go f.ServeConn(theirs)
		return ours, nil
	}
}

func fakeConfig(t testing.TB, f *nomadtest.FakeRPC) nomad.Config {
	t.Helper()
	return nomad.Config{
		Servers: []string{"nomad.example:4647"}, Region: "global", SecretFile: secretFile(t, nomadtest.FakeSecret),
		AllocID: testAlloc, Task: "web", Identities: demoIdentities, RetryFor: -1, Dial: pipeTo(f),
	}
}

func newSource(t testing.TB, cfg nomad.Config) *nomad.Source {
	t.Helper()
	s, err := nomad.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFetch(t *testing.T) {
	for name, test := range map[string]struct {
		alloc       func(*nomadtest.FakeAlloc) *nomadtest.FakeAlloc
		names       []string
		want, calls []string
		permanent   bool
	}{
		"all in one go": {
			names: []string{"default", "aws", "svcid"},
			want: []string{
				"token global:default:demo:g:web:default", "token global:default:demo:g:web:aws", "token global:default:demo:g:svc:svcid",
			},
			calls: []string{"GetAllocs stale=true index=0", "SignIdentities stale=true index=0"},
		},
		"a named one alone": {
			names: []string{"aws"}, want: []string{"token global:default:demo:g:web:aws"},
			calls: []string{"SignIdentities stale=true index=0"},
		},
		"the default one alone": {
			names: []string{"default"}, want: []string{"token global:default:demo:g:web:default"},
			calls: []string{"GetAllocs stale=true index=0"},
		},
		// What a server denies that may be behind is asked again of the leader.
		"rejected": {
			names: []string{"aws", "short"},
			want: []string{"token global:default:demo:g:web:aws",
				`error the servers do not sign identities of task "web" in allocation "` + testAlloc + `": "short" (identity not found)`},
			calls:     []string{"SignIdentities stale=true index=0", "SignIdentities stale=false index=0"},
			permanent: true,
		},
		"gone": {
			alloc: func(*nomadtest.FakeAlloc) *nomadtest.FakeAlloc { return nil },
			names: []string{"default", "aws"},
			want:  []string{`error task "web" of allocation "` + testAlloc + `" is gone: allocation not found`},
			calls: []string{"GetAllocs stale=true index=0", "SignIdentities stale=true index=0",
				"GetAllocs stale=false index=0", "SignIdentities stale=false index=0"},
			permanent: true,
		},
		"complete": {
			alloc: func(a *nomadtest.FakeAlloc) *nomadtest.FakeAlloc { a.ClientStatus = "complete"; return a },
			names: []string{"default"},
			want:  []string{`error task "web" of allocation "` + testAlloc + `" is gone: the allocation is complete`},
			calls: []string{"GetAllocs stale=true index=0", "GetAllocs stale=false index=0"}, permanent: true,
		},
		"client that lost its servers": {
			alloc: func(a *nomadtest.FakeAlloc) *nomadtest.FakeAlloc { a.ClientStatus = "unknown"; return a },
			names: []string{"default"}, want: []string{"token global:default:demo:g:web:default"},
			calls: []string{"GetAllocs stale=true index=0"},
		},
		"dead task": {
			alloc: func(a *nomadtest.FakeAlloc) *nomadtest.FakeAlloc { a.Dead = []string{"web"}; return a },
			names: []string{"default"},
			want:  []string{`error task "web" of allocation "` + testAlloc + `" is gone: the task is dead`},
			calls: []string{"GetAllocs stale=true index=0", "GetAllocs stale=false index=0"}, permanent: true,
		},
		"another task that is dead": {
			alloc: func(a *nomadtest.FakeAlloc) *nomadtest.FakeAlloc { a.Dead = []string{"log"}; return a },
			names: []string{"default"}, want: []string{"token global:default:demo:g:web:default"},
			calls: []string{"GetAllocs stale=true index=0"},
		},
		"removed task": {
			alloc: func(a *nomadtest.FakeAlloc) *nomadtest.FakeAlloc { a.Tasks = []string{"log"}; return a },
			names: []string{"default"},
			want:  []string{`error task "web" of allocation "` + testAlloc + `" is gone: task not found`},
			calls: []string{"GetAllocs stale=true index=0", "GetAllocs stale=false index=0"}, permanent: true,
		},
		"nothing": {},
	} {
		t.Run(name, func(t *testing.T) {
			f := nomadtest.NewFakeRPC(t, nil)
			a := running()
			if test.alloc != nil {
				a = test.alloc(a)
			}
			f.Set(testAlloc, a)
			s := newSource(t, fakeConfig(t, f))
			if diff := cmp.Diff(test.want, outcome(t, s, test.names)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(test.calls, f.Calls()); diff != "" {
				t.Error(diff)
			}
			if _, err := s.Fetch(t.Context(), test.names); renew.IsPermanent(err) != test.permanent {
				t.Errorf("%v is permanent: %v", err, renew.IsPermanent(err))
			}
		})
	}
}

// TestStaleServer has the first answer come from a server that is behind.
func TestStaleServer(t *testing.T) {
	behind, leader := nomadtest.NewFakeRPC(t, nil), nomadtest.NewFakeRPC(t, nil)
	leader.Set(testAlloc, running())
	cfg := fakeConfig(t, leader)
	first := true
	cfg.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
		if first {
			first = false
			return pipeTo(behind)(ctx, addr)
		}
		return pipeTo(leader)(ctx, addr)
	}
	tokens, err := newSource(t, cfg).Fetch(t.Context(), []string{"default", "aws"})
	if err != nil || len(tokens) != 2 {
		t.Errorf("got %d tokens, %v", len(tokens), err)
	}
	// Without a leader to ask nothing is permanent.
	first = true
	leader.Refuse("No cluster leader")
	_, err = newSource(t, cfg).Fetch(t.Context(), []string{"default", "aws"})
	if err == nil || renew.IsPermanent(err) || !strings.HasSuffix(err.Error(), ": No cluster leader") {
		t.Errorf("got %v, permanent %v", err, renew.IsPermanent(err))
	}
}

// TestWrongIdentity has the server mix things up.
func TestWrongIdentity(t *testing.T) {
	f := nomadtest.NewFakeRPC(t, nil)
	a := running()
	a.MixUp = func(c *identity.Claims) { c.AllocationID = "another" }
	for name, test := range map[string]struct {
		mixUp func(*identity.Claims)
		want  string
	}{
		"another allocation": {func(c *identity.Claims) { c.AllocationID = "another" },
			`fetch identity "aws": the servers sent one of allocation "another", not of "` + testAlloc + `"`},
		"another task": {func(c *identity.Claims) { c.Task = "log" },
			`fetch identity "aws": the servers sent one of task "log", not of "web"`},
		"another name": {func(c *identity.Claims) { c.Subject = "global:default:demo:g:web:gcp" },
			`fetch identity "aws": the servers sent identity "gcp"`},
	} {
		a.MixUp = test.mixUp
		f.Set(testAlloc, a)
		_, err := newSource(t, fakeConfig(t, f)).Fetch(t.Context(), []string{"aws"})
		if err == nil || err.Error() != test.want || renew.IsPermanent(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadSecret(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const secret = "5ec2e700-0000-4000-8000-000000000001"
	for _, path := range []string{file("plain", secret, 0o600), file("newline", secret+"\n", 0o600), file("read-only", secret+"\r\n", 0o400)} {
		if got, err := nomad.ReadSecret(path); err != nil || string(got) != secret {
			t.Errorf("%s: %q, %v", path, got, err)
		}
	}
	for path, want := range map[string]string{
		file("empty", "", 0o600):                                          "there is something else in it",
		file("short", secret[:35], 0o600):                                 "there is something else in it",
		file("long", secret+"0", 0o600):                                   "there is something else in it",
		file("lines", secret+"\n\n\n", 0o600):                             "there is something else in it",
		file("token", "not a secret at all, but 36 letters.", 0o600):      "there is something else in it",
		file("shadow", strings.Repeat("root:$6$:1:0:99999\n", 99), 0o600): "there is something else in it",
		dir:                           "it is not a regular file",
		filepath.Join(dir, "nowhere"): "no such file or directory",
	} {
		_, err := nomad.ReadSecret(path)
		if want == "no such file or directory" && os.IsNotExist(unwrapAll(err)) {
			continue
		}
		if err == nil || err.Error() != `read the node's secret from "`+path+`": `+want {
			t.Errorf("%v", err)
		}
	}
}

func unwrapAll(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		err = u.Unwrap()
	}
}

func TestParseServers(t *testing.T) {
	for list, want := range map[string]string{
		"10.0.0.1":                 "10.0.0.1:4647",
		"a, b:1 ,":                 "a:4647 b:1",
		"[::1]:4648,::1,[fe80::1]": "[::1]:4648 [::1]:4647 [fe80::1]:4647",
		"":                         "no server is named",
		" , ":                      "no server is named",
		"https://a:4646":           `server "https://a:4646": want host:port, not a URL: this is the RPC port, which does not speak HTTP`,
		"a:b:c":                    `server "a:b:c": want host:port`,
		"a:0":                      `server "a:0": port "0" is not a number from 1 to 65535`,
		"a:http":                   `server "a:http": port "http" is not a number from 1 to 65535`,
		":4647":                    `server ":4647": want host:port`,
		"a/b":                      `server "a/b": want host:port`,
	} {
		servers, err := nomad.ParseServers(list)
		got := strings.Join(servers, " ")
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s", list, got)
		}
	}
}
