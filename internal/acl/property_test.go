package acl_test

import (
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/taskagent/taskagent/internal/acl"
)

// model decides about variables the slow way, straight from the rules in words:
// all rules are kept as they are written and searched for every question.
type model struct {
	workload *acl.Workload
	rules    []modelRule
}

type modelRule struct {
	namespace, path string
	caps            []string
}

func (m model) allow(op, namespace, path string) bool {
	key := namespace + "\x00" + path
	if w := m.workload; !slices.ContainsFunc(m.rules, func(r modelRule) bool { return r.key() == key && !strings.Contains(key, "*") }) &&
		w != nil && namespace == w.Namespace {
		own := "nomad/jobs"
		for _, next := range []string{w.Job, w.Group, w.Task, ""} {
			if path == own && (op == "read" || op == "list") {
				return true
			}
			own += "/" + next
		}
	}
	best, bestLeft := "", -1
	for _, r := range m.rules {
		k := r.key()
		left := len(key) - len(k) + strings.Count(k, "*")
		switch {
		case k == key:
			left = -1 // closer than any glob
		case !strings.Contains(k, "*") || !globMatch(r.namespace, namespace) || !globMatch(r.path, path):
			continue
		}
		if best == "" || left < bestLeft || left == bestLeft && k > best {
			best, bestLeft = k, left
		}
	}
	granted := false
	for _, r := range m.rules {
		if best == "" || r.key() != best {
			continue
		}
		if slices.Contains(r.caps, "deny") {
			return false
		}
		granted = granted || slices.Contains(r.caps, op) || op == "list" && slices.Contains(r.caps, "read")
	}
	return granted
}

func (r modelRule) key() string { return r.namespace + "\x00" + r.path }

// globMatch lets path.Match do it, which stops at slashes.
func globMatch(pattern, name string) bool {
	ok, err := path.Match(strings.ReplaceAll(pattern, "/", "_"), strings.ReplaceAll(name, "/", "_"))
	return ok && err == nil
}

// TestVariablesAgreeWithTheModel compares Allow, Explain and the model on small
// random worlds, in which collisions of every kind are frequent.
func TestVariablesAgreeWithTheModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	namespaces := []string{"a", "ab", "b"}
	paths := []string{"x", "xy", "x/y", "y", "nomad/jobs", "nomad/jobs/j", "nomad/jobs/j/g", "nomad/jobs/j/g/t", "nomad/jobs/j/g/u"}
	for world := range 3000 {
		var m model
		if rng.IntN(2) == 0 {
			m.workload = &acl.Workload{Namespace: pick(namespaces...), Job: "j", Group: "g", Task: "t"}
		}
		var policies []string
		for range rng.IntN(4) {
			var blocks []string
			for range 1 + rng.IntN(3) {
				r := modelRule{
					namespace: pick(append(namespaces, "*", "a*", "*b")...),
					path:      pick(append(paths, "*", "x*", "*y", "nomad/*", "nomad/jobs/j*", "**")...),
				}
				for range rng.IntN(3) {
					r.caps = append(r.caps, pick("list", "read", "write", "destroy", "deny"))
				}
				m.rules = append(m.rules, r)
				blocks = append(blocks, vars(r.namespace, r.path, strings.Join(r.caps, " ")))
			}
			policies = append(policies, strings.Join(blocks, "\n"))
		}
		a := compile(t, m.workload, policies...)
		for _, namespace := range namespaces {
			mayList := a.AllowVariableSearch(namespace)
			for _, p := range paths {
				for _, op := range []string{"list", "read", "write", "destroy"} {
					want := m.allow(op, namespace, p)
					if got := a.AllowVariable(op, namespace, p); got != want {
						t.Fatalf("world %d: %s of %s in %s: got %v, want %v\nworkload %v\n%s", world, op, p, namespace, got, want, m.workload, strings.Join(policies, "\n---\n"))
					}
					d := a.ExplainVariable(op, namespace, p)
					if d.Allowed != want || (d.Policy == "") != (d.Rule == "") {
						t.Fatalf("world %d: %s of %s in %s: want %v, explained %+v", world, op, p, namespace, want, d)
					}
					if op == "list" && want && !mayList {
						t.Fatalf("world %d: %s in %s can be listed, but a search may not", world, p, namespace)
					}
				}
			}
		}
	}
}

