//go:build unix

package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// nomadCLI is the stock `nomad` command, speaking to one address with one token.
type nomadCLI struct {
	t       *testing.T
	bin     string
	dir     string
	address string
	token   string
}

// nomadBinary returns the program that NOMAD_BIN or PATH names. Without one the
// test is skipped, and says so.
func nomadBinary(t *testing.T) string {
	t.Helper()
	if bin := os.Getenv("NOMAD_BIN"); bin != "" {
		return bin
	}
	bin, err := exec.LookPath("nomad")
	if err != nil {
		t.Skip("NOT RUN: this test drives the nomad command, and NOMAD_BIN is not set and nomad is not in PATH")
	}
	return bin
}

// as is the same command with another token.
func (n nomadCLI) as(token string) nomadCLI { n.token = token; return n }

// run returns the exit status and everything it printed.
func (n nomadCLI) run(args ...string) (int, string) {
	n.t.Helper()
	cmd := exec.Command(n.bin, args...)
	cmd.Dir = n.dir
	cmd.Env = append(cleanEnviron(), "NOMAD_ADDR="+n.address, "NOMAD_TOKEN="+n.token, "NOMAD_CLI_SHOW_HINTS=false")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.ExitCode(), out.String()
	case err != nil:
		n.t.Fatal(err)
	}
	return 0, out.String()
}

// ok runs a command that has to succeed, and looks for each of want in what it
// prints: a text, or a pattern when it begins with a caret.
func (n nomadCLI) ok(args string, want ...string) string {
	n.t.Helper()
	return n.expect(0, args, want...)
}

// fails runs a command that has to fail.
func (n nomadCLI) fails(args string, want ...string) string {
	n.t.Helper()
	return n.expect(1, args, want...)
}

func (n nomadCLI) expect(status int, args string, want ...string) string {
	n.t.Helper()
	got, out := n.run(strings.Fields(args)...)
	if got != status {
		n.t.Fatalf("nomad %s: status %d, want %d\n%s", args, got, status, out)
	}
	for _, w := range want {
		found := strings.Contains(out, w)
		if strings.HasPrefix(w, "^") {
			found = regexp.MustCompile("(?m)" + w).MatchString(out)
		}
		if !found {
			n.t.Errorf("nomad %s: it printed no %q\n%s", args, w, out)
		}
	}
	return out
}

// TestNomadCLI drives the leader with the stock nomad command, over the
// operators' listener, over the leader's socket and, as a task, over the task's.
func TestNomadCLI(t *testing.T) {
	bin := nomadBinary(t)
	for _, door := range []string{"http", "socket"} {
		t.Run(door, func(t *testing.T) {
			w := newWorld(t)
			o := w.lead("-open-bootstrap")
			redis := w.start("redis", []string{"-job", "example", "-group", "cache", "-task", "redis", "-service", "name=cache,port=6379,tags=primary"})
			ok(t, "write a policy", os.WriteFile(filepath.Join(w.dir, "policy.hcl"), []byte(rules("default", "shared/*")), 0o600))
			n := nomadCLI{t, bin, w.dir, o.url, o.token}
			if door == "socket" {
				n.address, n.token = w.leaderSocket(), ""
			}
			n.variables()
			n.policies(w, nomadCLI{t, bin, w.dir, "unix://" + redis.socket(), redis.token()})
			n.tokens(o.url)
			n.namespaces()
			n.services()
			n.keyring()
			n.agent()
			n.bootstrap(o.url)
		})
	}
}

func (n nomadCLI) bootstrap(url string) {
	n.t.Helper()
	n.address = url
	out := n.as("").ok("acl bootstrap -json", `"Type":"management"`)
	var boot struct{ SecretID string }
	ok(n.t, "decode the bootstrap token", json.Unmarshal([]byte(out), &boot))
	n.as(boot.SecretID).ok("acl token self", "^Type += management")
	n.as("").fails("acl bootstrap", "ACL bootstrap already done")
	n.as("").fails("acl token list", "Permission denied")
}

