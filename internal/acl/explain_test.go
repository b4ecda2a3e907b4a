package acl_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taskagent/taskagent/internal/acl"
)

func TestExplainVariable(t *testing.T) {
	policies := []string{
		"namespace \"default\" {\n  policy = \"read\"\n  variables {\n    path \"app/*\" { capabilities = [\"read\"] }\n    path \"shared\" { capabilities = [\"list\"] }\n  }\n}",
		vars("default", "shared", "write", "app/secret", "deny"),
	}
	for _, tt := range []struct {
		name, op, namespace, path string
		want                      acl.Decision
	}{
		{"glob grants", acl.VarRead, "default", "app/x", acl.Decision{Allowed: true, Policy: "p0",
			Rule: `namespace "default" → variables path "app/*" [list, read] (line 4)`, Reason: `the closest glob decides`}},
		{"glob does not grant", acl.VarWrite, "default", "app/x", acl.Decision{Policy: "p0",
			Rule:   `namespace "default" → variables path "app/*" [list, read] (line 4)`,
			Reason: `the closest glob decides, and it does not grant write of variable "app/x" in namespace "default"`}},
		{"the policy that grants is named", acl.VarWrite, "default", "shared", acl.Decision{Allowed: true, Policy: "p1",
			Rule: `namespace "default" → variables path "shared" [write] (line 1)`, Reason: `the rule for exactly this path decides`}},
		{"none of several grants", acl.VarDestroy, "default", "shared", acl.Decision{Policy: "p0",
			Rule:   `namespace "default" → variables path "shared" [list] (line 5)`,
			Reason: `the rule for exactly this path decides, and it does not grant destroy of variable "shared" in namespace "default", nor do the other policies with the same rule`}},
		{"denied", acl.VarRead, "default", "app/secret", acl.Decision{Policy: "p1",
			Rule: `namespace "default" → variables path "app/secret" [deny] (line 1)`, Reason: `the rule for exactly this path decides, and it denies everything`}},
		{"implicit", acl.VarRead, "default", "nomad/jobs/example", acl.Decision{Allowed: true, Policy: acl.PolicyImplicit,
			Rule:   `namespace "default" → variables path "nomad/jobs/example" [list, read]`,
			Reason: `a workload may list and read the variables of its own job, group and task`}},
		{"implicit does not write", acl.VarWrite, "default", "nomad/jobs/example", acl.Decision{Policy: acl.PolicyImplicit,
			Rule:   `namespace "default" → variables path "nomad/jobs/example" [list, read]`,
			Reason: `the implicit workload policy lets a workload list and read this path, and no other rule grants write; policy = "read" on a namespace grants no variables`}},
		{"no rule, though the namespace has a policy", acl.VarRead, "default", "other", acl.Decision{
			Reason: `no variables rule matches variable "other" in namespace "default"; policy = "read" on a namespace grants no variables`}},
		{"no rule", acl.VarRead, "shared", "other", acl.Decision{Reason: `no variables rule matches variable "other" in namespace "shared"`}},
		{"no operation", "fly", "shared", "other", acl.Decision{
			Reason: `"fly" is nothing that can be done to a variable; known are list, read, write, destroy`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := compile(t, &redis, policies...).ExplainVariable(tt.op, tt.namespace, tt.path)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestExplainNamespaceOp(t *testing.T) {
	policies := []string{`namespace "default" { policy = "read" }`, `namespace "sh*" { capabilities = ["submit-job"] }`, `namespace "secret" { policy = "deny" }`}
	for _, tt := range []struct {
		name, namespace, capability string
		want                        acl.Decision
	}{
		{"granted", "default", acl.NamespaceReadJob, acl.Decision{Allowed: true, Policy: "p0",
			Rule: `namespace "default" policy = "read" (line 1)`, Reason: `the rule for exactly this namespace decides`}},
		{"not granted", "default", acl.NamespaceSubmitJob, acl.Decision{Policy: "p0",
			Rule:   `namespace "default" policy = "read" (line 1)`,
			Reason: `the rule for exactly this namespace decides, and it does not grant submit-job in namespace "default"`}},
		{"glob", "shared", acl.NamespaceSubmitJob, acl.Decision{Allowed: true, Policy: "p1",
			Rule: `namespace "sh*" [submit-job] (line 1)`, Reason: `the closest glob decides`}},
		{"denied", "secret", acl.NamespaceReadJob, acl.Decision{Policy: "p2",
			Rule: `namespace "secret" policy = "deny" (line 1)`, Reason: `the rule for exactly this namespace decides, and it denies everything`}},
		{"no rule", "other", acl.NamespaceReadJob, acl.Decision{Reason: `no rule matches namespace "other"`}},
		{"all namespaces", "*", acl.NamespaceReadJob, acl.Decision{Allowed: true, Policy: "p0", Rule: `namespace "default" policy = "read" (line 1)`,
			Reason: `one namespace that grants it is enough to ask for all; the answer is filtered`}},
		{"all namespaces, none", "*", acl.NamespaceReadFS, acl.Decision{Reason: `no rule grants read-fs in any namespace`}},
		{"no capability", "default", "read-jbo", acl.Decision{Reason: `unknown namespace capability "read-jbo"; did you mean "read-job"?`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := compile(t, nil, policies...).ExplainNamespaceOp(tt.namespace, tt.capability)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
