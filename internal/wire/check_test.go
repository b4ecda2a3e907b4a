package wire_test

import (
	"strings"
	"testing"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/wire"
)

func TestCheckStart(t *testing.T) {
	long := strings.Repeat("x", 129)
	for _, tt := range []struct {
		change func(*wire.Start)
		want   string
	}{
		{func(s *wire.Start) {}, ""},
		{func(s *wire.Start) { s.Job, s.Task, s.Group = "a:b.c@d", "ü", "$" }, ""},
		{func(s *wire.Start) { s.LeaseID = "" }, "the lease has no id of 1 to 128 bytes"},
		{func(s *wire.Start) { s.AllocID = "a/b" }, `allocation name "a/b" contains a slash`},
		{func(s *wire.Start) { s.Namespace = "a b" }, `namespace name "a b": want 1 to 128 letters, digits and hyphens`},
		{func(s *wire.Start) { s.Namespace = "*" }, `namespace name "*": want 1 to 128 letters, digits and hyphens`},
		{func(s *wire.Start) { s.Region = "" }, "the region has no name"},
		{func(s *wire.Start) { s.Region = "a:b" }, `region name "a:b" contains a colon`},
		{func(s *wire.Start) { s.Job = "a/b" }, `job name "a/b" contains a slash`},
		{func(s *wire.Start) { s.Job = `a\b` }, `job name "a\\b" contains a slash`},
		{func(s *wire.Start) { s.Job = "a b" }, `job name "a b" contains white space or a control character`},
		{func(s *wire.Start) { s.Group = ".." }, `group name ".." is not a name`},
		{func(s *wire.Start) { s.Task = "a\x00" }, `task name "a\x00" contains white space or a control character`},
		{func(s *wire.Start) { s.Task = "a\xff" }, `task name "a\xff" contains white space or a control character`},
		{func(s *wire.Start) { s.Task = long }, `task name "xxxxxxxxxxxxxxxxxxxx"… is longer than 128 bytes`},
		{func(s *wire.Start) { s.Identities[0].Name = "a b" }, `identity "a b": the name may only have letters, digits, - and _`},
		{func(s *wire.Start) { s.Identities[0].TTL = -time.Second }, `identity "default": ttl -1s is negative`},
		{func(s *wire.Start) { s.Identities[0].VaultRole = strings.Repeat("x", 5000) }, `identity "default": a claim is longer than 4096 bytes`},
		{func(s *wire.Start) { s.Identities = make([]wire.Identity, 65) }, "65 identities are more than 64"},
		{func(s *wire.Start) { s.Once = true }, `identity "default": a task without an agent needs a ttl: nobody would ever end it`},
		{func(s *wire.Start) { s.Once, s.Identities = true, nil }, "a task without an agent needs an identity"},
		{func(s *wire.Start) { s.Services = []wire.Service{{Name: "a_b"}} }, `service name "a_b": want at most 63 letters, digits and inner hyphens`},
		{func(s *wire.Start) { s.Services = []wire.Service{{Name: "a", Port: 65536}} }, `service "a": port 65536 is not a number from 0 to 65535`},
		{func(s *wire.Start) { s.User = strings.Repeat("x", 5000) }, "user, isolation or socket is longer than 4096 bytes"},
	} {
		s := &wire.Start{
			LeaseID: "l", Region: "global", Datacenter: "dc1", Namespace: "default", Job: "j", Group: "g", Task: "t",
			Identities: []wire.Identity{{Spec: identity.Spec{Name: "default"}}},
		}
		tt.change(s)
		got := ""
		if err := s.Check(); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
