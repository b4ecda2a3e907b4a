package leader

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskagent/taskagent/internal/leader/datadir"
	"github.com/taskagent/taskagent/internal/leader/httpapi"
	"github.com/taskagent/taskagent/internal/leader/keyring"
	"github.com/taskagent/taskagent/internal/leader/state"
	"github.com/taskagent/taskagent/internal/wire"
	"github.com/taskagent/taskagent/platform"
)

// Leader is a running leader.
type Leader struct {
	cfg      Config
	settings Settings
	me       wire.Leader
	log      hclog.Logger
	ctx      context.Context // ends when the leader begins to end

	keys   *keyring.Keyring
	store  *state.Store
	leases *leases
	signer *signer
	auth   *authenticator
	agents *agents
	api    *httpapi.API
	doors  doors
	lock   *platform.Lock // held until everything else has ended

	poked     chan struct{} // wakes the clock; buffered
	keysIndex uint64        // of the keyring when it was last looked at; the clock's own
	leave     context.CancelCauseFunc
	inFlight  atomic.Int64 // requests being answered
	lastSeen  atomic.Int64 // end of the last one, in nanoseconds since 1970

	background sync.WaitGroup
}

// Reasons to end that are not errors.
var (
	errHandover = errors.New("another leader takes over")
	errLingered = errors.New("the last task has gone")
)

// failedError is the reason to end of a leader that led and cannot go on.
type failedError struct{ err error }

func (e *failedError) Error() string { return e.err.Error() }
func (e *failedError) Unwrap() error { return e.err }

// failure returns the reason to end where it is an error.
func failure(reason error) error {
	if e, ok := errors.AsType[*failedError](reason); ok {
		return e
	}
	return nil
}

// Run leads until ctx ends, another leader takes over, or nobody has needed it
// for the linger time; these are no errors. When another leader leads already
// the error matches ErrLeading. A leader that cannot go on, because a listener
// fails or its directory was taken away, ends with an error as well. Everything that Run started has ended when it
// returns.
func Run(ctx context.Context, cfg Config) error {
	err := datadir.Advise(run(ctx, cfg))
	if failure(err) == nil { // whoever started it has gone when it has once led
		cfg.say(err)
	}
	return err
}

func run(ctx context.Context, cfg Config) (err error) {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if err := datadir.Ensure(cfg.DataDir); err != nil {
		return err
	}
	// Before the lock: nothing is put into a directory that is not ours.
	if _, err := datadir.Inspect(cfg.DataDir); err != nil {
		return err
	}
	me := wire.Leader{PID: os.Getpid(), Since: time.Now().UTC().Truncate(time.Millisecond)}
	lock, err := acquire(ctx, cfg.DataDir, cfg.Replace, me)
	if err != nil {
		return err
	}
	defer lock.Unlock()

	l := &Leader{cfg: cfg, me: me, log: cfg.Logger, lock: lock, agents: newAgents(), poked: make(chan struct{}, 1)}
	if l.log == nil {
		l.log = hclog.NewNullLogger()
	}
	if cfg.Detached {
		f, err := openLog(cfg.DataDir)
		if err != nil {
			return err
		}
		defer f.Close()
		l.log = fileLogger(f)
		defer func() {
			if err != nil {
				l.log.Error("cannot lead", "error", err)
			}
		}()
	}
	if err := platform.Harden(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		l.log.Warn("the keys in memory are not kept out of core dumps", "error", err)
	}
	l.ctx, l.leave = context.WithCancelCause(ctx)
	defer l.leave(nil)
	return l.lead()
}

// lead does everything that needs the lock.
func (l *Leader) lead() error {
	if err := l.open(); err != nil {
		return err
	}
	defer func() {
		if err := l.store.Close(); err != nil {
			l.log.Error("cannot close the store", "error", err)
		}
	}()
	l.checkToken()
	if err := l.openDoors(); err != nil {
		return err
	}
	defer l.closeDoors()
	// Only now: a setting with which no leader can lead must not be kept.
	if err := l.keepSettings(); err != nil {
		return err
	}
	l.log.Info("leading", "pid", l.me.PID, "data_dir", l.cfg.DataDir, "http", l.httpAddr(), "tasks", len(l.store.Tasks()))
	if l.cfg.Stdout != nil {
		fmt.Fprintln(l.cfg.Stdout, "ready")
	}
	l.runClock()
	reason := context.Cause(l.ctx)
	l.log.Info("ending", "reason", reason)
	return failure(reason)
}

// poke wakes the clock.
func (l *Leader) poke() {
	select {
	case l.poked <- struct{}{}:
	default:
	}
}

// counted keeps account of requests, so that a leader does not end under them.
func (l *Leader) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.inFlight.Add(1)
		defer func() {
			l.lastSeen.Store(time.Now().UnixNano())
			l.inFlight.Add(-1)
		}()
		h.ServeHTTP(w, r)
	})
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