func (n nomadCLI) variables() {
	n.t.Helper()
	n.ok("var put shared/a k=v j=w", `"k": "v"`)
	n.ok("var get shared/a", `"Path": "shared/a"`, `"j": "w"`)
	if out := n.ok("var get -item k shared/a"); out != "v" {
		n.t.Errorf("the item is %q, want v", out)
	}
	n.ok("var get -out table shared/a", "^Path += shared/a")
	n.fails("var put -check-index 1 shared/a k=x", "Check-and-Set conflict")
	n.fails("var put -check-index 0 shared/a k=x", "Check-and-Set conflict")
	n.ok("var put -force shared/a k=x", `"k": "x"`)
	n.ok("var put -namespace default shared/b k=v")
	n.ok("var list -out table", "^default +shared/a", "^default +shared/b")
	n.ok("var list -out terse shared/b", "^shared/b$")
	n.ok("var list -namespace * -per-page 1 -out table", "^default +shared/a", "Next page token")
	n.ok("var list -filter VariableMetadata.Path==\"shared/b\" -out terse", "^shared/b$")
	n.fails("var purge -check-index 1 shared/b", "Check-and-Set conflict")
	n.ok("var purge shared/b", `Successfully purged variable "shared/b"!`)
	n.fails("var get shared/b", "Variable not found")
	n.fails("var put nomad/secret k=v", "only paths at")
	n.ok("var lock -ttl 10s -delay 1s lock/me touch locked")
	if _, err := os.Stat(filepath.Join(n.dir, "locked")); err != nil {
		n.t.Errorf("what was to run under the lock did not: %v", err)
	}
	n.ok("var get -out json lock/me", `"Path": "lock/me"`)
	n.ok("var purge lock/me")
}

// policies gives the example of Nomad's documentation of workload identity, and
// the same line with taskagent in place of nomad: they have the same effect.
func (n nomadCLI) policies(w *world, task nomadCLI) {
	n.t.Helper()
	const line = "acl policy apply -namespace default -job example -group cache -task redis redis-policy ./policy.hcl"
	taskagent := func(args string) string {
		cmd := w.command(strings.Fields(args)...)
		cmd.Dir = n.dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			n.t.Fatalf("taskagent %s: %v\n%s", args, err, out)
		}
		return string(out)
	}
	nomad := func(args string) string { return n.ok(args) }
	seen := map[string]string{}
	for name, apply := range map[string]func(string) string{"nomad": nomad, "taskagent": taskagent} {
		task.fails("var get shared/a", "Permission denied")
		if out := apply(line); out != "Successfully wrote \"redis-policy\" ACL policy!\n" {
			n.t.Errorf("%s %s printed %q", name, line, out)
		}
		task.ok("var get shared/a", `"k": "x"`)
		out := n.ok("acl policy info redis-policy", "^Namespace = default", "^JobID +=  *example", "^Group +=  *cache", "^Task +=  *redis", "shared/*")
		seen[name] = regexp.MustCompile(`Index += \d+`).ReplaceAllString(out, "")
		n.ok("acl policy list", "^redis-policy ")
		task.ok("acl policy list", "^redis-policy ")
		task.fails("acl policy delete redis-policy", "Permission denied")
		if name == "nomad" {
			n.ok("acl policy delete redis-policy", "Successfully deleted redis-policy policy!")
		} else {
			taskagent("acl policy delete redis-policy")
		}
	}
	if seen["nomad"] != seen["taskagent"] {
		n.t.Errorf("nomad's line left\n%s\ntaskagent's\n%s", seen["nomad"], seen["taskagent"])
	}
	n.fails("acl policy info redis-policy", "ACL policy not found")
	bad := filepath.Join(n.dir, "bad.hcl")
	ok(n.t, "write a bad policy", os.WriteFile(bad, []byte("namespace \"default\" {\n  capabilities = [\"fly\"]\n}\n"), 0o600))
	n.fails("acl policy apply bad bad.hcl", `line 2, column 19: unknown namespace capability "fly"`)
	task.ok("var list -out table", "No matching")
	task.ok("service list", "^cache +\\[primary\\]")
	task.fails("var put shared/x k=v", "Permission denied")
	task.as("").fails("var list", "Unauthorized")
	task.as("garbage").fails("var list", "Forbidden")
}

