package leader

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/leader/keyring"
	"github.com/taskagent/taskagent/internal/leader/state"
	"github.com/taskagent/taskagent/internal/wire"
)

// fakeHolder stands for an agent's connection.
type fakeHolder struct{ dropped int }

func (h *fakeHolder) drop() { h.dropped++ }

// world is a table of leases with what it needs, without sockets, so that time
// can be the test's.
type world struct {
	*leases
	keys   *keyring.Keyring
	signer *signer
	auth   *authenticator
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	keys, err := keyring.Create(filepath.Join(dir, "keyring.json"), keyring.Options{Algorithm: identity.EdDSA})
	if err != nil {
		t.Fatal(err)
	}
	store, err := state.Open(dir, state.Options{Crypter: keys, BootID: "boot"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	w := &world{keys: keys}
	w.leases = newLeases(store, hclog.NewNullLogger(), func() {})
	w.signer = &signer{store: store, keys: keys}
	w.auth = &authenticator{store: store, keys: keys, ended: w.isEnded}
	return w
}

func request(allocID, task string) *wire.Start {
	return &wire.Start{
		LeaseID: state.NewID(), AllocID: allocID, Region: "global", Datacenter: "dc1", Namespace: "default", Job: "j", Group: "g", Task: task,
		Identities: []wire.Identity{{Spec: identity.Spec{Name: "default"}}, {Spec: identity.Spec{Name: "short", Audience: []string{identity.NomadAudience}, TTL: time.Hour}}},
	}
}

// begin starts a task and returns its lease and its tokens.
func (w *world) begin(t *testing.T, s *wire.Start, h holder) (*lease, map[string]string) {
	t.Helper()
	le, task, err := w.start(context.Background(), s, h, 0)
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.signer.sign(task, nil)
	if err != nil {
		t.Fatal(err)
	}
	return le, out.tokens
}

func (w *world) check(t *testing.T, token string, want error) {
	t.Helper()
	if _, err := w.auth.Authenticate(token); !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

// pass lets time go by and the clock do its work, as often as it would.
func (w *world) pass(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(min(awayTick, time.Until(end)))
		w.expire(time.Now())
	}
}

func TestGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		h := new(fakeHolder)
		le, tokens := w.begin(t, request("", "early"), h)
		w.broke(le, h)
		w.pass(longGrace - time.Second) // the leader has just started
		w.check(t, tokens["default"], nil)
		w.pass(time.Second)
		w.check(t, tokens["default"], ErrNotLive)

		le, tokens = w.begin(t, request("", "t"), h)
		w.pass(24 * time.Hour) // a connection is all it takes
		w.check(t, tokens["default"], nil)
		w.broke(le, h)
		w.pass(grace - time.Second)
		if !w.attach(le, h, 0) {
			t.Fatal("cannot resume in time")
		}
		w.pass(time.Hour)
		w.check(t, tokens["default"], nil)

		w.broke(le, h)
		w.pass(30 * time.Second)
		w.forgive(time.Now()) // we were stopped
		w.pass(longGrace - time.Second)
		w.check(t, tokens["default"], nil)
		w.pass(time.Second)
		w.check(t, tokens["default"], ErrNotLive)
		if w.attach(le, h, 0) || w.find(le.id) != nil {
			t.Fatal("a lost lease came back")
		}
		if len(w.store.Tasks()) != 0 {
			t.Fatal("a lost task is in the store")
		}
	})
}

// An agent that comes back before the leader has noticed that it had gone takes
// its lease with it; the old connection has no say any more.
func TestNewHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := new(fakeHolder), new(fakeHolder)
		le, tokens := w.begin(t, request("", "t"), a)
		if !w.attach(le, b, 0) || a.dropped != 1 {
			t.Fatalf("dropped %d times", a.dropped)
		}
		w.broke(le, a)
		w.pass(time.Hour)
		w.check(t, tokens["default"], nil)
	})
}

func TestTasksOfAnEarlierLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first, tokens := w.begin(t, request("", "t"), new(fakeHolder))
		_, others := w.begin(t, request("", "u"), new(fakeHolder))
		w.leases = newLeases(w.store, hclog.NewNullLogger(), func() {})
		if n, _ := w.count(); n != 2 {
			t.Fatalf("%d leases", n)
		}
		w.pass(longGrace - time.Second)
		if le := w.find(first.id); le == nil || !w.attach(le, new(fakeHolder), 0) {
			t.Fatal("cannot resume")
		}
		w.pass(time.Second)
		w.check(t, tokens["default"], nil)
		w.check(t, others["default"], ErrNotLive)
	})
}

