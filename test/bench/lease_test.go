//go:build linux

package bench_test

import (
	"os"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/leader/client"
	"github.com/taskagent/taskagent/internal/wire"
)

// lease takes a lease as an agent does, but without an agent: more of them fit a
// machine. It has n identities that live for an hour; names and first tokens are
// returned, in order, the default identity's first.
func (w *world) lease(task string, n int) (l *client.Lease, names []string, tokens []string) {
	w.tb.Helper()
	s := wire.Start{
		Region: "global", Datacenter: "dc1", Namespace: "default", Job: "example", Group: "cache", Task: task,
		PID: os.Getpid(), Isolation: "none", StartedAt: time.Now().UTC(),
	}
	for i := range n {
		spec := identity.Spec{Name: identity.DefaultName, TTL: time.Hour, File: true}
		if i > 0 {
			spec.Name, spec.Audience = "id"+itoa(i), []string{"example.org"}
		}
		names = append(names, spec.Name)
		s.Identities = append(s.Identities, wire.Identity{Spec: spec.Canonical()})
	}
	l, started, err := client.Start(w.tb.Context(), client.Options{DataDir: w.data}, s)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(l.Close)
	for _, name := range names {
		tokens = append(tokens, started.Tokens[name])
	}
	return l, names, tokens
}
