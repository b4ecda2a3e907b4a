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
	"time"
)

// aclToken is an ACL token as the API has it. SecretID is the credential.
type aclToken struct {
	AccessorID     string     `json:",omitempty"`
	SecretID       string     `json:",omitempty"`
	Name           string     `json:",omitempty"`
	Type           string     `json:",omitempty"`
	Policies       []string   `json:",omitempty"`
	Global         bool       `json:",omitempty"`
	CreateTime     *time.Time `json:",omitempty"`
	ExpirationTime *time.Time `json:",omitempty"`
	ExpirationTTL  string     `json:",omitempty"`
	ModifyIndex    uint64     `json:",omitempty"`
}

var tokenCreate = &command{
	name: "create", args: "[-name N] [-type client|management] [-policy P …] [-ttl D]",
	summary: "Create an ACL token and print its secret",
	run: func(ctx context.Context, c *invocation) (int, error) {
		f := newFlags(c)
		who := operatorFlags(f)
		var t aclToken
		f.StringVar(&t.Name, "name", "", "`what` the token is for")
		f.StringVar(&t.Type, "type", "client", "the token's `type`, client or management")
		policies := f.list("policy", "a `policy` of a client token; repeatable")
		ttl := f.Duration("ttl", 0, "the `duration` that the token is valid, at least 1m; default for ever")
		asJSON := f.Bool("json", false, "print JSON")
		a, _, err := openAPI(ctx, f, who, 0, 0)
		if err != nil {
			return exitInternal, err
		}
		t.Policies = *policies
		if *ttl != 0 {
			t.ExpirationTTL = ttl.String()
		}
		answer, _, err := a.do(ctx, http.MethodPut, "/v1/acl/token", nil, t)
		if err != nil {
			return exitFailure, err
		}
		t = aclToken{}
		if err := json.Unmarshal(answer, &t); err != nil {
			return exitFailure, fmt.Errorf("read the answer: %w", err)
		}
		return result(printToken(c.out, t, *asJSON))
	},
}

var tokenList = &command{
	name: "list", args: "[-json]", summary: "List ACL tokens, without their secrets",
	run: func(ctx context.Context, c *invocation) (int, error) {
		f := newFlags(c)
		who := operatorFlags(f)
		asJSON := f.Bool("json", false, "print JSON")
		a, _, err := openAPI(ctx, f, who, 0, 0)
		if err != nil {
			return exitInternal, err
		}
		tokens := []aclToken{}
		if err := a.get(ctx, "/v1/acl/tokens", nil, &tokens); err != nil {
			return exitFailure, err
		}
		if *asJSON {
			return result(printJSON(c.out, tokens))
		}
		return result(table(c.out, "Name\tType\tAccessor ID\tExpires", func(row func(...any)) {
			for _, t := range tokens {
				row(orNone(t.Name), t.Type, t.AccessorID, expires(t))
			}
		}))
	},
}

var tokenInfo = tokenShow("info", "ACCESSOR-ID", "Print an ACL token", func(operands []string) string {
	return "/v1/acl/token/" + url.PathEscape(operands[0])
})

var tokenSelf = tokenShow("self", "", "Print the token in use", func([]string) string {
	return "/v1/acl/token/self"
})

func tokenShow(name, operand, summary string, path func(operands []string) string) *command {
	n := len(strings.Fields(operand))
	return &command{
		name: name, args: strings.TrimSpace("[-json] " + operand), summary: summary,
		run: func(ctx context.Context, c *invocation) (int, error) {
			f := newFlags(c)
			who := operatorFlags(f)
			asJSON := f.Bool("json", false, "print JSON")
			a, operands, err := openAPI(ctx, f, who, n, n)
			if err != nil {
				return exitInternal, err
			}
			var t aclToken
			if err := a.get(ctx, path(operands), nil, &t); err != nil {
				return exitFailure, err
			}
			return result(printToken(c.out, t, *asJSON))
		},
	}
}

var tokenDelete = &command{
	name: "delete", args: "ACCESSOR-ID", summary: "Delete an ACL token; it is refused at once",
	run: func(ctx context.Context, c *invocation) (int, error) {
		f := newFlags(c)
		who := operatorFlags(f)
		a, operands, err := openAPI(ctx, f, who, 1, 1)
		if err != nil {
			return exitInternal, err
		}
		if _, _, err := a.do(ctx, http.MethodDelete, "/v1/acl/token/"+url.PathEscape(operands[0]), nil, nil); err != nil {
			return exitFailure, err
		}
		fmt.Fprintf(c.out, "Token %s successfully deleted\n", operands[0])
		return exitOK, nil
	},
}

func printToken(w io.Writer, t aclToken, asJSON bool) error {
	if asJSON {
		return printJSON(w, t)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "Accessor ID\t%s\nSecret ID\t%s\nName\t%s\nType\t%s\nPolicies\t%s\nExpires\t%s\n",
		t.AccessorID, t.SecretID, orNone(t.Name), t.Type, orNone(strings.Join(t.Policies, ", ")), expires(t))
	return tw.Flush()
}

func expires(t aclToken) string {
	if t.ExpirationTime == nil || t.ExpirationTime.IsZero() {
		return "never"
	}
	return t.ExpirationTime.UTC().Format(time.RFC3339)
}
