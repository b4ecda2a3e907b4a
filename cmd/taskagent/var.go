package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/taskagent/taskagent/internal/fault"
)

// variable is a Nomad Variable as the API has it.
type variable struct {
	Namespace, Path          string
	CreateIndex, ModifyIndex uint64
	CreateTime, ModifyTime   int64             // nanoseconds since 1970
	Items                    map[string]string `json:",omitempty"`
}

var varCommand = &command{
	name:    "var",
	summary: "Read and write Variables: get, put, list, purge",
	sub:     []*command{varGet, varPut, varList, varPurge},
}

var varGet = &command{
	name: "get", args: "[-item KEY] [-json] PATH", summary: "Print a variable",
	run: func(ctx context.Context, c *invocation) (int, error) {
		f := newFlags(c)
		who := addAPIFlags(f)
		item := f.String("item", "", "print only the value of this `key`, as it is")
		asJSON := f.Bool("json", false, "print JSON")
		a, operands, err := openAPI(ctx, f, who, 1, 1)
		if err != nil {
			return exitInternal, err
		}
		v, err := a.getVariable(ctx, operands[0])
		if err != nil {
			return exitFailure, err
		}
		switch {
		case *item != "":
			value, ok := v.Items[*item]
			if !ok {
				return exitFailure, fault.Hint(fmt.Errorf("variable %q has no item %q", v.Path, *item),
					"its items are "+strings.Join(slices.Sorted(maps.Keys(v.Items)), ", "))
			}
			_, err = io.WriteString(c.out, value)
		case *asJSON:
			err = printJSON(c.out, v)
		default:
			err = printVariable(c.out, v)
		}
		return result(err)
	},
}

var varPut = &command{
	name: "put", args: "[-check-index N] PATH KEY=VALUE|KEY=@FILE|KEY=- …", summary: "Write a variable: these items and no others",
	run: func(ctx context.Context, c *invocation) (int, error) {
		f := newFlags(c)
		who := addAPIFlags(f)
		check := f.String("check-index", "", "write only if the variable's index is still `N`; 0: only if there is none")
		asJSON := f.Bool("json", false, "print what was written as JSON")
		operands, err := f.parseMixed()
		if err == nil {
			err = f.want(operands, 2, -1)
		}
		if err != nil {
			return exitUsage, err
		}
		v := variable{Path: operands[0]}
		if v.Items, err = readItems(c, operands[1:]); err != nil {
			return exitUsage, err
		}
		query, err := checkIndex(*check)
		if err != nil {
			return exitUsage, err
		}
		a, err := who.open(ctx, c)
		if err != nil {
			return exitInternal, err
		}
		v.Namespace = a.namespace
		answer, _, err := a.do(ctx, http.MethodPut, "/v1/var/"+escapePath(v.Path), query, v)
		if err != nil {
			return exitFailure, casHint(err)
		}
		if *asJSON {
			if err := json.Unmarshal(answer, &v); err != nil {
				return exitFailure, fmt.Errorf("read the answer: %w", err)
			}
			if err := printJSON(c.out, v); err != nil {
				return exitFailure, err
			}
		}
		return exitOK, nil
	},
}

var varList = &command{
	name: "list", args: "[-json] [PREFIX]", summary: "List the variables that may be listed",
	run: func(ctx context.Context, c *invocation) (int, error) {
		f := newFlags(c)
		who := addAPIFlags(f)
		asJSON := f.Bool("json", false, "print JSON")
		a, operands, err := openAPI(ctx, f, who, 0, 1)
		if err != nil {
			return exitInternal, err
		}
		query := url.Values{}
		if len(operands) == 1 {
			query.Set("prefix", operands[0])
		}
		list := []variable{}
		if err := a.get(ctx, "/v1/vars", query, &list); err != nil {
			return exitFailure, err
		}
		if *asJSON {
			return result(printJSON(c.out, list))
		}
		return result(printVariables(c.out, list))
	},
}

