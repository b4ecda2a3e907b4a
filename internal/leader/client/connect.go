package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskagent/taskagent/internal/leader/datadir"
	"github.com/taskagent/taskagent/platform"
)

// Options says which leader to talk to, and how to start one.
type Options struct {
	// DataDir is the leader's data directory. Required.
	DataDir string
	// Start starts a leader when none answers. The directory is made if missing.
	Start bool
	// Exe is the program to start, called as `EXE leader -data-dir …`. Empty: this
	// one.
	Exe string
	// Linger is how long a leader started here stays after its last agent has
	// gone; zero means 30 s.
	Linger time.Duration
	// StartTimeout bounds the wait for a leader to get ready; zero means 30 s.
	StartTimeout time.Duration
	// Logger gets warnings; nil means none.
	Logger hclog.Logger
}

func (o *Options) fill() {
	if o.Linger == 0 {
		o.Linger = 30 * time.Second
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
}

// Connect is Dial, and with o.Start it starts a leader when none answers. Of
// several agents that find none, one starts it and the others wait for it.
func Connect(ctx context.Context, o Options) (net.Conn, error) {
	o.fill()
	conn, err := Dial(ctx, o.DataDir)
	if !o.Start || !errors.Is(err, ErrNoLeader) {
		return conn, err
	}
	// A leader that has just handed over is followed by the next one in no time.
	if err := pause(ctx, jitter(10*time.Millisecond)); err != nil {
		return nil, err
	}
	if conn, err := Dial(ctx, o.DataDir); err == nil {
		return conn, nil
	}
	if err := datadir.Ensure(o.DataDir); err != nil {
		return nil, datadir.Advise(err)
	}
	lock, err := platform.LockFile(ctx, filepath.Join(o.DataDir, datadir.StartLock))
	if err != nil {
		return nil, datadir.Advise(err)
	}
	defer lock.Unlock()
	if conn, err := Dial(ctx, o.DataDir); !errors.Is(err, ErrNoLeader) {
		return conn, err
	}
	startErr := startLeader(ctx, o)
	// One started by hand may have been quicker, so who answers is what counts.
	conn, err = Dial(ctx, o.DataDir)
	if errors.Is(err, ErrNoLeader) && startErr != nil {
		return nil, startErr
	}
	return conn, err
}

// jitter returns a time from half of d to d.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