// A token is one task's: another task of the same name in an allocation of the
// same id does not bring it back to life.
func TestTokenIsOneTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		h := new(fakeHolder)
		le, old := w.begin(t, request("a", "t"), h)
		w.check(t, old["default"], nil)
		w.end(le)
		w.check(t, old["default"], ErrNotLive)
		began := time.Now()
		_, tokens := w.begin(t, request("a", "t"), h)
		if time.Since(began) > time.Second {
			t.Fatalf("waited for %v", time.Since(began))
		}
		w.check(t, tokens["default"], nil)
		w.check(t, old["default"], ErrNotLive)
		if _, _, err := w.start(t.Context(), request("a", "t"), h, 0); err == nil {
			t.Fatal("started twice")
		}
	})
}

func TestAuthenticate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := request("", "t")
		s.Services = []wire.Service{{Name: "web", Port: 80}}
		s.Identities = append(s.Identities,
			wire.Identity{Spec: identity.Spec{Name: "web", Service: "web", Audience: []string{identity.NomadAudience, "x"}}},
			wire.Identity{Spec: identity.Spec{Name: "aws", Audience: []string{"sts"}}})
		le, tokens := w.begin(t, s, new(fakeHolder))
		for range 2 { // the second time from the cache
			w.check(t, tokens["default"], nil)
			w.check(t, tokens["short"], nil)
			w.check(t, tokens["web"], nil)
			w.check(t, tokens["aws"], identity.ErrAudience)
		}
		w.check(t, "", identity.ErrMalformed)
		w.check(t, "garbage", identity.ErrMalformed)
		w.check(t, tokens["web"][:len(tokens["web"])-4]+"AAAA", identity.ErrSignature)
		c, err := w.auth.Authenticate(tokens["web"])
		if err != nil || c.Service != "web" || c.Task != "" || c.Subject != "global:default:j:g:web:web" {
			t.Fatalf("%+v %v", c, err)
		}

		time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Hour - time.Nanosecond)))
		w.check(t, tokens["short"], nil)
		time.Sleep(time.Nanosecond) // no leeway
		w.check(t, tokens["short"], identity.ErrExpired)

		first := w.keys.List()[0].KeyID
		if _, err := w.keys.Rotate(false, time.Time{}); err != nil {
			t.Fatal(err)
		}
		w.check(t, tokens["default"], nil)
		if err := w.keys.Remove(first, true); err != nil {
			t.Fatal(err)
		}
		w.check(t, tokens["default"], identity.ErrUnknownKey) // although it was verified before
		out, err := w.signer.sign(le.task, []string{"web"})
		if err != nil {
			t.Fatal(err)
		}
		w.check(t, out.tokens["web"], nil)
		w.end(le)
		w.check(t, out.tokens["web"], ErrNotLive)
	})
}

// The cache of verified tokens stays within its bounds.
func TestVerifiedCacheIsBounded(t *testing.T) {
	w := newWorld(t)
	_, tokens := w.begin(t, request("", "t"), new(fakeHolder))
	w.auth.verified = map[[32]byte]verified{}
	for i := range maxVerified {
		w.auth.verified[[32]byte{byte(i), byte(i >> 8)}] = verified{}
	}
	w.check(t, tokens["default"], nil)
	if n := len(w.auth.verified); n != maxVerified {
		t.Fatalf("%d tokens", n)
	}
}

// Ending a task works also when the disk does not.
func TestEndWithoutStore(t *testing.T) {
	w := newWorld(t)
	le, tokens := w.begin(t, request("", "t"), new(fakeHolder))
	w.store.Close()
	w.end(le)
	w.check(t, tokens["default"], ErrNotLive)
	w.expire(time.Now()) // tries again
	w.check(t, tokens["default"], ErrNotLive)
}

