package leader_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/leader"
	"github.com/taskagent/taskagent/internal/leader/client"
	"github.com/taskagent/taskagent/internal/leader/datadir"
	"github.com/taskagent/taskagent/internal/leader/keyring"
	"github.com/taskagent/taskagent/internal/wire"
)

// verify checks a token with nothing but what the leader keeps.
func verify(t *testing.T, dir, raw string) identity.Claims {
	t.Helper()
	keys, err := keyring.Open(filepath.Join(dir, datadir.Keyring), keyring.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := identity.Verify(raw, keys, identity.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestStartSignEnd(t *testing.T) {
	dir := testDir(t)
	lead(t, leader.Config{DataDir: dir, Settings: leader.Settings{Issuer: ptr("http://issuer.example")}})
	l, started := start(t, dir, task("redis"), false)
	if len(started.Tokens) != 2 || started.AllocIndex != 0 || started.AllocID == "" {
		t.Fatalf("%+v", started)
	}
	c := verify(t, dir, started.Tokens["default"])
	if c.Subject != "global:default:example:cache:redis:default" || !c.HasAudience(identity.NomadAudience) ||
		c.Issuer != "http://issuer.example" || !c.Expiry.IsZero() || c.AllocationID != started.AllocID || c.Task != "redis" {
		t.Fatalf("%+v", c)
	}
	tokens, err := l.Sign(within(t, time.Minute), "aws")
	if err != nil || len(tokens) != 1 {
		t.Fatalf("%d tokens, %v", len(tokens), err)
	}
	if c = verify(t, dir, tokens["aws"]); c.IssuedAt.Add(time.Hour) != c.Expiry || !c.HasAudience("sts") {
		t.Fatalf("%+v", c)
	}
	if _, err := l.Sign(within(t, time.Minute), "no"); err == nil || err.Error() != `sign identities: task "redis" has no identity "no"` {
		t.Fatalf("unknown identity: %v", err)
	}
	renewal := time.Now().Add(time.Minute).UTC()
	if err := l.Report(within(t, time.Minute), wire.Report{NextRenewal: map[string]time.Time{"aws": renewal}, Socket: "/s", TaskPID: 7}); err != nil {
		t.Fatal(err)
	}
	s, err := client.Status(within(t, time.Minute), dir)
	if err != nil || len(s.Tasks) != 1 || s.PID != os.Getpid() {
		t.Fatalf("%+v %v", s, err)
	}
	got := s.Tasks[0]
	if got.State != "running" || got.Socket != "/s" || got.PID != 7 || got.Isolation != "none" || !got.Identities[1].NextRenewal.Equal(renewal) ||
		!got.Identities[1].Expires.Equal(c.Expiry) || !got.Identities[0].Expires.IsZero() {
		t.Fatalf("%+v", got)
	}
	if err := l.End(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	if s, err = client.Status(within(t, time.Minute), dir); err != nil || len(s.Tasks) != 0 {
		t.Fatalf("%+v %v", s, err)
	}
	if _, err := l.Sign(within(t, time.Minute), "aws"); err == nil {
		t.Fatal("an ended lease signs")
	}
}

// Tasks may share an allocation; the same task twice may not, and neither may
// tasks of different jobs. Allocations of a group are numbered.
func TestAllocations(t *testing.T) {
	dir := testDir(t)
	lead(t, leader.Config{DataDir: dir})
	redis, first := start(t, dir, task("redis"), false)
	side := task("sidecar")
	side.AllocID = first.AllocID
	if _, s := start(t, dir, side, false); s.AllocID != first.AllocID || s.AllocIndex != 0 {
		t.Fatalf("%+v", s)
	}
	_, second := start(t, dir, task("redis"), false)
	if second.AllocIndex != 1 || second.AllocID == first.AllocID {
		t.Fatalf("%+v", second)
	}
	for _, tt := range []struct {
		change     func(*wire.Start)
		code, want string
	}{
		{func(s *wire.Start) {}, wire.CodeTaskRunning, `start task "redis": task "redis" is already running in allocation ` + first.AllocID},
		{func(s *wire.Start) { s.Job, s.Task = "other", "x" }, wire.CodeInvalid, `start task "x": allocation ` + first.AllocID + ` is of another job or group`},
		{func(s *wire.Start) { s.Group, s.Task = "other", "x" }, wire.CodeInvalid, `start task "x": allocation ` + first.AllocID + ` is of another job or group`},
	} {
		again := task("redis")
		again.AllocID = first.AllocID
		tt.change(&again)
		_, _, err := client.Start(within(t, time.Minute), client.Options{DataDir: dir}, again)
		e, ok := errors.AsType[*wire.Error](err)
		if !ok || e.Code != tt.code || err.Error() != tt.want || e.Hint == "" {
			t.Errorf("%v", err)
		}
	}
	if err := redis.End(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	// The allocation lives on with its other task, and so the place is free.
	again := task("redis")
	again.AllocID = first.AllocID
	if _, s := start(t, dir, again, false); s.AllocIndex != 0 {
		t.Fatalf("%+v", s)
	}
}

// A start whose answer got lost may be sent again.
func TestStartTwice(t *testing.T) {
	dir := testDir(t)
	lead(t, leader.Config{DataDir: dir})
	for _, once := range []bool{false, true} {
		s := task("redis")
		s.LeaseID, s.Once = "one", once
		if once {
			s.LeaseID = "two"
			s.Identities = s.Identities[1:]
		}
		l, a := start(t, dir, s, false)
		_, b := start(t, dir, s, false)
		if a.AllocID != b.AllocID || a.AllocIndex != b.AllocIndex {
			t.Fatalf("once=%v: %+v, %+v", once, a, b)
		}
		l.Close()
	}
}

func TestOnceOutlivesItsConnection(t *testing.T) {
	dir := testDir(t)
	r := lead(t, leader.Config{DataDir: dir})
	s := task("redis")
	s.Once = true
	_, _, err := client.Start(within(t, time.Minute), client.Options{DataDir: dir}, s)
	if want := `start task "redis": identity "default": a task without an agent needs a ttl: nobody would ever end it`; err == nil || err.Error() != want {
		t.Fatalf("got %v", err)
	}
	s.Identities[0].TTL = time.Minute
	l, _ := start(t, dir, s, false)
	l.Close()
	r.end(t)
	lead(t, leader.Config{DataDir: dir})
	st, err := client.Status(within(t, time.Minute), dir)
	if err != nil || len(st.Tasks) != 1 || st.Tasks[0].State != "once" || time.Until(st.Tasks[0].Identities[1].Expires) < 50*time.Minute {
		t.Fatalf("%+v %v", st, err)
	}
}

func TestSecondLeaderLeaves(t *testing.T) {
	dir := testDir(t)
	lead(t, leader.Config{DataDir: dir})
	err := leader.Run(t.Context(), leader.Config{DataDir: dir})
	e, ok := errors.AsType[*leader.LeadingError](err)
	if !ok || !errors.Is(err, leader.ErrLeading) || e.PID != os.Getpid() || e.Since.IsZero() || e.Silent {
		t.Fatalf("%v", err)
	}
	if want := "data directory " + dir + ": a leader leads already: pid "; !strings.HasPrefix(err.Error(), want) || !strings.Contains(e.Hint(), "-replace") {
		t.Fatalf("%q, hint %q", err, e.Hint())
	}
}

// Taking over is what no task notices.
func TestReplace(t *testing.T) {
	dir := testDir(t)
	old := lead(t, leader.Config{DataDir: dir})
	var leases []*client.Lease
	for range 20 {
		l, _ := start(t, dir, task("t"), false)
		leases = append(leases, l)
	}
	lead(t, leader.Config{DataDir: dir, Replace: true})
	if err := old.wait(t); err != nil {
		t.Fatalf("the old one ended with %v", err)
	}
	for _, l := range leases {
		if _, err := l.Sign(within(t, time.Minute), "default"); err != nil {
			t.Fatal(err)
		}
	}
	for _, l := range leases {
		select {
		case <-l.Lost():
			t.Fatal("a lease was lost")
		default:
		}
	}
}

// Replacing where nobody leads is leading.
func TestReplaceNobody(t *testing.T) { lead(t, leader.Config{DataDir: testDir(t), Replace: true}) }

// A task that the leader has given up cannot come back.
func TestLost(t *testing.T) {
	dir := testDir(t)
	r := lead(t, leader.Config{DataDir: dir})
	l, _ := start(t, dir, task("t"), false)
	r.end(t)
	if err := os.Remove(filepath.Join(dir, datadir.Allocs)); err != nil {
		t.Fatal(err)
	}
	lead(t, leader.Config{DataDir: dir})
	select {
	case <-l.Lost():
	case <-time.After(30 * time.Second):
		t.Fatal("the lease is not lost")
	}
	if _, err := l.Sign(within(t, time.Minute), "default"); !errors.Is(err, client.ErrLost) {
		t.Fatalf("got %v", err)
	}
	if err := l.End(within(t, time.Minute)); err != nil {
		t.Fatalf("end: %v", err)
	}
}

// A leader that is not needed ends by itself, and leaves no socket behind.
func TestLinger(t *testing.T) {
	dir := testDir(t)
	r := lead(t, leader.Config{DataDir: dir, Linger: time.Second})
	l, _ := start(t, dir, task("t"), false)
	if err := l.End(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := r.wait(t); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Status(within(t, time.Minute), dir); !errors.Is(err, client.ErrNoLeader) {
		t.Fatalf("got %v", err)
	}
	for _, name := range []string{wire.LeaderSocket, wire.TaskSocket} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
}

// What was given once holds for the next leader too; what no leader can lead
// with is not kept.
func TestSettingsAreKept(t *testing.T) {
	dir := testDir(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.Addr().String()

	err = leader.Run(t.Context(), leader.Config{DataDir: dir, Settings: leader.Settings{HTTP: &addr, SigningAlg: ptr("EdDSA")}})
	if err == nil || !strings.HasPrefix(err.Error(), "listen on "+addr+" for operators: ") {
		t.Fatalf("taken address: %v", err)
	}
	r := lead(t, leader.Config{DataDir: dir, Settings: leader.Settings{HTTP: ptr("0"), Issuer: ptr("https://i.example")}})
	s, err := client.Status(within(t, time.Minute), dir)
	if err != nil || !strings.HasPrefix(s.HTTP, "127.0.0.1:") {
		t.Fatalf("%+v %v", s, err)
	}
	r.end(t)

	r = lead(t, leader.Config{DataDir: dir})
	if s, err = client.Status(within(t, time.Minute), dir); err != nil || !strings.HasPrefix(s.HTTP, "127.0.0.1:") {
		t.Fatalf("%+v %v", s, err)
	}
	l, started := start(t, dir, task("t"), false)
	if c := verify(t, dir, started.Tokens["default"]); c.Issuer != "https://i.example" {
		t.Fatalf("%+v", c)
	}
	l.Close()
	r.end(t)

	// A kept address that somebody else has now is no reason for a leader that
	// nobody watches not to lead.
	settings := filepath.Join(dir, datadir.Settings)
	data, err := os.ReadFile(settings)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(settings, []byte(strings.Replace(string(data), `"http": "0"`, `"http": "`+addr+`"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	r = lead(t, leader.Config{DataDir: dir, Detached: true})
	if s, err = client.Status(within(t, time.Minute), dir); err != nil || s.HTTP != "" {
		t.Fatalf("%+v %v", s, err)
	}
	r.end(t)
	log, err := os.ReadFile(filepath.Join(dir, datadir.Log))
	if err != nil || !strings.Contains(string(log), "leading without the operators' listener") {
		t.Fatalf("log: %s %v", log, err)
	}
	if _, err := os.Stat(filepath.Join(dir, datadir.OldLog)); err == nil {
		t.Fatal("a small log was rotated")
	}
}

// What is damaged, missing or somebody else's is named, and left as it is.
func TestRefusals(t *testing.T) {
	dir := testDir(t)
	r := lead(t, leader.Config{DataDir: dir})
	r.end(t)
	for _, tt := range []struct {
		name, file string
		content    string // empty: removed
		want, hint string
	}{
		{"missing keyring", datadir.Keyring, "", "open keyring " + dir + "/keyring.json: file does not exist", "restore it from a backup"},
		{"damaged keyring", datadir.Keyring, "{", "open keyring " + dir + "/keyring.json: damaged: not complete JSON", "restore it from a backup"},
		{"missing state", datadir.State, "", dir + "/state.db is missing", "restore a snapshot"},
		{"damaged state", datadir.State, "junk", dir + "/state.db", ""},
		{"newer", datadir.Version, "2", "data directory " + dir + ": was written by a newer taskagent (version 2, this one knows 1)", "run the newer taskagent again"},
		{"damaged settings", datadir.Settings, "{", "read settings " + dir + "/settings.json: unexpected EOF", "mend the file"},
		{"unknown setting", datadir.Settings, `{"version":1,"acI":false}`, "read settings " + dir + `/settings.json: json: unknown field "acI"`, "mend the file"},
		{"bad setting", datadir.Settings, `{"version":1,"http":"x"}`, "read settings " + dir + `/settings.json: http address "x": want HOST:PORT`, "mend the file"},
		{"newer settings", datadir.Settings, `{"version":2,"x":1}`, "read settings " + dir + "/settings.json: written by a newer taskagent: version 2, this one knows 1", "newer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(dir, tt.file)
			good, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			defer os.WriteFile(path, good, 0o600)
			if tt.content == "" {
				err = os.Remove(path)
			} else {
				err = os.WriteFile(path, []byte(tt.content), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			err = leader.Run(t.Context(), leader.Config{DataDir: dir})
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Fatalf("got %v", err)
			}
			h, ok := errors.AsType[interface {
				error
				Hint() string
			}](err)
			if !ok || !strings.Contains(h.Hint(), tt.hint) {
				t.Fatalf("hint of %v", err)
			}
			after, _ := os.ReadFile(path)
			if string(after) != tt.content {
				t.Fatalf("now holds %q", after)
			}
		})
	}
	lead(t, leader.Config{DataDir: dir}) // nothing was spoilt
}

// A directory that an interrupted start left behind is completed.
func TestInterruptedBeginning(t *testing.T) {
	dir := testDir(t)
	r := lead(t, leader.Config{DataDir: dir})
	r.end(t)
	token, err := os.ReadFile(filepath.Join(dir, datadir.Token))
	if err != nil || len(strings.TrimSpace(string(token))) != 36 {
		t.Fatalf("%q %v", token, err)
	}
	if err := os.Remove(filepath.Join(dir, datadir.Version)); err != nil {
		t.Fatal(err)
	}
	r = lead(t, leader.Config{DataDir: dir})
	r.end(t)
	if again, _ := os.ReadFile(filepath.Join(dir, datadir.Token)); string(again) != string(token) {
		t.Fatal("the token changed")
	}
}

func TestManyStartsAtOnce(t *testing.T) {
	dir := testDir(t)
	lead(t, leader.Config{DataDir: dir})
	var mu sync.Mutex
	indexes := map[int]bool{}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			l, s, err := client.Start(context.WithoutCancel(t.Context()), client.Options{DataDir: dir}, task("t"))
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(l.Close)
			mu.Lock()
			defer mu.Unlock()
			if indexes[s.AllocIndex] {
				t.Errorf("index %d twice", s.AllocIndex)
			}
			indexes[s.AllocIndex] = true
		})
	}
	wg.Wait()
}
