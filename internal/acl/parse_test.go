package acl_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taskagent/taskagent/internal/acl"
)

// rulesJSON is what Nomad 2.0.5 answered as RulesJSON for the text, less the
// fields that are null.
var accepted = []struct{ name, src, rulesJSON string }{
	{"empty text", ``, `{"Raw":""}`},
	{"empty block", `namespace "default" {}`, `{"Namespaces":[{"Name":"default","Policy":""}]}`},
	{"read", `namespace "default" { policy = "read" }`,
		`{"Namespaces":[{"Name":"default","Policy":"read","Capabilities":["list-jobs","parse-job","read-job","csi-list-volume","csi-read-volume","read-job-scaling","list-scaling-policies","read-scaling-policy","host-volume-read"]}]}`},
	{"write", `namespace "default" { policy = "write" }`,
		`{"Namespaces":[{"Name":"default","Policy":"write","Capabilities":["list-jobs","parse-job","read-job","csi-list-volume","csi-read-volume","read-job-scaling","list-scaling-policies","read-scaling-policy","host-volume-read","scale-job","submit-job","dispatch-job","read-logs","read-fs","alloc-exec","alloc-lifecycle","csi-mount-volume","csi-write-volume","submit-recommendation","host-volume-create","host-volume-read"]}]}`},
	{"scale", `namespace "default" { policy = "scale" }`,
		`{"Namespaces":[{"Name":"default","Policy":"scale","Capabilities":["list-scaling-policies","read-scaling-policy","read-job-scaling","scale-job","read-job","submit-recommendation"]}]}`},
	{"deny", `namespace "default" { policy = "deny" }`, `{"Namespaces":[{"Name":"default","Policy":"deny","Capabilities":["deny"]}]}`},
	{"attributes on one line, commas, a trailing comma", `namespace "a-*" { policy = "deny", capabilities = ["submit-job", "read-job",], }`,
		`{"Namespaces":[{"Name":"a-*","Policy":"deny","Capabilities":["submit-job","read-job","deny"]}]}`},
	{"label without quotes, capitals", `Namespace default { Policy = "deny" }`, `{"Namespaces":[{"Name":"default","Policy":"deny","Capabilities":["deny"]}]}`},
	{"empty policy", `namespace "default" { policy = "" }`, `{"Namespaces":[{"Name":"default","Policy":""}]}`},
	{"no capabilities", `namespace "default" { capabilities = [] }`, `{"Namespaces":[{"Name":"default","Policy":"","Capabilities":[]}]}`},
	{"the same namespace twice", "namespace \"a\" { policy = \"deny\" }\nnamespace \"a\" {}", `{"Namespaces":[{"Name":"a","Policy":"deny","Capabilities":["deny"]},{"Name":"a","Policy":""}]}`},
	{"blocks nested on one line", `namespace "d" { variables { path "x" { capabilities = ["read"] } path "x" { capabilities = ["deny", "read"] } } }`,
		`{"Namespaces":[{"Name":"d","Policy":"","Variables":{"Paths":[{"PathSpec":"x","Capabilities":["read","list"]},{"PathSpec":"x","Capabilities":["deny"]}]}}]}`},
	{"several variables blocks", `namespace "d" { variables { path "x" { capabilities = ["list", "read"] } } variables { path "y" {} } }`,
		`{"Namespaces":[{"Name":"d","Policy":"","Variables":{"Paths":[{"PathSpec":"x","Capabilities":["list","read"]},{"PathSpec":"y"}]}}]}`},
	{"interpolation is text", `namespace "d" { variables { path "${"a"}b" {} path "$${x}\"y\u0041" {} } }`,
		`{"Namespaces":[{"Name":"d","Policy":"","Variables":{"Paths":[{"PathSpec":"${\"a\"}b"},{"PathSpec":"$${x}\"yA"}]}}]}`},
	{"implied by host-volume-write", `namespace "d" { capabilities = ["host-volume-write"] }`,
		`{"Namespaces":[{"Name":"d","Policy":"","Capabilities":["host-volume-write","host-volume-register","host-volume-create","host-volume-delete","host-volume-read"]}]}`},
	{"implied twice", `namespace "d" { capabilities = ["host-volume-register", "host-volume-create"] }`,
		`{"Namespaces":[{"Name":"d","Policy":"","Capabilities":["host-volume-register","host-volume-create","host-volume-create","host-volume-read","host-volume-read"]}]}`},
	{"levels on one line", `node { policy = "write" } operator { policy = "read" } quota { policy = "deny" } agent { policy = "scale" } plugin { policy = "list" }`,
		`{"Node":{"Policy":"write"},"Operator":{"Policy":"read","Capabilities":["license-read","keyring-read"]},"Quota":{"Policy":"deny"},"Agent":{"Policy":"scale"},"Plugin":{"Policy":"list"}}`},
	{"operator", `operator { policy = "write" capabilities = ["snapshot-save"] }`,
		`{"Operator":{"Policy":"write","Capabilities":["snapshot-save","snapshot-save","license-read","keyring-rotate","keyring-read","keyring-delete"]}}`},
	{"empty operator", `operator {}`, `{"Operator":{"Policy":""}}`},
	{"sentinel", `sentinel { policy = "write" }`, `{"Sentinel":{"Policy":"write","Capabilities":["sentinel-read","sentinel-submit","sentinel-delete"]}}`},
	{"host volume", `host_volume "x-*" { policy = "read" capabilities = ["mount-readwrite"] }`,
		`{"HostVolumes":[{"Name":"x-*","Policy":"read","Capabilities":["mount-readwrite","mount-readonly"]}]}`},
	{"node pool", `node_pool "x_y*" { policy = "write" }`, `{"NodePools":[{"Name":"x_y*","Policy":"write","Capabilities":["delete","read","write"]}]}`},
	{"comments", "// c\nnamespace /* x\n */ \"d\" { # y\n policy = \"deny\" } # z", `{"Namespaces":[{"Name":"d","Policy":"deny","Capabilities":["deny"]}]}`},
	{"byte order mark", "\ufeffagent { policy = \"read\" }", `{"Agent":{"Policy":"read"}}`},
	{"JSON", `{"namespace": {"d": {"policy": "deny"}}}`, `{"Namespaces":[{"Name":"d","Policy":"deny","Capabilities":["deny"]}]}`},
	{"JSON lists", `{"namespace": [{"d": {"variables": [{"path": [{"x": {"capabilities": ["read"]}}, {"y": {"capabilities": ["write"]}}]}]}}], "agent": [{"policy":"read"}]}`,
		`{"Agent":{"Policy":"read"},"Namespaces":[{"Name":"d","Policy":"","Variables":{"Paths":[{"PathSpec":"x","Capabilities":["read","list"]},{"PathSpec":"y","Capabilities":["write"]}]}}]}`},
	// Nomad mistakes this one's path for a capability list.
	{"JSON objects", ` {"namespace": {"d": {"variables": {"path": {"${x": {"capabilities": ["list"]}}}}}, "node": null}`,
		`{"Namespaces":[{"Name":"d","Policy":"","Variables":{"Paths":[{"PathSpec":"${x","Capabilities":["list"]}]}}]}`},
}

