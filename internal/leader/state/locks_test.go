package state_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taskagent/taskagent/internal/leader/state"
)

func lockOf(id string) *state.Lock {
	return &state.Lock{ID: id, TTL: 10 * time.Second, LockDelay: 5 * time.Second}
}

func acquire(s *state.Store, id string) error {
	_, err := s.AcquireLock(state.Write{Namespace: "default", Path: "l", Items: []byte(id), Lock: lockOf(id)})
	return err
}

func holder(t *testing.T, s *state.Store) string {
	t.Helper()
	v, err := s.Variable("default", "l")
	if err != nil {
		t.Fatal(err)
	}
	if v == nil || v.Lock == nil {
		return ""
	}
	return v.Lock.ID
}

func TestLockIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := opened(t, t.TempDir())
		defer s.Close()
		if err := acquire(s, "one"); err != nil {
			t.Fatal(err)
		}
		conflict := func(err error) {
			t.Helper()
			if _, ok := errors.AsType[*state.ConflictError](err); !ok {
				t.Errorf("at %v: got %v, want a conflict", time.Now(), err)
			}
		}
		conflict(acquire(s, "two"))
		_, err := s.PutVariable(state.Write{Namespace: "default", Path: "l"})
		conflict(err)
		_, err = s.DeleteVariable("default", "l", nil)
		conflict(err)

		// Renewed in time, it stays.
		for range 5 {
			time.Sleep(15 * time.Second)
			if _, err := s.RenewLock("default", "l", "one"); err != nil {
				t.Fatal(err)
			}
		}
		// Twice its TTL later it is lost: not to be renewed, nor free yet.
		watch := s.WatchOne(state.TableVariables, state.Key("default", "l"))
		defer watch.Stop()
		time.Sleep(20*time.Second + time.Millisecond)
		synctest.Wait()
		if _, err := s.RenewLock("default", "l", "one"); !errors.Is(err, state.ErrWrongLock) {
			t.Errorf("renewing a lost lock: %v", err)
		}
		conflict(acquire(s, "two"))
		if got := holder(t, s); got != "one" {
			t.Errorf("held by %q before the delay has passed", got)
		}
		// After the delay it is free, and who waits is told.
		<-watch.C
		if got := holder(t, s); got != "" {
			t.Errorf("held by %q", got)
		}
		if got := items(t, s, "l"); got != "one" {
			t.Errorf("the items became %q", got)
		}
		if err := acquire(s, "two"); err != nil {
			t.Error(err)
		}
	})
}

func TestLockSurvivesRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := opened(t, dir)
		if err := acquire(s, "one"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(19 * time.Second)
		s.Close()
		time.Sleep(time.Hour) // while no leader runs, nobody can renew
		s = opened(t, dir)
		defer s.Close()
		time.Sleep(19 * time.Second)
		if _, err := s.RenewLock("default", "l", "one"); err != nil {
			t.Errorf("after a restart the holder has its full time: %v", err)
		}
		time.Sleep(26 * time.Second)
		synctest.Wait()
		if got := holder(t, s); got != "" {
			t.Errorf("held by %q", got)
		}
	})
}

func TestHolderWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := opened(t, t.TempDir())
		defer s.Close()
		if err := acquire(s, "one"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(15 * time.Second)
		if _, err := s.PutVariable(state.Write{Namespace: "default", Path: "l", Items: []byte("new"), Lock: lockOf("one")}); err != nil {
			t.Fatal(err)
		}
		// A write is no renewal.
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if _, err := s.RenewLock("default", "l", "one"); !errors.Is(err, state.ErrWrongLock) {
			t.Errorf("got %v", err)
		}
		// But taking it again is.
		if err := acquire(s, "one"); err != nil {
			t.Error(err)
		}
		if _, err := s.RenewLock("default", "l", "one"); err != nil {
			t.Error(err)
		}
	})
}

func TestReleaseAndRenewRefusals(t *testing.T) {
	s := opened(t, t.TempDir())
	put(t, s, "free", "x")
	if err := acquire(s, "one"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path, id       string
		renew, release error
	}{
		{"none", "one", state.ErrNotFound, state.ErrNotFound},
		{"free", "one", state.ErrNoLock, state.ErrNoLock},
		{"l", "two", state.ErrWrongLock, nil},
	} {
		if _, err := s.RenewLock("default", tt.path, tt.id); !errors.Is(err, tt.renew) {
			t.Errorf("renew %s: %v", tt.path, err)
		}
		_, err := s.ReleaseLock("default", tt.path, tt.id)
		if c, ok := errors.AsType[*state.ConflictError](err); tt.release == nil && (!ok || !c.Unlocking) || tt.release != nil && !errors.Is(err, tt.release) {
			t.Errorf("release %s: %v", tt.path, err)
		}
	}
	m, err := s.ReleaseLock("default", "l", "one")
	if err != nil || m.Lock != nil {
		t.Errorf("release: %+v, %v", m, err)
	}
	if got := items(t, s, "l"); got != "one" {
		t.Errorf("releasing changed the items to %q", got)
	}
}
