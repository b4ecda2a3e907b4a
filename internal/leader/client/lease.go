package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/taskagent/taskagent/internal/wire"
)

// ErrLost is what errors match once the leader has given the task up: its
// tokens are refused, and the lease cannot come back.
var ErrLost = errors.New("the lease on the task is lost")

// errClosed is what calls get after End or Close.
var errClosed = errors.New("the lease was given back")

// Bounds on what a leader that does not answer can cost. It may be stopped; it
// is asked anew on another connection, and nothing is lost by that.
const (
	handshakeTime = 10 * time.Second
	answerTime    = 10 * time.Second
	endTime       = 5 * time.Second
)

// Lease is a task's lease. A connection to the leader that breaks is made anew
// in the background, with a new leader where the old one has gone, and the
// lease resumed. All methods may be called by several goroutines. An idle lease
// costs one goroutine and no timer.
type Lease struct {
	o      Options
	start  wire.Start
	ctx    context.Context // ended by Close
	cancel context.CancelFunc
	done   chan struct{} // closed when the goroutine has ended
	lost   chan struct{}

	allocID string // set before the goroutine starts

	mu     sync.Mutex    // guards what follows
	s      *session      // nil while there is no connection
	ready  chan struct{} // closed and replaced when s is set
	report wire.Report   // what a new leader is told; its maps are never written to
	ending bool          // no leader is started any more
	err    error         // why there will be no connection any more
}

// Start takes a lease on a task and returns it with its first tokens. It tries
// again until ctx ends when the leader dies on the way or cannot do it just
// now, and warns once when that takes a while. A refusal is a *wire.Error.
func Start(ctx context.Context, o Options, start wire.Start) (*Lease, *wire.Started, error) {
	o.fill()
	if start.LeaseID == "" {
		start.LeaseID = rand.Text()
	}
	l := &Lease{
		o: o, start: start,
		done: make(chan struct{}), lost: make(chan struct{}), ready: make(chan struct{}),
	}
	l.ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	var p patience
	defer p.warnAfter(startPatience, o.Logger)()
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		s, started, err := l.startOnce(ctx)
		if err == nil {
			l.allocID = started.AllocID
			l.s = s
			go l.run(s)
			return l, started, nil
		}
		if p.note(ctx, err); !again(err) || pause(ctx, jitter(wait)) != nil {
			l.cancel()
			close(l.done)
			return nil, nil, fmt.Errorf("start task %q: %w", start.Task, p.reason())
		}
	}
}

// again reports whether what failed may succeed next time: the leader may have
// died, stopped or been replaced on the way.
func again(err error) bool {
	if e, ok := errors.AsType[*wire.Error](err); ok {
		return e.Code == wire.CodeUnavailable
	}
	_, broken := errors.AsType[*brokenError](err)
	return broken
}

func (l *Lease) startOnce(ctx context.Context) (*session, *wire.Started, error) {
	s, err := l.open(ctx, true)
	if err != nil {
		return nil, nil, err
	}
	resp, err := s.handshake(ctx, wire.Request{Start: &l.start})
	if err == nil && resp.Started == nil {
		err = &brokenError{errors.New("the leader's answer to a start is none")}
	}
	if err != nil {
		s.drop()
		return nil, nil, err
	}
	return s, resp.Started, nil
}

// open makes a connection ready for a lease.
func (l *Lease) open(ctx context.Context, start bool) (*session, error) {
	o := l.o
	o.Start = o.Start && start
	conn, err := Connect(ctx, o)
	if err != nil {
		return nil, err
	}
	return newSession(ctx, conn)
}

// Lost is closed when the leader has given the task up.
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// AllocID returns the id of the task's allocation.
func (l *Lease) AllocID() string { return l.allocID }

// Sign returns fresh tokens of the identities with these names. While there is
// no leader it waits for one, until ctx ends.
func (l *Lease) Sign(ctx context.Context, names ...string) (map[string]string, error) {
	resp, err := l.call(ctx, wire.Request{Sign: &wire.Sign{Names: names}})
	if err == nil && resp.Signed == nil {
		err = errors.New("the leader's answer is none")
	}
	if err != nil {
		return nil, fmt.Errorf("sign identities: %w", err)
	}
	return resp.Signed.Tokens, nil
}

// Report tells the leader what status should show: what is set in r replaces
// what was reported before. A later leader is told, too.
func (l *Lease) Report(ctx context.Context, r wire.Report) error {
	l.mu.Lock()
	merge(&l.report, r)
	all := l.report
	l.mu.Unlock()
	if _, err := l.call(ctx, wire.Request{Report: &all}); err != nil {
		return fmt.Errorf("report to the leader: %w", err)
	}
	return nil
}

func merge(to *wire.Report, r wire.Report) {
	to.NextRenewal = united(to.NextRenewal, r.NextRenewal)
	to.Expires = united(to.Expires, r.Expires)
	if r.Socket != "" {
		to.Socket = r.Socket
	}
	if r.TaskPID != 0 {
		to.TaskPID = r.TaskPID
	}
}

// united returns a with what is in b over it, as a new map where that is needed.
func united(a, b map[string]time.Time) map[string]time.Time {
	if len(b) == 0 {
		return a
	}
	u := make(map[string]time.Time, len(a)+len(b))
	maps.Copy(u, a)
	maps.Copy(u, b)
	return u
}

// End gives the lease back: the leader refuses the task's tokens from now on. It
// starts no leader for that, and waits for one at most until ctx ends or 5 s
// have passed: whoever leads next gives the task up after a while.
func (l *Lease) End(ctx context.Context) error {
	defer l.Close()
	ctx, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	l.mu.Lock()
	l.ending = true
	l.mu.Unlock()
	if _, err := l.call(ctx, wire.Request{End: &wire.End{}}); err != nil && !errors.Is(err, ErrLost) {
		return fmt.Errorf("end task %q: %w", l.start.Task, err)
	}
	return nil
}

// Close lets go of the connection without a word: the leader gives the task up
// when it has not come back for a while. A lease that was started with Once is
// closed, not ended. Close may be called again.
func (l *Lease) Close() {
	l.finish(errClosed)
	l.cancel()
	<-l.done
}

// finish makes calls fail with err from now on, unless they do already.
func (l *Lease) finish(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	l.err = err
	if l.s != nil {
		l.s.drop()
		l.s = nil
	}
	close(l.ready)
	if errors.Is(err, ErrLost) {
		close(l.lost)
	}
}

// current returns the connection, waiting for one until ctx ends.
func (l *Lease) current(ctx context.Context) (*session, error) {
	for {
		l.mu.Lock()
		s, ready, err := l.s, l.ready, l.err
		l.mu.Unlock()
		if s != nil || err != nil {
			return s, err
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// call sends a request and waits for its answer, again on the next connection
// when this one breaks. All requests of a lease may be repeated.
func (l *Lease) call(ctx context.Context, req wire.Request) (*wire.Response, error) {
	for {
		s, err := l.current(ctx)
		if err != nil {
			return nil, err
		}
		resp, err := s.call(ctx, req)
		if err == nil && resp.Error != nil {
			err = resp.Error
			if resp.Error.Code == wire.CodeLost {
				err = l.markLost(resp.Error)
			}
		}
		if err == nil {
			return resp, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !again(err) {
			return nil, err
		}
		if _, refused := errors.AsType[*wire.Error](err); refused {
			if err := pause(ctx, jitter(time.Second)); err != nil {
				return nil, err
			}
		}
	}
}

func (l *Lease) markLost(cause *wire.Error) error {
	err := fmt.Errorf("%w: %w", ErrLost, cause)
	l.finish(err)
	return err
}
