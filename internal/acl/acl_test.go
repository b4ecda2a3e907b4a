package acl_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/taskagent/taskagent/internal/acl"
)

// redis is the workload most tests are about.
var redis = acl.Workload{Namespace: "default", Job: "example", Group: "cache", Task: "redis"}

// compile parses the policies and names them p0, p1, ….
func compile(t testing.TB, w *acl.Workload, policies ...string) *acl.ACL {
	t.Helper()
	var sources []acl.Source
	for i, src := range policies {
		p, err := acl.Parse(src)
		if err != nil {
			t.Fatalf("parse %s: %v", src, err)
		}
		sources = append(sources, acl.Source{Name: fmt.Sprintf("p%d", i), Policy: p})
	}
	a, err := acl.Compile(sources, w)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// vars writes a namespace block with variables rules: path, capabilities, path, ….
func vars(namespace string, rules ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "namespace %q { variables {", namespace)
	for i := 0; i < len(rules); i += 2 {
		fmt.Fprintf(&b, " path %q { capabilities = [", rules[i])
		for c := range strings.FieldsSeq(rules[i+1]) {
			fmt.Fprintf(&b, "%q,", c)
		}
		b.WriteString("] }")
	}
	b.WriteString(" } }")
	return b.String()
}

// allowed lists what of list, read, write and destroy is allowed, and checks
// that Explain agrees.
func allowed(t *testing.T, a *acl.ACL, namespace, path string) string {
	t.Helper()
	var got []string
	for _, op := range []string{acl.VarList, acl.VarRead, acl.VarWrite, acl.VarDestroy} {
		ok := a.AllowVariable(op, namespace, path)
		if d := a.ExplainVariable(op, namespace, path); d.Allowed != ok || d.Reason == "" {
			t.Errorf("%s of %s in %s: allowed %v, but explained as %+v", op, path, namespace, ok, d)
		}
		if ok {
			got = append(got, op)
		}
	}
	return strings.Join(got, " ")
}

