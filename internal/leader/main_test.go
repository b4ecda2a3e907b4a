package leader_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/leader"
	"github.com/taskagent/taskagent/internal/leader/client"
	"github.com/taskagent/taskagent/internal/wire"
)

// TestMain lets this test's program be the leader that clients start.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "leader" {
		os.Exit(leaderMain(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func leaderMain(args []string) int {
	f := flag.NewFlagSet("leader", flag.ContinueOnError)
	cfg := leader.Config{Stdout: os.Stdout, Logger: hclog.NewNullLogger()}
	f.StringVar(&cfg.DataDir, "data-dir", "", "")
	f.DurationVar(&cfg.Linger, "linger", 0, "")
	f.BoolVar(&cfg.Detached, "detached", false, "")
	if f.Parse(args) != nil {
		return 2
	}
	cfg.Settings.SigningAlg = ptr(identity.EdDSA) // quick to make
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := leader.Run(ctx, cfg); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 125
	}
	return 0
}

func ptr[T any](v T) *T { return &v }

// testDir returns a place for a data directory, with a path short enough for
// sockets on every system.
func testDir(t *testing.T) string {
	t.Helper()
	base, err := os.MkdirTemp("", "ta")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	return filepath.Join(base, "data")
}

// running is a leader in this process.
type running struct {
	stop context.CancelFunc
	err  chan error
}

// lead starts a leader in this process and waits until it is ready.
func lead(t *testing.T, cfg leader.Config) *running {
	t.Helper()
	ready := make(chan string, 16)
	cfg.Stdout = lines(ready)
	if cfg.Settings.SigningAlg == nil {
		cfg.Settings.SigningAlg = ptr(identity.EdDSA)
	}
	ctx, stop := context.WithCancel(t.Context())
	r := &running{stop, make(chan error, 1)}
	go func() { r.err <- leader.Run(ctx, cfg) }()
	t.Cleanup(func() { r.end(t) })
	select {
	case <-ready:
		return r
	case err := <-r.err:
		t.Fatalf("the leader did not get ready: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("the leader did not get ready")
	}
	return nil
}

// end ends the leader and waits for it.
func (r *running) end(t *testing.T) {
	t.Helper()
	r.stop()
	if err := r.wait(t); err != nil {
		t.Errorf("the leader ended with %v", err)
	}
}

func (r *running) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.err:
		r.err <- err
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("the leader does not end")
		return nil
	}
}

type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func task(name string) wire.Start {
	return wire.Start{
		Region: "global", Datacenter: "dc1", Namespace: "default", Job: "example", Group: "cache", Task: name,
		Identities: []wire.Identity{
			{Spec: identity.Spec{Name: "default", File: true}},
			{Spec: identity.Spec{Name: "aws", Audience: []string{"sts"}, TTL: time.Hour}},
		},
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func start(t *testing.T, dir string, s wire.Start, startLeader bool) (*client.Lease, *wire.Started) {
	t.Helper()
	l, started, err := client.Start(within(t, time.Minute), client.Options{DataDir: dir, Start: startLeader, Linger: 2 * time.Second}, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l, started
}
