package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/taskagent/taskagent/internal/acl"
	"github.com/taskagent/taskagent/internal/fault"
)

var aclExplain = &command{
	name: "explain", args: "-job J -group G -task T [-namespace N] [-op read] PATH",
	summary: "Say whether a task may use a variable, and which rule decides",
	run: func(ctx context.Context, c *invocation) (int, error) {
		f := newFlags(c)
		who := operatorFlags(f)
		var w acl.Workload
		f.StringVar(&w.Namespace, "namespace", "", "the workload's `namespace`; default default")
		f.StringVar(&w.Job, "job", "", "the workload's `job`")
		f.StringVar(&w.Group, "group", "", "the workload's `group`")
		f.StringVar(&w.Task, "task", "", "the workload's `task`")
		in := f.String("in", "", "the variable's `namespace`; default the workload's")
		op := f.String("op", acl.VarRead, "the `operation`: list, read, write or destroy")
		asJSON := f.Bool("json", false, "print JSON")
		operands, err := f.parseMixed()
		if err == nil {
			err = f.want(operands, 1, 1)
		}
		if err != nil {
			return exitUsage, err
		}
		switch *op {
		case acl.VarList, acl.VarRead, acl.VarWrite, acl.VarDestroy:
		default:
			return exitUsage, fault.Usage(fmt.Errorf("invalid value %q for flag -op", *op), "want list, read, write or destroy")
		}
		if err := ownWorkload(c, &w); err != nil {
			return exitUsage, err
		}
		if *in == "" {
			*in = w.Namespace
		}
		a, err := who.open(ctx, c)
		if err != nil {
			return exitInternal, err
		}
		sources, err := attachedPolicies(ctx, a, w)
		if err != nil {
			return exitFailure, err
		}
		compiled, err := acl.Compile(sources, &w)
		if err != nil {
			return exitFailure, err
		}
		d := compiled.ExplainVariable(*op, *in, operands[0])
		return explained(c, d, *asJSON, fmt.Sprintf("%s of %q in namespace %q by %s", *op, operands[0], *in, workloadName(w)), sources)
	},
}

// ownWorkload completes a workload with the task's own names inside a task.
func ownWorkload(c *invocation, w *acl.Workload) error {
	if w.Job == "" && w.Group == "" && w.Task == "" {
		env := environMap(c.environ)
		w.Job, w.Group, w.Task = env["NOMAD_JOB_ID"], env["NOMAD_GROUP_NAME"], env["NOMAD_TASK_NAME"]
		if w.Namespace == "" {
			w.Namespace = env["NOMAD_NAMESPACE"]
		}
	}
	if w.Namespace == "" {
		w.Namespace = "default"
	}
	if w.Job == "" || w.Group == "" || w.Task == "" {
		return fault.Usage(errors.New("acl explain: whose access?"), "name the workload: -job J -group G -task T")
	}
	return nil
}

// attachedPolicies reads the policies that apply to w.
func attachedPolicies(ctx context.Context, a *api, w acl.Workload) ([]acl.Source, error) {
	var stubs []aclPolicy
	if err := a.get(ctx, "/v1/acl/policies", nil, &stubs); err != nil {
		return nil, err
	}
	var sources []acl.Source
	for _, stub := range stubs {
		var p aclPolicy
		err := a.get(ctx, "/v1/acl/policy/"+url.PathEscape(stub.Name), nil, &p)
		var status *statusError
		if errors.As(err, &status) && status.status == 404 {
			continue // deleted since it was listed
		}
		if err != nil {
			return nil, err
		}
		if p.JobACL == nil || !(acl.Attachment{Namespace: p.JobACL.Namespace, JobID: p.JobACL.JobID, Group: p.JobACL.Group, Task: p.JobACL.Task}).AppliesTo(w) {
			continue
		}
		policy, err := acl.Parse(p.Rules)
		if err != nil {
			return nil, fmt.Errorf("policy %q: %w", p.Name, err)
		}
		sources = append(sources, acl.Source{Name: p.Name, Policy: policy})
	}
	return sources, nil
}

func explained(c *invocation, d acl.Decision, asJSON bool, what string, sources []acl.Source) (int, error) {
	code := exitOK
	if !d.Allowed {
		code = exitFailure
	}
	names := make([]string, 0, len(sources))
	for _, s := range sources {
		names = append(names, s.Name)
	}
	if asJSON {
		return code, printJSON(c.out, struct {
			acl.Decision
			Policies []string
		}{d, names})
	}
	verdict := map[bool]string{true: "allowed", false: "denied"}[d.Allowed]
	fmt.Fprintf(c.out, "%s: %s\n", verdict, what)
	if d.Policy != "" {
		fmt.Fprintf(c.out, "policy: %s\n", d.Policy)
	}
	if d.Rule != "" {
		fmt.Fprintf(c.out, "rule:   %s\n", d.Rule)
	}
	fmt.Fprintf(c.out, "why:    %s\n", d.Reason)
	fmt.Fprintf(c.out, "policies attached to it: %s\n", orNone(strings.Join(names, ", ")))
	return code, nil
}

func workloadName(w acl.Workload) string {
	return fmt.Sprintf("job %q, group %q, task %q of namespace %q", w.Job, w.Group, w.Task, w.Namespace)
}
