//go:build unix

package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// postgresStart makes a database cluster whose superuser has the password of a
// Variable, and becomes the server. SIGHUP may come before that; it is ignored
// until the server handles it itself.
const postgresStart = `
set -eu
trap '' HUP
umask 077
taskagent var get -item password nomad/jobs/db > "$NOMAD_TASK_DIR/pw"
"$PGBIN/initdb" -D "$NOMAD_TASK_DIR/data" -U app --pwfile "$NOMAD_TASK_DIR/pw" --auth=scram-sha-256 -N > "$NOMAD_TASK_DIR/initdb.log"
rm "$NOMAD_TASK_DIR/pw"
exec "$PGBIN/postgres" -D "$NOMAD_TASK_DIR/data" -k "$NOMAD_TASK_DIR" -c listen_addresses= -c fsync=off
`

// TestPostgreSQL runs a real, long-lived service: it reads its password from a
// Variable when it starts and gets SIGHUP at every renewal of its token.
func TestPostgreSQL(t *testing.T) {
	bin := postgresBin()
	if bin == "" {
		t.Skip("NOT RUN: no PostgreSQL server on this machine (Debian: apt-get install postgresql); .ci/run installs one")
	}
	w := newWorld(t)
	w.must("var", "put", "nomad/jobs/db", "password=correct horse")
	taskDir := filepath.Join(w.dir, "local")
	if err := os.Mkdir(taskDir, 0o700); err != nil {
		t.Fatal(err)
	}
	flags := []string{"-job", "db", "-task-dir", taskDir, "-ttl", "2s", "-env=false", "-change-mode", "signal", "-change-signal", "SIGHUP"}
	if os.Geteuid() == 0 { // the server refuses to run as root
		uid, gid := lookupID(t, "postgres", "-u"), lookupID(t, "postgres", "-g")
		if err := os.Chown(taskDir, uid, gid); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(w.dir, 0o711); err != nil {
			t.Fatal(err)
		}
		flags = append(flags, "-user", "postgres")
	}
	tk := w.launchEnv("db", []string{"PGBIN=" + bin, "LC_ALL=C"}, flags, "sh", "-c", postgresStart)
	ask := func(password string) (string, error) {
		cmd := exec.Command(filepath.Join(bin, "psql"), "-h", taskDir, "-U", "app", "-d", "postgres", "-Atc", "select 6*7")
		cmd.Env = append(cleanEnviron(), "PGPASSWORD="+password, "LC_ALL=C")
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	eventually(t, "the database to answer", func() bool {
		select {
		case <-tk.done:
			t.Fatalf("the task ended: %v\n%s", tk.err, tk.stderr)
		default:
		}
		out, err := ask("correct horse")
		return err == nil && out == "42"
	})
	if out, err := ask("wrong"); err == nil {
		t.Errorf("the wrong password got in: %s", out)
	}
	eventually(t, "three reloads", func() bool {
		return strings.Count(tk.stderr.String(), "received SIGHUP, reloading configuration files") >= 3
	})
	if out, err := ask("correct horse"); err != nil || out != "42" {
		t.Errorf("after the reloads: %s %v", out, err)
	}
	_ = tk.cmd.Process.Signal(syscall.SIGTERM)
	<-tk.done
	if tk.err != nil {
		t.Errorf("after SIGTERM the server ended with %v, want 0\n%s", tk.err, tk.stderr)
	}
	if !strings.Contains(tk.stderr.String(), "database system is shut down") {
		t.Errorf("the server was not shut down in order:\n%s", tk.stderr)
	}
}

// postgresBin finds the server's directory: Debian keeps it off PATH.
func postgresBin() string {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.Reverse(dirs)
	if p, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(p))
	}
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir
		}
	}
	return ""
}

func lookupID(t *testing.T, user, which string) int {
	t.Helper()
	out, err := exec.Command("id", which, user).Output()
	if err != nil {
		t.Skipf("NOT RUN: no user %s to run the server as", user)
	}
	n := 0
	for _, c := range strings.TrimSpace(string(out)) {
		n = n*10 + int(c-'0')
	}
	return n
}
