package doctor

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/leader/client"
	"github.com/taskagent/taskagent/platform"
)

// CheckLeader looks at a data directory and the leader that leads it, if any. It
// starts none.
func CheckLeader(ctx context.Context, dir string, now time.Time) []Finding {
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []Finding{ok("directory", "there is no %s yet: the first taskagent run makes it", dir)}
	case err != nil:
		return []Finding{fail("directory", "run this as its owner", "%v", err)}
	case !info.IsDir():
		return []Finding{fail("directory", "name another one with -data-dir", "%s is not a directory", dir)}
	}
	findings := []Finding{checkDataDir(dir, info)}
	for _, name := range []string{"keyring.json", "management.token", "state.db", "allocs.db"} {
		if f, bad := checkSecretFile(filepath.Join(dir, name)); bad {
			findings = append(findings, f)
		}
	}
	return append(findings, checkLeading(ctx, dir, now)...)
}

func checkDataDir(dir string, info fs.FileInfo) Finding {
	private, err := platform.IsPrivateDir(dir)
	owner, _, known := platform.FileOwner(info)
	switch {
	case err != nil:
		return fail("directory", "run this as its owner", "%s: %v", dir, err)
	case !private:
		return fail("directory", "chmod 0700 "+dir, "%s can be entered by other users", dir)
	case known && owner != platform.CurrentUID():
		return warn("directory", "run this as its owner", "%s belongs to uid %d: only that user leads it", dir, owner)
	}
	return ok("directory", "%s is private", dir)
}

func checkSecretFile(path string) (Finding, bool) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Finding{}, false // the next leader says what is missing
	case err != nil:
		return fail("file", "run this as its owner", "%v", err), true
	case !info.Mode().IsRegular():
		return fail("file", "restore it from a snapshot", "%s is not a regular file", path), true
	case info.Mode().Perm()&0o077 != 0:
		return fail("file", "chmod 0600 "+path, "%s has mode %04o", path, info.Mode().Perm()), true
	}
	return Finding{}, false
}

func checkLeading(ctx context.Context, dir string, now time.Time) []Finding {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	s, err := client.Status(ctx, dir)
	switch {
	case errors.Is(err, client.ErrNoLeader):
		return []Finding{ok("leader", "none is running; the next taskagent run starts one")}
	case errors.Is(err, context.DeadlineExceeded):
		return []Finding{fail("leader", "see leader.log in the directory; `taskagent leader -replace` takes over", "it does not answer")}
	case err != nil:
		return []Finding{fail("leader", "see leader.log in the directory", "%v", err)}
	}
	findings := []Finding{ok("leader", "pid %d leads since %s, tasks %d", s.PID, s.Since.Local().Format(time.DateTime), len(s.Tasks))}
	for _, t := range s.Tasks {
		findings = append(findings, checkKnownTask(t.AllocID, t.Task, t.State, t.Isolation))
		for _, id := range t.Identities {
			if !id.Expires.IsZero() && now.After(id.Expires) {
				findings = append(findings, fail("task", "see its agent's log", "identity %q of task %s expired %s ago", id.Name, t.Task, now.Sub(id.Expires).Round(time.Second)))
			}
		}
	}
	hc := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return client.Dial(ctx, dir) },
	}}
	return append(findings, checkKeySet(ctx, hc))
}

func checkKnownTask(alloc, task, state, isolation string) Finding {
	switch {
	case state == "away":
		return warn("task", "it is given up when its agent does not come back within a minute", "%s of allocation %s: its agent is out of touch", task, alloc)
	case isolation != "uid":
		return warn("task", "run it with -user to make the ACL a wall", "%s of allocation %s shares the leader's user and could read its keys", task, alloc)
	}
	return ok("task", "%s of allocation %s", task, alloc)
}

func checkKeySet(ctx context.Context, c *http.Client) Finding {
	resp, err := getLimited(ctx, c, "http://localhost/.well-known/jwks.json")
	if err != nil {
		return fail("jwks", "see leader.log in the directory", "%v", err)
	}
	set, err := identity.ParseKeySet(resp)
	if err != nil {
		return fail("jwks", "", "%v", err)
	}
	return ok("jwks", "keys published: %d", len(set))
}
