package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/platform"
	"github.com/taskagent/taskagent/uds"
)

// Task is what a task's environment says of it.
type Task struct {
	SecretsDir string // NOMAD_SECRETS_DIR
	Socket     string // the path in NOMAD_UNIX_ADDR
	Token      string // NOMAD_TOKEN
}

// answerWithin bounds each question a check asks.
const answerWithin = 10 * time.Second

// CheckTask looks at a task from inside.
func CheckTask(ctx context.Context, t Task, now time.Time) []Finding {
	findings := []Finding{checkSecretsDir(t.SecretsDir)}
	token, more := checkTokens(t, now)
	findings = append(findings, more...)
	return append(findings, checkSocket(ctx, t.Socket, token)...)
}

func checkSecretsDir(dir string) Finding {
	if dir == "" {
		return warn("directory", "", "NOMAD_SECRETS_DIR is not set: there is no place for token files")
	}
	private, err := platform.IsPrivateDir(dir)
	switch {
	case err != nil:
		return fail("directory", "run this as the task's own user", "%s: %v", dir, err)
	case !private:
		// So Nomad makes it; in our own directories it does not happen.
		return warn("directory", "chmod 0700 "+dir+", unless Nomad made it", "%s can be entered by other users; files in it are guarded by their own modes alone", dir)
	}
	return ok("directory", "%s is private", dir)
}

// checkTokens looks at the default identity, in its file and in the environment,
// and returns the one to ask the socket with.
func checkTokens(t Task, now time.Time) (string, []Finding) {
	var out []Finding
	file := ""
	path := filepath.Join(t.SecretsDir, "nomad_token")
	b, err := os.ReadFile(path)
	switch {
	case t.SecretsDir == "":
	case errors.Is(err, fs.ErrNotExist):
		out = append(out, warn("token", "give the default identity a file (-file, or file = true in its block)", "there is no %s", path))
	case err != nil:
		out = append(out, fail("token", "the file belongs to the task's user: run this as that user", "%v", err))
	default:
		file = strings.TrimSpace(string(b))
		out = append(out, checkToken("token", path, file, now), checkFileMode(path))
	}
	if t.Token == "" {
		return file, out
	}
	env := checkToken("token", "NOMAD_TOKEN", t.Token, now)
	if env.State == Failure && file != "" {
		env.State, env.Fix = Warning, "read the file instead: a running process's environment is never renewed"
	}
	out = append(out, env)
	if file != "" {
		return file, out
	}
	return t.Token, out
}

// skew is how far a token's times may be off before the clock is suspected.
const skew = 5 * time.Second

func checkToken(what, where, raw string, now time.Time) Finding {
	_, c, err := identity.ParseInsecure(raw)
	switch {
	case err != nil:
		return fail(what, "", "%s holds no token: %v", where, err)
	case c.IssuedAt.After(now.Add(skew)):
		return fail(what, "set this machine's clock, or the leader's", "%s was issued %s from now: clocks differ", where, c.IssuedAt.Sub(now).Round(time.Second))
	case c.Expiry.IsZero():
		return ok(what, "%s is %s, and never expires", where, c.Subject)
	case !now.Before(c.Expiry):
		return fail(what, "see why it was not renewed: the agent's log, `taskagent status`", "%s expired %s ago", where, now.Sub(c.Expiry).Round(time.Second))
	}
	return ok(what, "%s is %s, good for another %s", where, c.Subject, c.Expiry.Sub(now).Round(time.Second))
}

func checkFileMode(path string) Finding {
	info, err := os.Stat(path)
	if err != nil {
		return fail("token", "", "%v", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return warn("token", "give the task a user in its job: Nomad makes the file 0600 then", "%s has mode %04o: other users can read it", path, info.Mode().Perm())
	}
	return ok("token", "%s has mode %04o", path, info.Mode().Perm())
}

func checkSocket(ctx context.Context, path, token string) []Finding {
	if path == "" {
		return []Finding{warn("socket", "", "NOMAD_UNIX_ADDR is not set: there is no Task API")}
	}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	conn, err := uds.Dial(ctx, path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []Finding{fail("socket", "is its agent running? see `taskagent status`; in a container, mount the directory and not the socket", "there is no %s", path)}
	case errors.Is(err, uds.ErrNotListening):
		return []Finding{fail("socket", "start the task again: its agent has gone and left the socket behind", "nothing listens on %s", path)}
	case errors.Is(err, fs.ErrPermission):
		return []Finding{fail("socket", permissionFix(), "%v", err)}
	case err != nil:
		return []Finding{fail("socket", "", "%v", err)}
	}
	_ = conn.Close()
	findings := []Finding{ok("socket", "%s is served", path)}
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return uds.Dial(ctx, path) },
	}}
	if status, _, err := ask(ctx, client, "http://localhost/v1/vars", ""); err != nil {
		return append(findings, fail("api", "", "a request without a token: %v", err))
	} else if status == http.StatusOK {
		findings = append(findings, warn("api", "", "a request without a token is answered: -inject-token is on"))
	}
	if token == "" {
		return findings
	}
	status, text, err := ask(ctx, client, "http://localhost/v1/vars", token)
	switch {
	case err != nil:
		return append(findings, fail("api", "", "a request with the task's token: %v", err))
	case status == http.StatusOK:
		return append(findings, ok("api", "the task's token is accepted"))
	case status == http.StatusForbidden:
		return append(findings, fail("api", "the task has ended for its leader, or the token has expired: start the task again", "the task's token is refused: %s", text))
	}
	return append(findings, fail("api", "is the leader running? see `taskagent status`", "the Task API answers %d: %s", status, text))
}

// permissionFix names the two usual reasons, and how to see which it is.
func permissionFix() string {
	fix := "the socket belongs to the task's user: run this as that user"
	if b, err := os.ReadFile("/sys/fs/selinux/enforce"); err == nil && strings.TrimSpace(string(b)) == "1" {
		fix += "; SELinux is enforcing: `ausearch -m avc -ts recent` shows a denial, `semanage fcontext` and `restorecon` label the directory"
	}
	return fix
}

// ask sends one GET and returns the status and the beginning of the answer.
func ask(ctx context.Context, c *http.Client, url, token string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	if token != "" {
		req.Header.Set("X-Nomad-Token", token)
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, "", fmt.Errorf("no answer: %w", errors.Unwrap(err))
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 300))
	return resp.StatusCode, strings.TrimSpace(string(b)), err
}

// getLimited returns the body of a 200 answer.
func getLimited(ctx context.Context, c *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no answer: %w", errors.Unwrap(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 1<<20))
}
