package envinject

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/taskagent/taskagent/platform"
)

// Supervisor is the life of one task: one command, one process at a time,
// started once and restarted any number of times. Its methods may be called
// from any goroutine.
//
// A signal that asks to end (SIGINT, SIGTERM, SIGQUIT, SIGHUP) and comes before
// Start ends the supervisor: Done is closed and Start fails with an
// InterruptedError. Any other that early is dropped, but SIGTSTP, which stops
// this process. While the task is being restarted, signals go to the process
// there is, and SIGINT, SIGTERM and SIGQUIT also call off the restart: who
// sends them wants an end. Sending a signal never leads to a harder one.
type Supervisor struct {
	calls chan func()
	done  chan struct{}
	exit  Exit // set before done is closed

	closeOnce sync.Once
	closing   chan struct{}
	loopEnded chan struct{}
	signals   chan os.Signal
	unrelay   func()

	// What follows belongs to the loop's goroutine.

	cfg     Config
	state   state
	process *platform.Process
	events  <-chan platform.ProcessEvent
	job     *jobControl

	stopping   bool // KillSignal was sent to process
	restarting bool // env is to be started once process is gone
	final      bool // no restart is taken any more
	env        []string
	last       Exit // of process

	killTimer <-chan time.Time
	killStop  func() bool
	groupGone <-chan bool
}

// New makes a supervisor and, if the configuration says so, begins to relay
// signals and to reap orphans. The caller must Close it.
func New(cfg Config) (*Supervisor, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	s := &Supervisor{
		cfg:       cfg,
		calls:     make(chan func()),
		done:      make(chan struct{}),
		closing:   make(chan struct{}),
		loopEnded: make(chan struct{}),
		unrelay:   func() {},
	}
	if cfg.RelaySignals {
		// Room for every signal there is, twice.
		s.signals = make(chan os.Signal, 128)
		s.unrelay = platform.NotifySignals(s.signals)
	}
	if cfg.ReapOrphans {
		if err := platform.ReapOrphans(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			s.unrelay()
			return nil, err
		}
	}
	s.job = newJobControl(cfg.Terminal && cfg.RelaySignals)
	go s.loop()
	return s, nil
}

// Start starts the task with an environment, which must not be changed any
// more. It can be called once. The error is a *StartError, with the exit
// status that belongs to it, or an *InterruptedError; the supervisor has ended
// then, too.
func (s *Supervisor) Start(env []string) error {
	err := ErrEnded
	s.call(func() {
		switch {
		case s.state == idle:
			// What came before the start is not for the task.
			for len(s.signals) > 0 && s.state == idle {
				s.relay((<-s.signals).(syscall.Signal))
			}
			if s.state == idle {
				err = s.launch(env)
			}
		case s.state != ended:
			err = errors.New("the task was started already")
		}
	})
	var interrupted *InterruptedError
	if err == ErrEnded && errors.As(s.Exit().Err, &interrupted) {
		return interrupted
	}
	return err
}

// Signal sends a signal to the task's process, not to its group. While the
// task is being restarted it sends nothing and returns nil: the new process
// begins with everything that the signal could be about.
func (s *Supervisor) Signal(sig os.Signal) error {
	number, ok := sig.(syscall.Signal)
	if !ok {
		return errors.New("send signal " + sig.String() + ": not a signal of this system")
	}
	err := ErrEnded
	s.call(func() {
		switch {
		case s.state == idle:
			err = ErrNotStarted
		case s.restarting && !s.final:
			err = nil
		case s.state == running:
			if err = s.process.Signal(number); errors.Is(err, os.ErrProcessDone) {
				err = ErrEnded
			}
		}
	})
	return err
}

// Restart stops the task as Stop does, waits until it and its process group
// are gone, and starts it with a new environment, which must not be changed
// any more. It returns at once. Calls that come before the new process is
// started become one restart, with the environment of the last.
//
// A task that ended by itself is not restarted (ErrEnded), nor is one that is
// being stopped for good. Should the new process not start, the supervisor
// ends with the StartError.
func (s *Supervisor) Restart(env []string) error {
	err := ErrEnded
	s.call(func() {
		switch {
		case s.state == idle:
			err = ErrNotStarted
		case s.final:
		case s.restarting:
			s.env = env
			err = nil
		case s.state == running && !s.process.Ended():
			s.restarting, s.env = true, env
			s.stop()
			err = nil
		}
	})
	return err
}

// Stop stops the task for good: KillSignal to its process and, when it has not
// ended after KillTimeout, SIGKILL to its whole process group. It waits for the
// end or for ctx, whose end does not call the stop off. A task that was never
// started is over then.
func (s *Supervisor) Stop(ctx context.Context) error {
	s.call(func() {
		s.final = true
		switch {
		case s.state == idle:
			s.end(Exit{Err: ErrNotStarted})
		case s.state == running && !s.stopping:
			s.stop()
		}
	})
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Done is closed when the task has ended, nothing is left of its process
// group, and it will not be started again.
func (s *Supervisor) Done() <-chan struct{} { return s.done }

// Exit is how the task ended. It is zero before Done is closed.
func (s *Supervisor) Exit() Exit {
	select {
	case <-s.done:
		return s.exit
	default:
		return Exit{}
	}
}

// PID is the id of the task's process; zero when there is none.
func (s *Supervisor) PID() int {
	pid := 0
	s.call(func() {
		if s.state == running {
			pid = s.process.PID()
		}
	})
	return pid
}

// Close kills the task's process group if the task has not ended, waits for its
// end, and gives the signals back: from then on they do to this process what
// they did before New. Until then a signal that comes after the task's end is
// dropped, so that nothing disturbs a clean-up. Close can be called again.
func (s *Supervisor) Close() {
	s.closeOnce.Do(func() {
		close(s.closing)
		<-s.loopEnded
		s.unrelay()
	})
}