var varPurge = &command{
	name: "purge", args: "[-check-index N] PATH", summary: "Delete a variable",
	run: func(ctx context.Context, c *invocation) (int, error) {
		f := newFlags(c)
		who := addAPIFlags(f)
		check := f.String("check-index", "", "delete only if the variable's index is still `N`")
		a, operands, err := openAPI(ctx, f, who, 1, 1)
		if err != nil {
			return exitInternal, err
		}
		query, err := checkIndex(*check)
		if err != nil {
			return exitUsage, err
		}
		if _, _, err := a.do(ctx, http.MethodDelete, "/v1/var/"+escapePath(operands[0]), query, nil); err != nil {
			return exitFailure, casHint(err)
		}
		return exitOK, nil
	},
}

func (a *api) getVariable(ctx context.Context, path string) (*variable, error) {
	var v variable
	if err := a.get(ctx, "/v1/var/"+escapePath(path), nil, &v); err != nil {
		return nil, err
	}
	return &v, nil
}

// readItems reads KEY=VALUE, KEY=@FILE and KEY=- (standard input), as `nomad
// var put` does; a backslash keeps an @ at the front of a value.
func readItems(c *invocation, operands []string) (map[string]string, error) {
	items := make(map[string]string, len(operands))
	for _, operand := range operands {
		key, value, ok := strings.Cut(operand, "=")
		if !ok || key == "" {
			return nil, fault.Usage(fmt.Errorf("var put: item %d is not of the form KEY=VALUE", len(items)+1), "usage: "+c.path+" "+c.command.args)
		}
		if _, twice := items[key]; twice {
			return nil, fault.Usage(fmt.Errorf("var put: item %q is given twice", key), "")
		}
		var b []byte
		var err error
		switch {
		case value == "-":
			b, err = readBounded("standard input", c.in)
		case strings.HasPrefix(value, "@"):
			b, err = readFileOperand(value[1:])
		default:
			if strings.HasPrefix(value, `\@`) {
				value = value[1:]
			}
			b = []byte(value)
		}
		if err != nil {
			return nil, fmt.Errorf("var put: item %q: %w", key, err)
		}
		items[key] = string(b)
	}
	return items, nil
}

func checkIndex(s string) (url.Values, error) {
	if s == "" {
		return nil, nil
	}
	if _, err := strconv.ParseUint(s, 10, 64); err != nil {
		return nil, fault.Usage(fmt.Errorf("invalid value %q for flag -check-index: want a number", s), "")
	}
	return url.Values{"cas": {s}}, nil
}

// casHint says what a conflict means; the answer to one holds the variable as it is now.
func casHint(err error) error {
	var status *statusError
	if !errors.As(err, &status) || status.status != http.StatusConflict {
		return err
	}
	var now variable
	if json.Unmarshal([]byte(status.body), &now) == nil && now.Path != "" {
		err = fmt.Errorf("variable %q has changed: its index is %d", now.Path, now.ModifyIndex)
		return fault.Hint(err, "read it again, then write with its present index as -check-index")
	}
	return err
}

// escapePath escapes a variable's path for a URL, slash by slash.
func escapePath(path string) string {
	return (&url.URL{Path: path}).EscapedPath()
}

func printVariable(w io.Writer, v *variable) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "Namespace\t%s\nPath\t%s\nCreate Time\t%s\nModify Time\t%s\nCheck Index\t%d\n\nItems\n",
		v.Namespace, v.Path, when(v.CreateTime), when(v.ModifyTime), v.ModifyIndex)
	for _, k := range slices.Sorted(maps.Keys(v.Items)) {
		fmt.Fprintf(t, "%s\t= %s\n", k, v.Items[k])
	}
	return t.Flush()
}

func printVariables(w io.Writer, list []variable) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "No variables that may be listed")
		return err
	}
	return table(w, "Namespace\tPath\tLast Updated", func(row func(...any)) {
		for _, v := range list {
			row(v.Namespace, v.Path, when(v.ModifyTime))
		}
	})
}

func when(unixNano int64) string { return time.Unix(0, unixNano).UTC().Format(time.RFC3339) }

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "    ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