// FuzzParse: any text gives a policy or an error with a place, never a panic,
// and a policy written out again parses to one that decides the same.
func FuzzParse(f *testing.F) {
	for _, tt := range accepted {
		f.Add(tt.src)
	}
	f.Add(`namespace "x" { policy = "${"`)
	f.Add(`{"a":[{"b":"\u00`)
	f.Fuzz(func(t *testing.T, src string) {
		p, err := acl.Parse(src)
		if err != nil {
			e, ok := err.(*acl.Error)
			if !ok || e.Line < 1 || e.Column < 1 || strings.Contains(e.Message, "\n") || e.Line > 1+strings.Count(src, "\n") {
				t.Fatalf("bad error %#v", err)
			}
			return
		}
		written := write(p)
		again, err := acl.Parse(written)
		if err != nil {
			t.Fatalf("%s\nwritten as\n%s\ndoes not parse: %v", src, written, err)
		}
		if got := write(again); got != written {
			t.Fatalf("written\n%s\nparses as\n%s", written, got)
		}
	})
}

// write is the policy as text; what a capability implies is written out.
func write(p *acl.Policy) string {
	var b strings.Builder
	caps := func(names []string) string {
		names = slices.Clone(names)
		slices.Sort(names)
		quoted := make([]string, 0, len(names))
		for _, n := range slices.Compact(names) {
			quoted = append(quoted, fmt.Sprintf("%q", n))
		}
		return "capabilities = [" + strings.Join(quoted, ", ") + "]"
	}
	quote := func(s string) string {
		var q strings.Builder
		for _, r := range s {
			fmt.Fprintf(&q, "\\U%08x", r)
		}
		return `"` + q.String() + `"`
	}
	for _, ns := range p.Namespaces {
		fmt.Fprintf(&b, "namespace %q {\n policy = %q\n %s\n", ns.Name, ns.Policy, caps(ns.Capabilities))
		if ns.Variables != nil {
			b.WriteString(" variables {\n")
			for _, v := range ns.Variables.Paths {
				fmt.Fprintf(&b, "  path %s {\n   %s\n  }\n", quote(v.PathSpec), caps(v.Capabilities))
			}
			b.WriteString(" }\n")
		}
		b.WriteString("}\n")
	}
	for i, rules := range [][]*acl.NamedRule{p.NodePools, p.HostVolumes} {
		for _, r := range rules {
			fmt.Fprintf(&b, "%s %q { policy = %q, %s }\n", []string{"node_pool", "host_volume"}[i], r.Name, r.Policy, caps(r.Capabilities))
		}
	}
	for i, r := range []*acl.LevelRule{p.Agent, p.Node, p.Quota, p.Plugin} {
		if r != nil {
			fmt.Fprintf(&b, "%s { policy = %q }\n", []string{"agent", "node", "quota", "plugin"}[i], r.Policy)
		}
	}
	for i, r := range []*acl.CapabilityRule{p.Operator, p.Sentinel} {
		if r != nil {
			fmt.Fprintf(&b, "%s { policy = %q, %s }\n", []string{"operator", "sentinel"}[i], r.Policy, caps(r.Capabilities))
		}
	}
	return b.String()
}

func BenchmarkAllowVariable(b *testing.B) {
	var policies []string
	for i := range 20 {
		policies = append(policies, vars("default", fmt.Sprintf("exact/%d", i), "read", fmt.Sprintf("glob/%d/*", i), "read write"))
	}
	a := compile(b, &redis, policies...)
	for _, bb := range []struct{ name, path string }{
		{"exact", "exact/7"}, {"own", "nomad/jobs/example/cache/redis"}, {"glob", "glob/7/a"}, {"none", "other/path"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a.AllowVariable(acl.VarRead, "default", bb.path)
			}
		})
	}
}

func BenchmarkAllowNamespaceOp(b *testing.B) {
	a := compile(b, nil, `namespace "default" { policy = "write" } namespace "sh*" { policy = "read" }`)
	for _, namespace := range []string{"default", "shared"} {
		b.Run(namespace, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a.AllowNamespaceOp(namespace, acl.NamespaceReadJob)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	src := vars("default", "a/*", "read", "b", "write") + "\nnamespace \"shared\" {\n policy = \"read\"\n}\nnode { policy = \"read\" }"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := acl.Parse(src); err != nil {
			b.Fatal(err)
		}
	}
}
