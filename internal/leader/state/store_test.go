package state_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskagent/taskagent/internal/leader/state"
)

// everything is what a store shows to its readers.
func everything(t *testing.T, s *state.Store) map[string]any {
	t.Helper()
	var vars []state.Variable
	err := s.VisitVariables("*", "", func(m *state.VariableMeta) bool {
		vars = append(vars, state.Variable{VariableMeta: *m})
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range vars {
		v, err := s.Variable(vars[i].Namespace, vars[i].Path)
		if err != nil {
			t.Fatal(err)
		}
		vars[i] = *v
	}
	indexes := map[string]uint64{}
	for table := state.TableVariables; table <= state.TableKeys; table++ {
		indexes[table.String()] = s.Index(table)
	}
	return map[string]any{
		"variables": vars, "namespaces": s.Namespaces(), "policies": s.Policies(), "tokens": s.Tokens(),
		"tasks": s.Tasks(), "services": s.Services("*"), "node": s.NodeID(), "indexes": indexes,
		"regions": s.Regions(), "bootstrapped": s.Bootstrapped(),
	}
}

// fill puts something into every table.
func fill(t *testing.T, s *state.Store) {
	t.Helper()
	ok := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	put(t, s, "a/b", `{"k":"v"}`)
	_, err := s.AcquireLock(state.Write{Namespace: "other", Path: "lock", Items: []byte(`{}`),
		Lock: &state.Lock{ID: "mine", TTL: time.Hour, LockDelay: time.Minute}})
	ok(nil, err)
	ok(s.PutNamespace(&state.Namespace{Name: "other", Meta: map[string]string{"a": "b"}}))
	ok(s.PutPolicy(&state.Policy{Name: "p", Rules: "r", JobACL: &state.JobACL{Namespace: "default", JobID: "j"}}))
	at := time.Now().Add(time.Hour).UTC()
	_, _, err = s.PutToken(&state.Token{AccessorID: "acc", Type: state.TokenClient, Policies: []string{"p"}, CreateTime: time.Now().UTC(), ExpirationTime: &at}, "secret")
	ok(nil, err)
	_, _, err = s.Bootstrap("root-secret")
	ok(nil, err)
	ok(nil, s.StartTask(task("alloc-1", "web")))
	once := task("alloc-2", "batch")
	once.Once, once.Expires = true, time.Now().Add(time.Hour).UTC()
	ok(nil, s.StartTask(once))
	ok(s.Touch(state.TableKeys))
}

func TestReopen(t *testing.T) {
	for _, id := range []string{"boot-1", ""} {
		t.Run("boot "+id, func(t *testing.T) {
			dir := t.TempDir()
			s := opened(t, dir, boot(id))
			fill(t, s)
			before := everything(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = opened(t, dir, boot(id))
			if d := cmp.Diff(before, everything(t, s)); d != "" {
				t.Errorf("after opening again (-before +after):\n%s", d)
			}
			if tok := s.TokenBySecret("secret"); tok == nil || tok.AccessorID != "acc" {
				t.Errorf("token by its secret: %v", tok)
			} else if secret, err := s.TokenSecret(tok); err != nil || secret != "secret" {
				t.Errorf("secret of the token: %q, %v", secret, err)
			}
			if next, last := s.NextIndex(), before["indexes"].(map[string]uint64)["keys"]; next <= last {
				t.Errorf("index %d is given out after %d was", next, last)
			}
		})
	}
}

func TestEarlierBoot(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	fill(t, s)
	services := s.Index(state.TableServices)
	s.Close()

	s = opened(t, dir, boot("boot-2"))
	if s.TaskLive("alloc-1", "web") || s.ServicesNamed("default", "svc-web") != nil {
		t.Error("a task outlived the machine")
	}
	if !s.TaskLive("alloc-2", "batch") {
		t.Error("a task that is kept for a time did not outlive the machine")
	}
	after := s.Index(state.TableServices)
	if after <= services {
		t.Errorf("the index of services was %d and is %d: who waits for a change would wait on", services, after)
	}
	s.Close()
	if s = opened(t, dir, boot("boot-2")); s.Index(state.TableServices) != after {
		t.Errorf("the index of services changes from %d to %d by opening", after, s.Index(state.TableServices))
	}
}

func TestAllocsMovedAway(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	fill(t, s)
	last := s.Index(state.TableTasks)
	s.Close()
	if err := os.Remove(filepath.Join(dir, state.AllocsFile)); err != nil {
		t.Fatal(err)
	}
	s = opened(t, dir)
	if s.TaskLive("alloc-1", "web") {
		t.Error("the task is back")
	}
	if got := s.Index(state.TableTasks); got <= last {
		t.Errorf("the index of tasks was %d and is %d", last, got)
	}
	if items(t, s, "a/b") != `{"k":"v"}` {
		t.Error("the variable is gone")
	}
}

func TestStateMustExist(t *testing.T) {
	dir := t.TempDir()
	_, err := open(dir, func(o *state.Options) { o.MustExist = true })
	if !errors.Is(err, state.ErrMissing) {
		t.Fatalf("got %v", err)
	}
	if want := filepath.Join(dir, "state.db") + " is missing"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if _, err := os.Lstat(filepath.Join(dir, "state.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the file was made all the same")
	}
}

func TestClosed(t *testing.T) {
	s := opened(t, t.TempDir())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
	_, err := s.PutVariable(state.Write{Namespace: "default", Path: "a"})
	if !errors.Is(err, state.ErrClosed) {
		t.Errorf("write: %v", err)
	}
	if _, err := s.Variable("default", "a"); !errors.Is(err, state.ErrClosed) {
		t.Errorf("read: %v", err)
	}
	if _, err := s.KeyInUse("k"); !errors.Is(err, state.ErrClosed) {
		t.Errorf("KeyInUse: %v", err)
	}
}

func TestOpenTwice(t *testing.T) {
	defer state.SetOpenTimeout(time.Millisecond)()
	dir := t.TempDir()
	opened(t, dir)
	if _, err := open(dir); !errors.Is(err, state.ErrLocked) {
		t.Errorf("got %v", err)
	}
}

func TestFilesArePrivate(t *testing.T) {
	dir := t.TempDir()
	opened(t, dir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); os.PathSeparator == '/' && mode != 0o600 {
			t.Errorf("%s has mode %o", e.Name(), mode)
		}
	}
	if d := cmp.Diff([]string{"allocs.db", "state.db"}, names); d != "" {
		t.Errorf("files: %s", d)
	}
}

func TestSnapshot(t *testing.T) {
	s := opened(t, t.TempDir())
	fill(t, s)
	dir := t.TempDir()
	path := filepath.Join(dir, state.StateFile)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Snapshot(f); err != nil {
		t.Fatal(err)
	}
	f.Close()
	put(t, s, "later", "x")
	if err := state.Verify(path); err != nil {
		t.Fatal(err)
	}
	restored := opened(t, dir)
	if got := items(t, restored, "a/b"); got != `{"k":"v"}` {
		t.Errorf("variable in the snapshot: %q", got)
	}
	if got := items(t, restored, "later"); got != "" {
		t.Errorf("a later variable is in the snapshot: %q", got)
	}
}

func TestNewIDs(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		id := state.NewID()
		if !state.IsID(id) || seen[id] {
			t.Fatalf("%q", id)
		}
		seen[id] = true
	}
	for _, bad := range []string{"", "x", "11111111-1111-1111-1111-11111111111", "11111111-1111-1111-1111-1111111111111",
		"11111111+1111-1111-1111-111111111111", "g1111111-1111-1111-1111-111111111111", fmt.Sprint(make([]byte, 36))} {
		if state.IsID(bad) {
			t.Errorf("%q passes for a UUID", bad)
		}
	}
}
