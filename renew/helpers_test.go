package renew_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/renew"
)

// rawToken makes something of a token's form; n makes it unlike others.
func rawToken(n int, issued time.Time, ttl time.Duration) string {
	c := identity.Claims{ID: fmt.Sprint(n), IssuedAt: issued}
	if ttl != 0 {
		c.Expiry = issued.Add(ttl)
	}
	body, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"EdDSA"}`)) + "." + enc(body) + "." + enc(make([]byte, 64))
}

func newToken(n int, issued time.Time, ttl time.Duration) identity.Token {
	t, _, err := identity.ParseInsecure(rawToken(n, issued, ttl))
	if err != nil {
		panic(err)
	}
	return t
}

// call is a call of a fake source's Fetch.
type call struct {
	at    time.Duration // since the source was made
	names string
}

// fake is a Source that signs tokens of a lifetime by name, and fails when told to.
type fake struct {
	ttl   map[string]time.Duration
	begin time.Time
	skew  time.Duration // of its clock

	mu    sync.Mutex
	err   error
	hang  bool                                    // until the context is done
	make  func(name string, n int) identity.Token // instead of signing
	calls []call
	n     int // tokens asked for so far
}

func newFake(ttl map[string]time.Duration) *fake { return &fake{ttl: ttl, begin: time.Now()} }

func (f *fake) Fetch(ctx context.Context, names []string) (map[string]identity.Token, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call{time.Since(f.begin), strings.Join(names, " ")})
	if f.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	tokens := make(map[string]identity.Token)
	f.n++
	for _, name := range names {
		ttl, ok := f.ttl[name]
		switch {
		case f.err != nil || !ok:
		case f.make != nil:
			tokens[name] = f.make(name, f.n)
		default:
			tokens[name] = newToken(f.n, time.Now().Add(f.skew), ttl)
		}
	}
	return tokens, f.err
}

func (f *fake) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// take returns the calls so far and forgets them.
func (f *fake) take() []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

var errDown = errors.New("the source is down")

// bubble runs test under a clock that only moves when everybody waits.
func bubble(t *testing.T, test func(t *testing.T)) { t.Helper(); synctest.Test(t, test) }

// start runs a Renewer until the test ends, or Run does.
func start(t *testing.T, cfg renew.Config) *renew.Renewer {
	t.Helper()
	if cfg.Names == nil {
		if f, ok := cfg.Source.(*fake); ok {
			for name := range f.ttl {
				cfg.Names = append(cfg.Names, name)
			}
		}
	}
	r, err := renew.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) && !renew.IsPermanent(err) {
			t.Errorf("Run: %v", err)
		}
	})
	synctest.Wait()
	return r
}

func middle() float64 { return 0.5 }

// after lets time pass, and everything happen that is due by then.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func checkCalls(t *testing.T, got []call, want ...call) {
	t.Helper()
	for i := range got { // tokens are timed in whole seconds, and so are the tables
		got[i].at = got[i].at.Round(time.Millisecond)
	}
	if !slices.Equal(got, want) {
		t.Errorf("fetches\n got %v\nwant %v", got, want)
	}
}

// receive takes an update that has to be there.
func receive(t *testing.T, w *renew.Watcher) renew.Update {
	t.Helper()
	select {
	case u, ok := <-w.C():
		if !ok {
			t.Fatal("the watcher's channel is closed")
		}
		return u
	default:
		t.Fatal("no update")
	}
	panic("not reached")
}

func nothing(t *testing.T, w *renew.Watcher) {
	t.Helper()
	select {
	case u, ok := <-w.C():
		t.Fatalf("unexpected update %v (open: %v)", u.Changed, ok)
	default:
	}
}

// failureLog collects what OnFailure is told.
type failureLog struct {
	mu   sync.Mutex
	list []renew.Failure
}

func (l *failureLog) add(f renew.Failure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, f)
}

func (l *failureLog) all() []renew.Failure {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}
