package nomad_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taskagent/taskagent/internal/nomad"
	"github.com/taskagent/taskagent/renew"
	"github.com/taskagent/taskagent/test/nomadtest"
)

// startWatch runs Watch and returns where its error arrives.
func startWatch(ctx context.Context, s *nomad.Source) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- s.Watch(ctx) }()
	return ended
}

func stillWatching(t *testing.T, ended <-chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-ended:
		t.Fatalf("Watch ended: %v", err)
	default:
	}
}

const gone = `task "web" of allocation "` + testAlloc + `" is gone: `

// TestWatch wants every way to end to be noticed, and nothing else to count.
func TestWatch(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*nomadtest.FakeAlloc)
		want   string
	}{
		"stopped":      {func(a *nomadtest.FakeAlloc) { a.DesiredStatus = "stop" }, `the allocation is to end (desired status "stop")`},
		"evicted":      {func(a *nomadtest.FakeAlloc) { a.DesiredStatus = "evict" }, `the allocation is to end (desired status "evict")`},
		"complete":     {func(a *nomadtest.FakeAlloc) { a.ClientStatus = "complete" }, "the allocation is complete"},
		"failed":       {func(a *nomadtest.FakeAlloc) { a.ClientStatus = "failed" }, "the allocation is failed"},
		"lost":         {func(a *nomadtest.FakeAlloc) { a.ClientStatus = "lost" }, "the allocation is lost"},
		"task dead":    {func(a *nomadtest.FakeAlloc) { a.Dead = []string{"web"} }, "the task is dead"},
		"task removed": {func(a *nomadtest.FakeAlloc) { a.Tasks = []string{"log"} }, "task not found"},
		"forgotten":    {nil, "allocation not found"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := nomadtest.NewFakeRPC(t, nil)
				f.Set(testAlloc, running())
				ended := startWatch(t.Context(), newSource(t, fakeConfig(t, f)))
				stillWatching(t, ended)
				time.Sleep(time.Minute)

				f.Set("another", running()) // no news of ours
				a := running()
				f.Set(testAlloc, a) // news that is not the end
				time.Sleep(time.Minute)
				stillWatching(t, ended)
				a.ClientStatus = "unknown"
				f.Set(testAlloc, a)
				time.Sleep(time.Minute)
				stillWatching(t, ended)
				before := len(f.Calls())
				if before > 12 {
					t.Errorf("it took %d calls to see that nothing happened: %s", before, strings.Join(f.Calls(), ", "))
				}

				if test.change != nil {
					a = running()
					test.change(a)
					f.Set(testAlloc, a)
				} else {
					f.Set(testAlloc, nil)
				}
				err := <-ended
				if err == nil || err.Error() != gone+test.want || !renew.IsPermanent(err) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// TestWatchOutage has the servers away for a day. Nothing ends without them, and
// they are not hammered.
func TestWatchOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := nomadtest.NewFakeRPC(t, nil)
		f.Set(testAlloc, running())
		cfg := fakeConfig(t, f)
		cfg.RetryFor = 0
		var down atomic.Bool
		var dials atomic.Int32
		up := cfg.Dial
		cfg.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			dials.Add(1)
			if down.Load() {
				return nil, errors.New("connection refused")
			}
			return up(ctx, addr)
		}
		ended := startWatch(t.Context(), newSource(t, cfg))
		stillWatching(t, ended)

		f.Refuse("rpc error: No cluster leader")
		time.Sleep(12 * time.Hour)
		stillWatching(t, ended)
		down.Store(true)
		time.Sleep(12 * time.Hour)
		stillWatching(t, ended)
		if n := dials.Load(); n > 24*3600/15 {
			t.Errorf("%d connections in a day without servers", n)
		}

		a := running()
		a.ClientStatus = "failed"
		f.Refuse("")
		f.Set(testAlloc, a)
		down.Store(false)
		if err := <-ended; err == nil || err.Error() != gone+"the allocation is failed" {
			t.Errorf("got %v", err)
		}
	})
}

// TestWatchOldIndex has the servers begin anew with lower indexes, as after the
// restoration of a backup.
func TestWatchOldIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := nomadtest.NewFakeRPC(t, nil)
		for range 50 {
			f.Set("another", running())
		}
		f.Set(testAlloc, running())
		restored := nomadtest.NewFakeRPC(t, nil)
		restored.Set(testAlloc, running())
		cfg := fakeConfig(t, f)
		var now atomic.Pointer[nomadtest.FakeRPC]
		now.Store(f)
		cfg.Dial = func(ctx context.Context, addr string) (net.Conn, error) { return pipeTo(now.Load())(ctx, addr) }
		ended := startWatch(t.Context(), newSource(t, cfg))
		stillWatching(t, ended)
		now.Store(restored)
		f.Refuse("rpc error: EOF")
		time.Sleep(time.Hour)
		a := running()
		a.DesiredStatus = "stop"
		restored.Set(testAlloc, a)
		if err := <-ended; err == nil || err.Error() != gone+`the allocation is to end (desired status "stop")` {
			t.Errorf("got %v", err)
		}
	})
}

func TestWatchEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := nomadtest.NewFakeRPC(t, nil)
		f.Set(testAlloc, running())
		ctx, cancel := context.WithCancel(t.Context())
		ended := startWatch(ctx, newSource(t, fakeConfig(t, f)))
		stillWatching(t, ended)
		begun := time.Now()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) || renew.IsPermanent(err) || time.Since(begun) != 0 {
			t.Errorf("got %v after %s", err, time.Since(begun))
		}
	})
}
