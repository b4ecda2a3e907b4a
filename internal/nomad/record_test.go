package nomad_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/taskagent/taskagent/internal/nomad"
	"github.com/taskagent/taskagent/test/nomadtest"
)

var record = flag.Bool("record", false, "record testdata/exchanges anew, from a real Nomad")

// TestRecord records what goes between a Source and a real Nomad, for
// TestReplay. It writes only when asked to with -record.
func TestRecord(t *testing.T) {
	if !*record {
		t.Skip("-record was not given")
	}
	c := nomadtest.Start(t, nomadtest.Options{})
	alloc := c.Run(demoJob)
	secret, err := os.ReadFile(c.SecretFile)
	if err != nil {
		t.Fatal(err)
	}
	secret = bytes.TrimSpace(secret)
	const missing = "11111111-2222-3333-4444-555555555555"
	for name, x := range map[string]*exchange{
		"all":                   {why: "every sort of identity, over one connection", names: []string{"default", "aws", "short", "svcid"}},
		"default":               {why: "the default identity alone", names: []string{"default"}},
		"rejected":              {why: "an identity that the job does not have, beside one that it has", names: []string{"aws", "other"}},
		"no-allocation":         {why: "an allocation that is not there", alloc: missing, names: []string{"aws"}},
		"no-allocation-default": {why: "the default identity of an allocation that is not there", alloc: missing, names: []string{"default"}},
		"no-task":               {why: "a task that the allocation does not have", task: "nobody", names: []string{"aws"}},
		"dead-task":             {why: "a task that has ended", task: "short-lived", names: []string{"default"}},
		"no-region":             {why: "a region that the servers do not know", region: "mars", names: []string{"aws"}},
		"denied":                {why: "a secret that no node has", names: []string{"aws"}},
	} {
		if x.alloc == "" {
			x.alloc = alloc
		}
		if x.task == "" {
			x.task = "web"
		}
		if x.region == "" {
			x.region = c.Region
		}
		s := realSource(t, c, func(cfg *nomad.Config) {
			cfg.Servers = []string{"nomad.example:4647"}
			cfg.AllocID, cfg.Task, cfg.Region = x.alloc, x.task, x.region
			cfg.Dial = recordTo(x, c.RPC, secret)
			if name == "denied" {
				cfg.SecretFile = zeroSecretFile(t)
			}
		})
		x.want = outcome(t, s, x.names)
		x.write(t, filepath.Join("testdata", "exchanges", name))
	}
}
