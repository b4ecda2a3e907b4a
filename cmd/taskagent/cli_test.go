package main

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

// call runs the command line as main does, without a process.
func call(t *testing.T, stdin string, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(context.Background(), args, environ, stdio{strings.NewReader(stdin), &out, &err})
	return code, out.String(), err.String()
}

// flagsOf parses flags the way commands do and returns what they became.
func flagsOf(environ []string, args ...string) (*flagSet, *struct {
	dir   string
	acl   bool
	items *[]string
}, error) {
	f := newFlags(&invocation{stdio: stdio{nil, io.Discard, io.Discard}, path: "taskagent x", command: &command{}, args: args, environ: environ})
	v := &struct {
		dir   string
		acl   bool
		items *[]string
	}{}
	f.StringVar(&v.dir, "data-dir", "", "")
	f.BoolVar(&v.acl, "acl", true, "")
	v.items = f.list("item", "")
	return f, v, f.parse()
}

// TestTwins: every flag can be set in the environment, and the flag wins.
func TestTwins(t *testing.T) {
	env := []string{"TASKAGENT_DATA_DIR=/env", "TASKAGENT_ACL=false", "TASKAGENT_ITEM=a=1\n\n b=2 \n"}
	f, v, err := flagsOf(env, "rest", "-data-dir", "not a flag any more")
	if err != nil {
		t.Fatal(err)
	}
	if v.dir != "/env" || v.acl || strings.Join(*v.items, "|") != "a=1|b=2" || len(f.Args()) != 3 {
		t.Errorf("from the environment: %+v %q %q", v, *v.items, f.Args())
	}
	for _, dash := range []string{"-", "--"} {
		_, v, err = flagsOf(env, dash+"data-dir=/flag", dash+"acl", dash+"item", "c")
		if err != nil {
			t.Fatal(err)
		}
		if v.dir != "/flag" || !v.acl || strings.Join(*v.items, "|") != "c" {
			t.Errorf("flags with %s over the environment: %+v %q", dash, v, *v.items)
		}
	}
	if _, _, err := flagsOf([]string{"TASKAGENT_ACL=maybe"}); err == nil || !strings.Contains(err.Error(), `invalid value "maybe" for TASKAGENT_ACL`) {
		t.Errorf("a bad twin: %v", err)
	}
}

// TestVoice: an error is one line in our voice, then hints; the status says
// whether the command line was wrong.
func TestVoice(t *testing.T) {
	home := []string{"HOME=" + t.TempDir(), "XDG_DATA_HOME=" + t.TempDir()}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"frob"}, 2, "taskagent: error: taskagent: unknown command \"frob\"\nhint: the commands are run, serve, leader, status, doctor, identity, api, var, acl, version; to run a program with an identity: taskagent run -- frob\n"},
		{[]string{"var", "frob"}, 2, "taskagent: error: taskagent var: unknown command \"frob\"\nhint: the commands are get, put, list, purge\n"},
		{[]string{"run", "-frob"}, 2, "taskagent: error: taskagent run: flag provided but not defined: -frob\nhint: taskagent run -h shows the flags\n"},
		{[]string{"version", "1"}, 2, "taskagent: error: taskagent version: unexpected argument \"1\"\nhint: usage: taskagent version\n"},
		{[]string{"identity", "inspect"}, 2, "taskagent: error: no token to look at: name a file, or - for standard input\nhint: inside a task, the task's own token is taken\n"},
		{[]string{"identity", "inspect", filepath.Join("no", "such")}, 1, "taskagent: error: open no/such: no such file or directory\n"},
		{[]string{"identity", "inspect", "-"}, 1, "taskagent: error: read a token from standard input: it is empty\n"},
		{[]string{"acl", "explain", "-job", "j", "a/b"}, 2, "taskagent: error: acl explain: whose access?\nhint: name the workload: -job J -group G -task T\n"},
		{[]string{"acl", "explain", "-op", "fly", "a/b"}, 2, "taskagent: error: invalid value \"fly\" for flag -op\nhint: want list, read, write or destroy\n"},
	} {
		code, stdout, stderr := call(t, "", home, c.args...)
		if code != c.code || stderr != c.want || stdout != "" {
			t.Errorf("%q: %d\n%s%swant %d\n%s", c.args, code, stdout, stderr, c.code, c.want)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"run", "-h"}, {"run", "--help"}, {"help", "run"}} {
		code, stdout, stderr := call(t, "", nil, args...)
		if code != 0 || stderr != "" || !strings.HasPrefix(stdout, "usage: taskagent run [flags] [--] COMMAND [ARG...]\n") {
			t.Errorf("%q: %d %q\n%s", args, code, stderr, stdout)
		}
	}
	code, stdout, _ := call(t, "", nil, "--version")
	if code != 0 || !strings.HasPrefix(stdout, "taskagent ") {
		t.Errorf("--version: %d %q", code, stdout)
	}
	if _, stdout, _ := call(t, "", nil, "leader", "-h"); strings.Contains(stdout, "detached") {
		t.Errorf("a flag that is not for people is in the help:\n%s", stdout)
	}
}

// TestEveryCommandHasHelp walks the whole tree.
func TestEveryCommandHasHelp(t *testing.T) {
	var walk func(c *command, args []string)
	walk = func(c *command, args []string) {
		code, stdout, stderr := call(t, "", nil, append(args, "-h")...)
		if code != 0 || stderr != "" || !strings.HasPrefix(stdout, "usage: taskagent") {
			t.Errorf("%q -h: %d %q %q", args, code, stdout, stderr)
		}
		if c.run == nil == (len(c.sub) == 0) {
			t.Errorf("%q neither does something nor has subcommands", args)
		}
		for _, sub := range c.sub {
			if sub.summary == "" {
				t.Errorf("%q has no summary", append(args, sub.name))
			}
			walk(sub, append(args[:len(args):len(args)], sub.name))
		}
	}
	walk(root(), nil)
}

// FuzzReadItems: what is taken is what was written, and nothing is read from a
// file that was not named with an @.
func FuzzReadItems(f *testing.F) {
	for _, s := range []string{"a=b", "a=", "=b", "a", "a==b", `a=\@x`, "a=-", "ä=ö"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, operand string) {
		if strings.Contains(operand, "=@") {
			return // it names a file of this machine
		}
		c := &invocation{stdio: stdio{strings.NewReader("stdin"), io.Discard, io.Discard}, command: varPut}
		items, err := readItems(c, []string{operand})
		if err != nil || len(items) != 1 {
			return
		}
		key, value, _ := strings.Cut(operand, "=")
		got, ok := items[key]
		switch {
		case !ok:
			t.Errorf("%q: the key is not %q: %q", operand, key, items)
		case value == "-" && got != "stdin", !strings.HasPrefix(value, "@") && value != "-" && got != strings.TrimPrefix(value, `\`) && got != value:
			t.Errorf("%q became %q", operand, got)
		}
	})
}
