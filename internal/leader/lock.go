package leader

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/taskagent/taskagent/internal/leader/client"
	"github.com/taskagent/taskagent/internal/leader/datadir"
	"github.com/taskagent/taskagent/internal/wire"
	"github.com/taskagent/taskagent/platform"
)

// ErrLeading is what the error of Run matches when another leader leads the
// same data directory.
var ErrLeading = errors.New("another leader leads")

// LeadingError says who leads.
type LeadingError struct {
	Dir string
	wire.Leader
	// Silent tells that it does not answer.
	Silent bool
}

// Error names the other leader.
func (e *LeadingError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = fmt.Sprintf("pid %d since %s", e.PID, e.Since.Local().Format(time.DateTime))
	}
	if e.Silent {
		return fmt.Sprintf("data directory %s: a leader holds its lock but does not answer: %s", e.Dir, who)
	}
	return fmt.Sprintf("data directory %s: a leader leads already: %s", e.Dir, who)
}

// Is makes the error match ErrLeading.
func (e *LeadingError) Is(target error) bool { return target == ErrLeading }

// Hint returns the next step for the user.
func (e *LeadingError) Hint() string {
	if e.Silent {
		return "it may be stopped: continue it (kill -CONT), or end it"
	}
	return "taskagent leader -replace takes over from it; tasks do not notice"
}

// goingTime is how long a leader that holds the lock and does not answer is
// taken for one that is just coming or going.
const goingTime = 10 * time.Second

// askTime is how long a leader may take to say that it leads.
const askTime = 2 * time.Second

// acquire takes the lock of the data directory and writes into it who leads.
// It waits for a leader that is just going, and with replace asks one that
// leads to hand over.
func acquire(ctx context.Context, dir string, replace bool, me wire.Leader) (*platform.Lock, error) {
	path := filepath.Join(dir, datadir.Lock)
	lock, err := platform.TryLockFile(path)
	if errors.Is(err, platform.ErrLocked) {
		if replace {
			lock, err = takeOver(ctx, dir, path)
		} else {
			lock, err = waitForGoing(ctx, dir, path)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := sign(lock.File(), me); err != nil {
		lock.Unlock()
		return nil, fmt.Errorf("write lock %s: %w", path, err)
	}
	return lock, nil
}

// waitForGoing waits for the lock while its holder does not answer.
func waitForGoing(ctx context.Context, dir, path string) (*platform.Lock, error) {
	deadline := time.Now().Add(goingTime)
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		leads, answers := ask(ctx, dir)
		if answers {
			return nil, &LeadingError{Dir: dir, Leader: leads}
		}
		lock, err := platform.TryLockFile(path)
		if !errors.Is(err, platform.ErrLocked) {
			return lock, err
		}
		if time.Now().After(deadline) {
			return nil, &LeadingError{Dir: dir, Leader: readLock(path), Silent: true}
		}
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// takeOver queues for the lock and then asks its holder to hand over, so that
// no leader started by an agent comes in between.
func takeOver(ctx context.Context, dir, path string) (*platform.Lock, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, goingTime, errNoHandover)
	defer cancel()
	type result struct {
		lock *platform.Lock
		err  error
	}
	got := make(chan result, 1)
	go func() {
		lock, err := platform.LockFile(ctx, path)
		got <- result{lock, err}
	}()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		// Who holds the lock may have changed, so it is asked again and again.
		askHandover(ctx, dir)
		select {
		case r := <-got:
			if errors.Is(r.err, errNoHandover) {
				return nil, &LeadingError{Dir: dir, Leader: readLock(path), Silent: true}
			}
			return r.lock, r.err
		case <-time.After(pause):
		}
	}
}

var errNoHandover = errors.New("the leader did not hand over")

// ask asks whoever serves leader.sock who it is.
func ask(ctx context.Context, dir string) (l wire.Leader, answers bool) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	l, err := client.Who(ctx, dir)
	return l, err == nil
}

// askHandover asks whoever leads to end. It may be gone already, or not be
// there yet: taking the lock is what counts.
func askHandover(ctx context.Context, dir string) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	_ = client.Handover(ctx, dir)
}

// sign writes into the lock who holds it. The file stays the same one: whoever
// waits for it has it open.
func sign(f *os.File, me wire.Leader) error {
	data, err := json.Marshal(me)
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(append(data, '\n'), 0)
	return err
}

// readLock reads who holds the lock; all zero when it does not say.
func readLock(path string) (l wire.Leader) {
	f, err := os.Open(path)
	if err != nil {
		return l
	}
	defer f.Close()
	if json.NewDecoder(io.LimitReader(f, 4096)).Decode(&l) != nil {
		return wire.Leader{}
	}
	return l
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