func TestVariables(t *testing.T) {
	type check struct{ namespace, path, want string }
	for _, tt := range []struct {
		name     string
		workload *acl.Workload
		policies []string
		checks   []check
	}{
		{"the implicit workload policy", &redis, nil, []check{
			{"default", "nomad/jobs", "list read"},
			{"default", "nomad/jobs/example", "list read"},
			{"default", "nomad/jobs/example/cache", "list read"},
			{"default", "nomad/jobs/example/cache/redis", "list read"},
			{"default", "nomad", ""},
			{"default", "nomad/jobs/", ""},
			{"default", "nomad/jobs/example/cache/", ""},
			{"default", "nomad/jobs/example/cache/redis/x", ""},
			{"default", "nomad/jobs/example/cache/sidecar", ""},
			{"default", "nomad/jobs/example/web", ""},
			{"default", "nomad/jobs/examples", ""},
			{"default", "nomad/jobs/other", ""},
			{"default", "nomad/job-templates", ""},
			{"default", "app", ""},
			{"shared", "nomad/jobs/example", ""},
		}},
		{"a service identity has no task", &acl.Workload{Namespace: "default", Job: "example", Group: "cache"}, nil, []check{
			{"default", "nomad/jobs/example/cache", "list read"},
			{"default", "nomad/jobs/example/cache/", ""},
			{"default", "nomad/jobs/example/cache/redis", ""},
		}},
		{"no policy, no workload", nil, nil, []check{{"default", "nomad/jobs", ""}}},
		{"read brings list, nothing else brings anything", nil,
			[]string{vars("default", "r", "read", "l", "list", "w", "write", "d", "destroy", "n", "")}, []check{
				{"default", "r", "list read"}, {"default", "l", "list"}, {"default", "w", "write"}, {"default", "d", "destroy"}, {"default", "n", ""},
				{"default", "rr", ""}, {"shared", "r", ""},
			}},
		{"an exact rule denies one of the four", &redis, []string{vars("default", "nomad/jobs/example", "deny")}, []check{
			{"default", "nomad/jobs/example", ""}, {"default", "nomad/jobs", "list read"},
		}},
		{"an exact rule replaces one of the four", &redis, []string{vars("default", "nomad/jobs/example", "write")}, []check{
			{"default", "nomad/jobs/example", "write"},
		}},
		{"a glob takes neither list nor read of the four away, and grants writes", &redis, []string{vars("default", "*", "deny", "nomad/jobs/example/*", "write")}, []check{
			{"default", "nomad/jobs/example", "list read"}, {"default", "nomad/jobs/example/cache", "list read write"},
			{"default", "nomad/jobs/example/web", "write"},
		}},
		{"an exact path in a globbed namespace is a glob", &redis, []string{vars("def*", "nomad/jobs/example", "deny", "app", "read")}, []check{
			{"default", "nomad/jobs/example", "list read"}, {"default", "app", "list read"}, {"shared", "app", ""},
		}},
		{"policy = deny takes neither the four nor a variables rule", &redis,
			[]string{`namespace "default" { policy = "deny" variables { path "app" { capabilities = ["read"] } } }`}, []check{
				{"default", "nomad/jobs/example", "list read"}, {"default", "app", "list read"},
			}},
		{"policy = write on a namespace grants no variables", nil, []string{`namespace "*" { policy = "write" }`}, []check{{"default", "app", ""}}},
		{"the exact rule, then the longest glob", nil,
			[]string{vars("default", "*", "read", "app/*", "deny", "app/config", "read", "app/*/x", "write", "*/config/deep", "destroy")}, []check{
				{"default", "other", "list read"}, {"default", "app/secret", ""}, {"default", "app/config", "list read"},
				{"default", "app/y/x", "write"}, {"default", "app/config/deep", "destroy"}, {"default", "app/", ""}, {"default", "app", "list read"},
			}},
		{"equally long globs: the greater text", nil, []string{vars("default", "a*", "read", "*b", "write", "x**", "read", "x*", "write")}, []check{
			{"default", "ab", "list read"}, {"default", "xy", "list read"},
		}},
		{"a long namespace counts with its path", nil, []string{vars("default", "*", "read"), vars("*", "ab", "write"), vars("*", "abcdefgh", "destroy")}, []check{
			{"default", "ab", "list read"}, {"default", "abcdefgh", "destroy"}, {"other", "ab", "write"},
		}},
		{"several policies are united", nil, []string{vars("default", "a", "list", "g*", "list"), vars("default", "a", "write", "g*", "destroy")}, []check{
			{"default", "a", "list write"}, {"default", "g1", "list destroy"},
		}},
		{"deny wins, in any order", nil, []string{vars("default", "a", "deny", "g*", "read"), vars("default", "a", "read", "g*", "deny")}, []check{
			{"default", "a", ""}, {"default", "g1", ""},
		}},
		{"deny in one policy only reaches its own rule", nil, []string{vars("default", "a*", "deny"), vars("default", "ab*", "read")}, []check{
			{"default", "ab", "list read"}, {"default", "ac", ""},
		}},
		{"the empty path is no path of any rule but *", nil, []string{vars("default", "*", "list", "a", "read")}, []check{{"default", "", "list"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := compile(t, tt.workload, tt.policies...)
			for _, c := range tt.checks {
				if got := allowed(t, a, c.namespace, c.path); got != c.want {
					t.Errorf("%s in %s: allowed %q, want %q", c.path, c.namespace, got, c.want)
				}
			}
			if a.AllowVariable("deny", "default", "a") || a.AllowVariable("fly", "default", "a") {
				t.Error("an operation that is none is allowed")
			}
		})
	}
}

func TestVariableSearch(t *testing.T) {
	for _, tt := range []struct {
		name      string
		workload  *acl.Workload
		policy    string
		namespace string
		want      bool
	}{
		{"nothing", nil, "", "default", false},
		{"nothing, any namespace", nil, "", "*", false},
		{"own namespace", &redis, "", "default", true},
		{"any namespace", &redis, "", "*", true},
		{"another namespace", &redis, "", "shared", false},
		{"exact rule", nil, vars("shared", "a", "list"), "shared", true},
		{"rule elsewhere", nil, vars("shared", "a", "list"), "share", false},
		{"rule elsewhere, any namespace", nil, vars("shared", "a", "list"), "*", true},
		{"glob", nil, vars("sh*", "a", "read"), "shared", true},
		{"only write", nil, vars("sh*", "a", "write"), "shared", false},
		{"only deny", nil, vars("sh*", "a", "deny"), "*", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := compile(t, tt.workload, tt.policy).AllowVariableSearch(tt.namespace); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestNamespaces(t *testing.T) {
	for _, tt := range []struct {
		name       string
		policies   []string
		namespace  string
		capability string
		want, any  bool
	}{
		{"read", []string{`namespace "default" { policy = "read" }`}, "default", acl.NamespaceReadJob, true, true},
		{"read does not submit", []string{`namespace "default" { policy = "read" }`}, "default", acl.NamespaceSubmitJob, false, true},
		{"another namespace", []string{`namespace "default" { policy = "read" }`}, "shared", acl.NamespaceReadJob, false, false},
		{"one capability", []string{`namespace "default" { capabilities = ["submit-job"] }`}, "default", acl.NamespaceSubmitJob, true, true},
		{"an empty rule", []string{`namespace "default" {}`}, "default", acl.NamespaceReadJob, false, false},
		{"only variables", []string{vars("default", "*", "read")}, "default", acl.NamespaceReadJob, false, false},
		{"an empty rule hides a glob", []string{`namespace "*" { policy = "write" } namespace "default" {}`}, "default", acl.NamespaceReadJob, false, false},
		{"a glob", []string{`namespace "sh*d" { policy = "read" }`}, "shared", acl.NamespaceReadJob, true, true},
		{"the longest glob", []string{`namespace "*" { policy = "deny" } namespace "sh*" { policy = "read" }`}, "shared", acl.NamespaceReadJob, true, true},
		{"the exact rule", []string{`namespace "*" { policy = "read" } namespace "default" { policy = "deny" }`}, "default", acl.NamespaceReadJob, false, false},
		{"equal globs: the greater text", []string{`namespace "d*" { policy = "read" } namespace "*t" { policy = "deny" }`}, "default", acl.NamespaceReadJob, true, true},
		{"union", []string{`namespace "default" { policy = "read" }`, `namespace "default" { capabilities = ["submit-job"] }`}, "default", acl.NamespaceSubmitJob, true, true},
		{"deny wins", []string{`namespace "default" { policy = "deny" }`, `namespace "default" { policy = "read" }`}, "default", acl.NamespaceReadJob, false, false},
		{"deny among capabilities wins", []string{`namespace "default" { policy = "write" capabilities = ["deny"] }`}, "default", acl.NamespaceReadJob, false, false},
		{"all namespaces: one grants", []string{`namespace "default" { policy = "deny" } namespace "sh*" { policy = "read" }`}, "*", acl.NamespaceReadJob, true, true},
		{"all namespaces: none grants", []string{`namespace "default" { policy = "deny" } namespace "sh*" { policy = "read" }`}, "*", acl.NamespaceSubmitJob, false, true},
		{"all namespaces: denied everywhere", []string{`namespace "*" { policy = "deny" }`}, "*", acl.NamespaceReadJob, false, false},
		{"host-volume-write implies", []string{`namespace "default" { capabilities = ["host-volume-write"] }`}, "default", acl.NamespaceHostVolumeDelete, true, true},
		{"deny is nothing to hold", []string{`namespace "default" { policy = "deny" }`}, "default", "deny", false, false},
		{"an unknown capability", []string{`namespace "default" { policy = "write" }`}, "default", "fly", false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := compile(t, &redis, tt.policies...)
			if got := a.AllowNamespaceOp(tt.namespace, tt.capability); got != tt.want {
				t.Errorf("AllowNamespaceOp = %v", got)
			}
			if got := a.AllowNamespace(tt.namespace); got != tt.any {
				t.Errorf("AllowNamespace = %v", got)
			}
			if d := a.ExplainNamespaceOp(tt.namespace, tt.capability); d.Allowed != tt.want || d.Reason == "" {
				t.Errorf("explained as %+v", d)
			}
		})
	}
}

func TestServices(t *testing.T) {
	policy := `namespace "sh*" { policy = "read" }`
	for _, tt := range []struct {
		name      string
		workload  *acl.Workload
		policy    string
		namespace string
		want      bool
	}{
		{"a workload, anywhere", &redis, "", "other", true},
		{"a workload, all namespaces", &redis, "", "*", false},
		{"a workload with read-job, all namespaces", &redis, policy, "*", true},
		{"a client token without read-job", nil, policy, "default", false},
		{"a client token with read-job", nil, policy, "shared", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := compile(t, tt.workload, tt.policy).AllowServiceRead(tt.namespace); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// levels lists every coarse permission the ACL has.
func levels(a *acl.ACL) string {
	var got []string
	for _, l := range []struct {
		name string
		ask  func() bool
	}{
		{"agent-read", a.AllowAgentRead}, {"agent-write", a.AllowAgentWrite},
		{"node-read", a.AllowNodeRead}, {"node-write", a.AllowNodeWrite},
		{"operator-read", a.AllowOperatorRead}, {"operator-write", a.AllowOperatorWrite},
		{"quota-read", a.AllowQuotaRead}, {"quota-write", a.AllowQuotaWrite},
		{"plugin-list", a.AllowPluginList}, {"plugin-read", a.AllowPluginRead},
	} {
		if l.ask() {
			got = append(got, l.name)
		}
	}
	for _, op := range []string{acl.OperatorSnapshotSave, acl.OperatorLicenseRead, acl.OperatorKeyringRotate, acl.OperatorKeyringRead, acl.OperatorKeyringDelete} {
		if a.AllowOperatorOp(op) {
			got = append(got, op)
		}
	}
	for _, c := range []string{acl.NodePoolRead, acl.NodePoolWrite, acl.NodePoolDelete} {
		if a.AllowNodePoolOp("gpu", c) {
			got = append(got, "pool-"+c)
		}
	}
	for _, c := range []string{acl.HostVolumeMountReadOnly, acl.HostVolumeMountReadWrite} {
		if a.AllowHostVolumeOp("data", c) {
			got = append(got, c)
		}
	}
	return strings.Join(got, " ")
}

const everyLevel = "agent-read agent-write node-read node-write operator-read operator-write quota-read quota-write plugin-list plugin-read" +
	" snapshot-save license-read keyring-rotate keyring-read keyring-delete pool-read pool-write pool-delete mount-readonly mount-readwrite"

func TestLevels(t *testing.T) {
	for _, tt := range []struct {
		name     string
		policies []string
		want     string
	}{
		{"nothing", nil, ""},
		{"agent", []string{`agent { policy = "read" }`}, "agent-read"},
		{"agent, the most of several", []string{`agent { policy = "write" }`, `agent { policy = "read" }`}, "agent-read agent-write"},
		{"agent, deny wins", []string{`agent { policy = "deny" }`, `agent { policy = "write" }`}, ""},
		{"scale means nothing here", []string{`agent { policy = "scale" } node { policy = "scale" }`}, ""},
		{"node", []string{`node { policy = "write" }`}, "node-read node-write"},
		{"quota", []string{`quota { policy = "read" }`}, "quota-read"},
		{"plugin list", []string{`plugin { policy = "list" }`}, "plugin-list"},
		{"plugin read", []string{`plugin { policy = "read" }`, `plugin { policy = "list" }`}, "plugin-list plugin-read"},
		{"plugin deny", []string{`plugin { policy = "read" }`, `plugin { policy = "deny" }`}, ""},
		{"operator read", []string{`operator { policy = "read" }`}, "operator-read license-read keyring-read"},
		{"operator write", []string{`operator { policy = "write" }`},
			"operator-read operator-write snapshot-save license-read keyring-rotate keyring-read keyring-delete"},
		{"operator capabilities", []string{`operator { capabilities = ["keyring-rotate"] }`, `operator { capabilities = ["snapshot-save"] }`}, "snapshot-save keyring-rotate"},
		{"operator deny", []string{`operator { policy = "write" }`, `operator { capabilities = ["deny"] }`}, ""},
		{"operator deny first", []string{`operator { capabilities = ["deny"] }`, `operator { policy = "write" }`}, ""},
		{"node pool", []string{`node_pool "g*" { policy = "read" }`}, "pool-read"},
		{"node pool, exact before glob", []string{`node_pool "gpu" { capabilities = ["delete"] } node_pool "*" { policy = "write" }`}, "pool-delete"},
		{"node pool deny", []string{`node_pool "gpu" { policy = "deny" }`, `node_pool "gpu" { policy = "write" }`}, ""},
		{"host volume", []string{`host_volume "data" { policy = "write" }`}, "mount-readonly mount-readwrite"},
		{"host volume deny", []string{`host_volume "*" { policy = "write" } host_volume "da*" { policy = "deny" }`}, ""},
		{"everything", []string{`agent { policy = "write" } node { policy = "write" } operator { policy = "write" } quota { policy = "write" }
			plugin { policy = "read" } node_pool "*" { policy = "write" } host_volume "*" { policy = "write" }`}, everyLevel},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := levels(compile(t, nil, tt.policies...)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestManagementAndNothing(t *testing.T) {
	for name, a := range map[string]*acl.ACL{"management": acl.Management, "nothing": acl.Nothing, "nil": nil} {
		t.Run(name, func(t *testing.T) {
			want := name == "management"
			if a.IsManagement() != want || a.AllowVariable(acl.VarWrite, "x", "y") != want || a.AllowVariableSearch("x") != want ||
				a.AllowNamespaceOp("*", acl.NamespaceSubmitJob) != want || a.AllowNamespace("x") != want || a.AllowServiceRead("*") != want ||
				a.ExplainVariable(acl.VarRead, "x", "y").Allowed != want || a.ExplainNamespaceOp("x", acl.NamespaceReadJob).Allowed != want {
				t.Error("not everything is", want)
			}
			wantLevels := ""
			if want {
				wantLevels = everyLevel
			}
			if got := levels(a); got != wantLevels {
				t.Errorf("levels: %s", got)
			}
		})
	}
}

func TestCompileNeedsParsedPolicies(t *testing.T) {
	_, err := acl.Compile([]acl.Source{{Name: "gone"}}, nil)
	if want := `compile the ACL of a token: policy "gone" is not parsed`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestAttachment(t *testing.T) {
	for _, tt := range []struct {
		attachment acl.Attachment
		want       bool
		invalid    string
	}{
		{acl.Attachment{}, false, ""},
		{acl.Attachment{Namespace: "default"}, true, ""},
		{acl.Attachment{Namespace: "other"}, false, ""},
		{acl.Attachment{Namespace: "default", JobID: "example"}, true, ""},
		{acl.Attachment{Namespace: "default", JobID: "other"}, false, ""},
		{acl.Attachment{Namespace: "default", JobID: "example", Group: "cache"}, true, ""},
		{acl.Attachment{Namespace: "default", JobID: "example", Group: "web"}, false, ""},
		{acl.Attachment{Namespace: "default", JobID: "example", Group: "cache", Task: "redis"}, true, ""},
		{acl.Attachment{Namespace: "default", JobID: "example", Group: "cache", Task: "sidecar"}, false, ""},
		{acl.Attachment{JobID: "example"}, false, "namespace must be set to set job ID"},
		{acl.Attachment{Namespace: "default", Group: "cache"}, true, "job ID must be set to set group"},
		{acl.Attachment{Namespace: "default", JobID: "example", Task: "redis"}, true, "group must be set to set task"},
	} {
		if got := tt.attachment.AppliesTo(redis); got != tt.want {
			t.Errorf("%+v applies: %v", tt.attachment, got)
		}
		got := ""
		if err := tt.attachment.Validate(); err != nil {
			got = err.Error()
		}
		if got != tt.invalid {
			t.Errorf("%+v: %q, want %q", tt.attachment, got, tt.invalid)
		}
	}
}
