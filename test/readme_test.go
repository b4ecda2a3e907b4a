//go:build unix

package test

import (
	"bytes"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// readmeBlocks returns the indented blocks of the README, a command each:
// a line that goes on inside a quote belongs to the one before.
func readmeBlocks(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	var open strings.Builder
	for line := range strings.SplitSeq(string(b), "\n") {
		text, indented := strings.CutPrefix(line, "    ")
		if !indented {
			continue
		}
		open.WriteString(text)
		if strings.Count(open.String(), "'")%2 == 1 {
			open.WriteString("\n")
			continue
		}
		commands = append(commands, open.String())
		open.Reset()
	}
	return commands
}

// TestReadmeFirstRun runs the README's first command as it stands there.
func TestReadmeFirstRun(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("NOT RUN: the README's first command uses curl, and there is none on this machine")
	}
	commands := readmeBlocks(t)
	if !strings.HasPrefix(commands[0], "go run ./cmd/taskagent run") || !strings.HasPrefix(commands[1], "go test ") {
		t.Fatalf("the README begins with %q and %q", commands[0], commands[1])
	}
	w := newWorld(t)
	cmd := exec.Command("sh", "-c", commands[0])
	cmd.Dir = ".."
	cmd.Env = append(cleanEnviron(), "TASKAGENT_DATA_DIR="+w.dataDir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	token, ok := strings.CutPrefix(string(out), "[]")
	if !ok || strings.Count(token, ".") != 2 {
		t.Errorf("it printed %q, want [] and a token", out)
	}
}

// TestReadmeCommands runs every other taskagent command of the README, with
// `server` being a program that ends at once.
func TestReadmeCommands(t *testing.T) {
	w := newWorld(t)
	for name, text := range map[string]string{
		"server":        "#!/bin/sh\nexec true\n",
		"policy.hcl":    "namespace \"default\" {\n  variables {\n    path \"shared/*\" { capabilities = [\"read\"] }\n  }\n}\n",
		"web.nomad.hcl": "variable \"env\" {}\njob \"web\" {\n  group \"api\" {\n    task \"server\" {\n      identity {\n        name = var.env\n        aud = [\"x\"]\n        file = true\n      }\n    }\n  }\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(w.dir, 0o755); err != nil { // www-data must reach ./server
		t.Fatal(err)
	}
	ran := 0
	for _, line := range readmeBlocks(t) {
		switch {
		case !strings.Contains(line, "taskagent ") || strings.HasPrefix(line, "go "):
			continue
		case strings.Contains(line, "-user "):
			if _, err := user.Lookup("www-data"); err != nil || os.Geteuid() != 0 {
				t.Logf("not run, it needs root and www-data: %s", line)
				continue
			}
		}
		ran++
		w.readmeCommand(line)
	}
	if ran < 8 {
		t.Errorf("only %d commands were found in the README", ran)
	}
}

// readmeCommand runs one line; a command that stays is ended with SIGTERM as
// soon as it has done what it is for.
func (w *world) readmeCommand(line string) {
	w.t.Helper()
	cmd := exec.Command("sh", "-c", "exec "+line)
	if strings.Contains(line, "|") {
		cmd = exec.Command("sh", "-c", line)
	}
	cmd.Dir = w.dir
	cmd.Env = w.command().Env
	var stdout, stderr syncBuffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if strings.HasPrefix(line, "taskagent leader") {
		// The commands before left one that lingers.
		if err := stopLeader(w.dataDir); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	var stays func() bool
	switch {
	case strings.HasPrefix(line, "taskagent serve") && !strings.Contains(line, "-once"):
		stays = func() bool {
			b, _ := os.ReadFile(filepath.Join(w.dir, "secrets", "nomad_token"))
			return len(b) > 0 && strings.Contains(stderr.String(), "serving")
		}
	case strings.HasPrefix(line, "taskagent leader") && !strings.Contains(line, "-snapshot") && !strings.Contains(line, "-restore"):
		stays = func() bool { return strings.Contains(stdout.String(), "ready") }
	}
	if stays != nil {
		eventually(w.t, "`"+line+"` to be at work: "+stderr.String(), stays)
		_ = cmd.Process.Signal(syscall.SIGTERM)
	}
	if err := cmd.Wait(); err != nil {
		w.t.Errorf("%s: %v\n%s%s", line, err, stdout.String(), stderr.String())
	}
}