func TestParse(t *testing.T) {
	for _, tt := range accepted {
		t.Run(tt.name, func(t *testing.T) {
			p, err := acl.Parse(tt.src)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := asMap(t, p), asMap(t, json.RawMessage(tt.rulesJSON)); !cmp.Equal(got, want) {
				t.Errorf("RulesJSON (-want +got):\n%s", cmp.Diff(want, got))
			}
			if p.Raw != tt.src {
				t.Errorf("Raw = %q", p.Raw)
			}
		})
	}
}

// asMap is the JSON form without null fields and without Raw.
func asMap(t *testing.T, v any) any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	delete(out, "Raw")
	var prune func(any)
	prune = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				if e == nil {
					delete(v, k)
				}
				prune(e)
			}
		case []any:
			for _, e := range v {
				prune(e)
			}
		}
	}
	prune(out)
	return out
}

func TestPolicyJSONHasEveryField(t *testing.T) {
	p, err := acl.Parse("")
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Namespaces":null,"NodePools":null,"HostVolumes":null,"Agent":null,"Node":null,"Operator":null,"Sentinel":null,"Quota":null,"Plugin":null,"Raw":"","ExtraKeysHCL":null}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ src, want string }{
		{"  ", `line 1, column 1: the policy has no rule`},
		{"# nothing", `line 1, column 1: the policy has no rule`},
		{"{}", `line 1, column 1: the policy has no rule`},
		{`namespace "x" {`, `line 1, column 16: unexpected end of the policy, expected }`},
		{`nonsense "x" {}`, `line 1, column 1: unknown block "nonsense"; the blocks are namespace, node_pool, host_volume, agent, node, operator, quota, plugin, sentinel`},
		{"agent { policy = \"read\" }\n  bogus = 1", `line 2, column 3: unknown attribute "bogus"; the blocks are namespace, node_pool, host_volume, agent, node, operator, quota, plugin, sentinel`},
		{"namespace \"x\" {\n  capabilities = [\"read-jbo\"]\n}", `line 2, column 19: unknown namespace capability "read-jbo"; did you mean "read-job"?`},
		{`namespace "x" { capabilities = ["read-job", "fly"] }`, `line 1, column 45: unknown namespace capability "fly"`},
		{`namespace "x" { policy = "list" }`, `line 1, column 26: unknown policy "list" for namespace; known are read, write, scale, deny`},
		{`namespace "x" { polcy = "read" }`, `line 1, column 17: unknown attribute "polcy" in namespace`},
		{`namespace "x" { vars { path "a" {} } }`, `line 1, column 17: unknown block "vars" in namespace`},
		{`namespace "x" { policy = "read" policy = "write" }`, `line 1, column 33: policy is given twice in this namespace block`},
		{`namespace "x" { policy = 5 }`, `line 1, column 26: policy must be a string, not 5`},
		{`namespace "x" { policy = ["read"] }`, `line 1, column 26: policy must be a string, not a list`},
		{`namespace "x" { policy = read }`, `line 1, column 26: unexpected read, expected a value; strings need quotes`},
		{`namespace "x" { policy { } }`, `line 1, column 17: policy is an attribute: policy = …`},
		{`namespace "x" { capabilities = "read-job" }`, `line 1, column 32: capabilities must be a list of strings, not a string`},
		{`namespace "x" { capabilities = [true] }`, `line 1, column 33: capabilities must be a list of strings, but true is in it`},
		{`namespace "x" { capabilities = ["read-job" "list-jobs"] }`, `line 1, column 44: unexpected "list-jobs" in a list, expected a comma or ]`},
		{`namespace { policy = "read" }`, `line 1, column 1: namespace needs a name: namespace "…" { … }`},
		{`namespace = { policy = "read" }`, `line 1, column 15: namespace needs a name: namespace "…" { … }`},
		{`namespace "" { policy = "read" }`, `line 1, column 11: a name of namespace must have 1 to 128 characters`},
		{`namespace "a" "b" { policy = "read" }`, `line 1, column 15: namespace takes one name, not also "b"`},
		{`namespace "a/b" { policy = "read" }`, `line 1, column 11: the name "a/b" of namespace has '/' in it; allowed are letters, digits and -*`},
		{`namespace "a_b" { policy = "read" }`, `line 1, column 11: the name "a_b" of namespace has '_' in it; allowed are letters, digits and -*`},
		{`namespace "a" = { policy = "read" }`, `line 1, column 15: unexpected = after "a", expected { or =`},
		{`namespace "a" { variables {} }`, `line 1, column 17: variables needs at least one path block: path "…" { capabilities = […] }`},
		{`namespace "a" { variables { paths "x" { capabilities = ["read"] } } }`, `line 1, column 29: unknown block "paths" in variables`},
		{`namespace "a" { variables { path "" { capabilities = ["read"] } } }`, `line 1, column 34: the path of a variable is empty`},
		{`namespace "a" { variables { path { capabilities = ["read"] } } }`, `line 1, column 29: path needs a name: path "…" { … }`},
		{`namespace "a" { variables { path "/x" { capabilities = ["read"] } } }`, `line 1, column 34: the path "/x" of a variable starts with /`},
		{`namespace "a" { variables { path "x" { policy = "read" } } }`, `line 1, column 40: unknown attribute "policy" in path`},
		{`namespace "a" { variables { path "x" { capabilities = ["fly"] } } }`, `line 1, column 56: unknown variable capability "fly"; known are deny, list, read, write, destroy`},
		{`agent "x" { policy = "read" }`, `line 1, column 7: agent takes no name: agent { … }`},
		{`agent { }`, `line 1, column 1: agent needs a policy: one of read, write, scale, deny`},
		{`agent { policy = "list" }`, `line 1, column 18: unknown policy "list" for agent; known are read, write, scale, deny`},
		{`agent { policy = "" }`, `line 1, column 18: unknown policy "" for agent; known are read, write, scale, deny`},
		{`agent = "read"`, `line 1, column 9: agent is a block, not a string`},
		{"agent { policy = \"read\" }\nagent { policy = \"write\" }", `line 2, column 1: agent is given twice; it may appear once`},
		{"operator {}\noperator {}", `line 2, column 1: operator is given twice; it may appear once`},
		{`operator { capabilities = ["fly"] }`, `line 1, column 28: unknown operator capability "fly"; known are deny, snapshot-save, license-read, keyring-rotate, keyring-read, keyring-delete`},
		{`plugin { policy = "scale" }`, `line 1, column 19: unknown policy "scale" for plugin; known are list, read, write, deny`},
		{`node_pool "x" { capabilities = ["fly"] }`, `line 1, column 33: unknown node pool capability "fly"; known are deny, delete, read, write`},
		{`host_volume "x_y" { policy = "read" }`, `line 1, column 13: the name "x_y" of host_volume has '_' in it; allowed are letters, digits and -*`},
		{`agent { policy = "read" };`, `line 1, column 26: unexpected character ';'`},
		{"agent { policy = \"read\n\" }", `line 1, column 18: a string that does not end on its line`},
		{`agent { policy = "re\ad" }`, `line 1, column 21: unknown escape in a string; use \\ for a backslash`},
		{`agent { policy = "\ud800" }`, `line 1, column 19: \u in a string needs 4 hexadecimal digits of a character`},
		{`agent { policy = "\u00`, `line 1, column 19: \u in a string needs 4 hexadecimal digits`},
		{"agent { policy = <<EOF\nread\nEOF\n}", `line 1, column 18: here-documents have no use in a policy; write the value in quotes`},
		{"agent { /* }", `line 1, column 9: a comment that does not end`},
		{"# ä\nage\xffnt {}", `line 2, column 4: not UTF-8 text`},
		{"agent\x00{}", `line 1, column 6: a NUL byte`},
		{`{"agent": {"policy": "read"}} x`, `line 1, column 31: unexpected x after the policy`},
		{`{"namespace": {"policy": "read"}}`, `line 1, column 16: namespace needs a name: namespace "…" { … }`},
		{`a = ` + strings.Repeat("[", 100), `line 1, column 37: nested more than 32 deep`},
	} {
		_, err := acl.Parse(tt.src)
		if err == nil || err.Error() != tt.want {
			t.Errorf("Parse(%q)\n got %v\nwant %s", tt.src, err, tt.want)
		}
		var place *acl.Error
		if err != nil && !errors.As(err, &place) {
			t.Errorf("Parse(%q): %T is no *acl.Error", tt.src, err)
		}
	}
}