// An agent that was killed cannot come back, so its task gives way at once;
// one that is only away is waited for.
func TestPlaceOfADeadAgent(t *testing.T) {
	dead, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
	if err != nil {
		t.Skip(err)
	}
	if _, err := dead.Wait(); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		pid  int
		want string
	}{
		"dead":    {dead.Pid, ""},
		"alive":   {os.Getpid(), "its agent is away; without it the task is given up in 5m0s"},
		"unknown": {0, "its agent is away; without it the task is given up in 5m0s"},
	} {
		w := newWorld(t)
		h := new(fakeHolder)
		le, _, err := w.start(t.Context(), request("a", "t"), h, tt.pid)
		if err != nil {
			t.Fatal(err)
		}
		w.broke(le, h)
		_, _, err = w.start(t.Context(), request("a", "t"), h, 0)
		got := ""
		if e, ok := errors.AsType[*wire.Error](err); ok && e.Code == wire.CodeTaskRunning {
			got = e.Hint
		}
		if got != tt.want || (err == nil) != (tt.want == "") {
			t.Errorf("%s: %v, %q", name, err, got)
		}
	}
}

func TestNamespaceClaims(t *testing.T) {
	w := newWorld(t)
	_, err := w.store.PutNamespace(&state.Namespace{Name: "default", RequiredExtraClaims: map[string]string{"who": "${job.id}/${group.name}/${task.name} ${vault.role} ${job.meta.x}"}})
	if err != nil {
		t.Fatal(err)
	}
	s := request("", "t")
	s.Identities[1].VaultRole = "r"
	_, tokens := w.begin(t, s, new(fakeHolder))
	c, err := w.auth.Authenticate(tokens["short"])
	if err != nil || c.Extra["who"] != "j/g/t r ${job.meta.x}" || c.VaultRole != "r" {
		t.Fatalf("%+v %v", c, err)
	}
}

// A clock that was set back must not make a running task's new tokens look older
// than the task.
func TestClockSetBack(t *testing.T) {
	w := newWorld(t)
	le, _ := w.begin(t, request("", "t"), new(fakeHolder))
	err := w.store.UpdateTask(le.task.AllocID, "t", func(t *state.Task) { t.StartedAt = time.Now().Add(time.Hour) })
	if err != nil {
		t.Fatal(err)
	}
	out, err := w.signer.sign(le.task, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.check(t, out.tokens["default"], nil)
}

// Who is needed stays: for tasks, also those whose agent is away, and for
// requests, also those that have just been answered.
func TestLingerTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, leave := context.WithCancelCause(t.Context())
		defer leave(nil)
		l := &Leader{cfg: Config{Linger: 30 * time.Second}, leases: w.leases, ctx: ctx, leave: leave}
		stays := func(why string, due time.Duration) {
			t.Helper()
			next := l.linger(time.Now())
			if ctx.Err() != nil || due == 0 && !next.IsZero() || due != 0 && time.Until(next) != due {
				t.Fatalf("%s: %v, looks again in %v", why, context.Cause(ctx), time.Until(next))
			}
		}
		stays("new", 30*time.Second)
		time.Sleep(20 * time.Second)
		h := new(fakeHolder)
		le, _ := w.begin(t, request("", "t"), h)
		time.Sleep(time.Hour)
		stays("task", 0)
		w.broke(le, h)
		stays("task away", 0)
		w.end(le)
		stays("task ended", 30*time.Second)
		time.Sleep(29 * time.Second)
		l.inFlight.Add(1)
		time.Sleep(time.Minute)
		stays("request", awayTick)
		l.inFlight.Add(-1)
		l.lastSeen.Store(time.Now().UnixNano())
		time.Sleep(29 * time.Second)
		stays("request answered", time.Second)
		time.Sleep(time.Second)
		if l.linger(time.Now()); !errors.Is(context.Cause(ctx), errLingered) {
			t.Fatalf("still there: %v", context.Cause(ctx))
		}
	})
}

func TestWatch(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name string
		ran  time.Duration // of a minute planned
		want bool
	}{
		{"in time", time.Minute, false},
		{"woken early", time.Second, false},
		{"a little late", time.Minute + 4*time.Second, false},
		{"stopped", time.Minute + 6*time.Second, true},
	} {
		var w watch
		w.plan(now, time.Minute)
		if got := w.jumped(now.Add(tt.ran)); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	for wall, want := range map[time.Duration]bool{
		time.Minute: false, time.Minute + time.Second: false, time.Hour: true, -time.Hour: true,
	} {
		if got := differ(wall, time.Minute); got != want {
			t.Errorf("wall clock moved by %v: %v", wall, got)
		}
	}
}
