package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
)

// aclPolicy is a policy as the API has it.
type aclPolicy struct {
	Name, Description        string
	Rules                    string  `json:",omitempty"`
	JobACL                   *jobACL `json:",omitempty"`
	CreateIndex, ModifyIndex uint64
}

// jobACL is what a policy is attached to.
type jobACL struct{ Namespace, JobID, Group, Task string }

// String names the attachment the way a person would.
func (j *jobACL) String() string {
	if j == nil || j.Namespace == "" {
		return ""
	}
	parts := []string{"namespace " + j.Namespace}
	for _, p := range []struct{ what, name string }{{"job", j.JobID}, {"group", j.Group}, {"task", j.Task}} {
		if p.name != "" {
			parts = append(parts, p.what+" "+p.name)
		}
	}
	return strings.Join(parts, ", ")
}

// operatorFlags are the API flags of commands in which -namespace means
// something else than the namespace of the request.
func operatorFlags(f *flagSet) *apiFlags {
	var a apiFlags
	f.BoolVar(&a.operator, "operator", false, "speak as the operator even inside a task")
	f.StringVar(&a.dataDir, "data-dir", "", "the embedded leader's data `directory`")
	return &a
}

var policyApply = &command{
	name: "apply", args: "[-description D] [-namespace N -job J -group G -task T] NAME FILE|-",
	summary: "Create or replace a policy, attached to a workload where one is named",
	run: func(ctx context.Context, c *invocation) (int, error) {
		f := newFlags(c)
		who := operatorFlags(f)
		var p aclPolicy
		var to jobACL
		f.StringVar(&p.Description, "description", "", "`what` the policy is for")
		f.StringVar(&to.Namespace, "namespace", "", "attach it to the workloads of this `namespace`")
		f.StringVar(&to.JobID, "job", "", "only of this `job`")
		f.StringVar(&to.Group, "group", "", "only of this `group`")
		f.StringVar(&to.Task, "task", "", "only of this `task`")
		a, operands, err := openAPI(ctx, f, who, 2, 2)
		if err != nil {
			return exitInternal, err
		}
		p.Name = operands[0]
		rules, err := readRules(c, operands[1])
		if err != nil {
			return exitFailure, err
		}
		p.Rules = string(rules)
		if to != (jobACL{}) {
			if to.Namespace == "" {
				to.Namespace = "default"
			}
			p.JobACL = &to
		}
		if _, _, err := a.do(ctx, http.MethodPut, "/v1/acl/policy/"+url.PathEscape(p.Name), nil, p); err != nil {
			return exitFailure, err
		}
		fmt.Fprintf(c.out, "Successfully wrote %q ACL policy!\n", p.Name)
		return exitOK, nil
	},
}

func readRules(c *invocation, from string) ([]byte, error) {
	if from == "-" {
		return readBounded("standard input", c.in)
	}
	return readFileOperand(from)
}

var policyList = &command{
	name: "list", args: "[-json]", summary: "List policies; inside a task, those that apply to it",
	run: func(ctx context.Context, c *invocation) (int, error) {
		f := newFlags(c)
		who := operatorFlags(f)
		asJSON := f.Bool("json", false, "print JSON")
		a, _, err := openAPI(ctx, f, who, 0, 0)
		if err != nil {
			return exitInternal, err
		}
		policies := []aclPolicy{}
		if err := a.get(ctx, "/v1/acl/policies", nil, &policies); err != nil {
			return exitFailure, err
		}
		if *asJSON {
			return result(printJSON(c.out, policies))
		}
		return result(table(c.out, "Name\tDescription", func(row func(...any)) {
			for _, p := range policies {
				row(p.Name, p.Description)
			}
		}))
	},
}

var policyInfo = &command{
	name: "info", args: "[-json] NAME", summary: "Print a policy",
	run: func(ctx context.Context, c *invocation) (int, error) {
		f := newFlags(c)
		who := operatorFlags(f)
		asJSON := f.Bool("json", false, "print JSON")
		a, operands, err := openAPI(ctx, f, who, 1, 1)
		if err != nil {
			return exitInternal, err
		}
		var p aclPolicy
		if err := a.get(ctx, "/v1/acl/policy/"+url.PathEscape(operands[0]), nil, &p); err != nil {
			return exitFailure, err
		}
		if *asJSON {
			return result(printJSON(c.out, p))
		}
		t := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
		fmt.Fprintf(t, "Name\t%s\nDescription\t%s\nAttached to\t%s\nModify Index\t%d\n", p.Name, p.Description, orNone(p.JobACL.String()), p.ModifyIndex)
		if err := t.Flush(); err != nil {
			return exitFailure, err
		}
		_, err = fmt.Fprintf(c.out, "\nRules\n%s\n", strings.TrimRight(p.Rules, "\n"))
		return result(err)
	},
}

var policyDelete = &command{
	name: "delete", args: "NAME", summary: "Delete a policy; its effect ends at once",
	run: func(ctx context.Context, c *invocation) (int, error) {
		f := newFlags(c)
		who := operatorFlags(f)
		a, operands, err := openAPI(ctx, f, who, 1, 1)
		if err != nil {
			return exitInternal, err
		}
		if _, _, err := a.do(ctx, http.MethodDelete, "/v1/acl/policy/"+url.PathEscape(operands[0]), nil, nil); err != nil {
			return exitFailure, err
		}
		fmt.Fprintf(c.out, "Successfully deleted %s policy!\n", operands[0])
		return exitOK, nil
	},
}

// openAPI parses a command's flags and operands and opens the API.
func openAPI(ctx context.Context, f *flagSet, who *apiFlags, least, most int) (*api, []string, error) {
	operands, err := f.parseMixed()
	if err == nil {
		err = f.want(operands, least, most)
	}
	if err != nil {
		return nil, nil, err
	}
	a, err := who.open(ctx, f.c)
	return a, operands, err
}

// get reads one answer into v.
func (a *api) get(ctx context.Context, path string, query url.Values, v any) error {
	answer, _, err := a.do(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, v); err != nil {
		return fmt.Errorf("GET %s: read the answer: %w", path, err)
	}
	return nil
}

// result is the end of a command whose last step was to print.
func result(err error) (int, error) {
	if err != nil {
		return exitFailure, err
	}
	return exitOK, nil
}

// table prints rows under a heading, columns aligned.
func table(w io.Writer, heading string, rows func(row func(...any))) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, heading)
	rows(func(cells ...any) {
		text := make([]string, len(cells))
		for i, c := range cells {
			text[i] = fmt.Sprint(c)
		}
		fmt.Fprintln(t, strings.Join(text, "\t"))
	})
	return t.Flush()
}

func orNone(s string) string {
	if s == "" {
		return "<none>"
	}
	return s
}