func (n nomadCLI) tokens(url string) {
	n.t.Helper()
	n.ok("acl policy apply ci policy.hcl")
	out := n.ok("acl token create -name ci -type client -policy ci -ttl 1h -json", `"Name":"ci"`)
	var made struct{ AccessorID, SecretID string }
	ok(n.t, "decode a token", json.Unmarshal([]byte(out), &made))
	ci := n.as(made.SecretID)
	ci.address = url
	ci.ok("var get shared/a", `"k": "x"`)
	ci.fails("var put shared/a k=y", "Permission denied")
	ci.ok("acl token self", "^Name += ci", "^Policies += \\[ci\\]")
	n.ok("acl token list", "^ci +client")
	n.ok("acl token info "+made.AccessorID, "^Name += ci")
	n.ok("acl token update -name renamed "+made.AccessorID, "^Name += renamed")
	n.ok("acl token delete "+made.AccessorID, "successfully deleted")
	ci.fails("var get shared/a", "Permission denied")
	n.fails("acl token create -type client", "client token missing policies")
	n.fails("acl token create -type client -policy ci -ttl 30s", "expiration time cannot be less than 1m0s")
	n.ok("acl policy delete ci")
}

func (n nomadCLI) namespaces() {
	n.t.Helper()
	n.ok("namespace apply -description d team", `Successfully applied namespace "team"!`)
	n.ok("namespace list", "^default ", "^team +d")
	n.ok("namespace status team", "^Description += d")
	n.ok("namespace inspect team", `"Name": "team"`)
	n.ok("var put -namespace team a k=v")
	n.ok("var list -namespace team -out table", "^team +a")
	n.fails("namespace delete team", "has variables associated with it")
	n.ok("var purge -namespace team a")
	n.ok("namespace delete team", `Successfully deleted namespace "team"!`)
	n.fails("namespace status team", "matched no namespaces")
	n.fails("namespace delete default", "can not delete default namespace")
}

func (n nomadCLI) services() {
	n.t.Helper()
	n.ok("service list", "^cache +\\[primary\\]")
	n.ok("service list -namespace * -json", `"ServiceName": "cache"`)
	n.ok("service info cache", "^example +127.0.0.1:6379 +\\[primary\\]")
	n.fails("service delete cache no-such-id", "service registration not found")
	out := n.ok("service info -verbose cache", "^Job ID += example")
	id := regexp.MustCompile(`(?m)^ID += (\S+)`).FindStringSubmatch(out)
	n.ok("service delete cache " + id[1])
	n.fails("service info cache", "No service registrations")
}

func (n nomadCLI) keyring() {
	n.t.Helper()
	out := n.ok("operator root keyring list -verbose", " active ")
	first := regexp.MustCompile(`(?m)^([0-9a-f-]{36}) +active`).FindStringSubmatch(out)
	n.ok("operator root keyring rotate -prepublish 1h", " prepublished ")
	n.ok("operator root keyring rotate -now", " active ")
	n.ok("operator root keyring rotate -now -full", " active ")
	n.fails("operator root keyring remove "+first[1][:4]+"zzzz", "No encryption key")
	n.ok("operator root keyring list -verbose", first[1])
	n.ok("var get -item k shared/a")
}

func (n nomadCLI) agent() {
	n.t.Helper()
	n.ok("server members", "^taskagent.global +127.0.0.1 .*alive +true")
	n.ok("agent-info", "leader = true")
	n.ok("operator api /v1/regions", `["global"]`)
	n.ok("acl role list", "No ACL roles found")
	n.fails("job status", "taskagent has no jobs, nodes or allocations")
	n.fails("node status", "taskagent has no jobs, nodes or allocations")
}
