package client

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskagent/taskagent/internal/fault"
	"github.com/taskagent/taskagent/internal/wire"
)

// startPatience is how long a start may take before the user hears of it.
var startPatience = 3 * time.Second // a test shortens it

// patience knows why a start has not succeeded yet.
type patience struct {
	mu  sync.Mutex
	err error // guarded by mu: the last failure that says something
}

// warnAfter warns once after that long, until stop is called.
func (p *patience) warnAfter(d time.Duration, log hclog.Logger) (stop func()) {
	t := time.AfterFunc(d, func() {
		err := p.reason()
		args := []any{"error", err}
		hint := fault.HintOf(err)
		if e, ok := errors.AsType[*wire.Error](err); ok && hint == "" {
			hint = e.Hint
		}
		if hint != "" {
			args = append(args, "hint", hint)
		}
		log.Warn("the task has not started yet; it is tried again", args...)
	})
	return func() { t.Stop() }
}

// note keeps why an attempt failed. What fails because ctx has ended says less
// than what failed before.
func (p *patience) note(ctx context.Context, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ctx.Err() == nil || p.err == nil {
		p.err = err
	}
}

// reason returns the failure that says most.
func (p *patience) reason() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		return errNoAnswer
	}
	if errors.Is(p.err, errNoAnswer) {
		return fault.Hint(p.err, stoppedHint)
	}
	return p.err
}
