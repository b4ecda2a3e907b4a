package httpapi

import (
	"math/rand/v2"
	"time"

	"github.com/taskagent/taskagent/internal/leader/state"
)

// maxWait is how long a request may block, and does when it does not say.
// A sixteenth more is added at random, so that not all come back at once.
const maxWait = 5 * time.Minute

// block runs read and, when the client has asked for that, runs it again after
// each change it watches until the index it returns is greater than the client's.
// When the time is over, or the server shuts down, what was read last is the
// answer. Who asks is found out anew each time.
func (c *call) block(watch func() *state.Watcher, read func(*caller) (index uint64, err error)) error {
	who, err := c.reader()
	if err != nil {
		return err
	}
	return c.repeat(watch, func(first bool) (uint64, error) {
		if !first {
			c.caller = nil
			if who, err = c.resolve(); err != nil {
				return 0, err
			}
		}
		return read(who)
	})
}

// blockPublic is block for what anyone may read.
func (c *call) blockPublic(watch func() *state.Watcher, read func() (index uint64)) error {
	return c.repeat(watch, func(bool) (uint64, error) { return read(), nil })
}

func (c *call) repeat(watch func() *state.Watcher, read func(first bool) (uint64, error)) error {
	if c.minIndex == 0 {
		_, err := read(true)
		return err
	}
	wait := c.wait
	if wait <= 0 || wait > maxWait {
		wait = maxWait
	}
	if jitter := int64(wait / 16); jitter > 0 {
		wait += time.Duration(rand.Int64N(jitter))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for first := true; ; first = false {
		again, err := c.readAndWait(watch, func() (uint64, error) { return read(first) }, timer.C)
		if !again || err != nil {
			return err
		}
	}
}

// readAndWait reads once, and waits when that was not new. It reports whether to
// read again.
func (c *call) readAndWait(watch func() *state.Watcher, read func() (uint64, error), timeout <-chan time.Time) (bool, error) {
	w := watch() // before reading, or a change in between would go unseen
	defer w.Stop()
	index, err := read()
	if err != nil || index > c.minIndex {
		return false, err
	}
	select {
	case <-w.C:
		return true, nil
	case <-timeout:
		return false, nil
	case <-c.api.Done:
		return false, nil
	case <-c.r.Context().Done():
	}
	select {
	case <-c.api.Done: // a server that shuts down may cancel requests too
		return false, nil
	default:
		return false, errGone
	}
}

// watchTable returns a watch of all of a table.
func (c *call) watchTable(t state.Table) func() *state.Watcher {
	return func() *state.Watcher { return c.api.Store.Watch(t, "") }
}
