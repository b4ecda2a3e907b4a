package agent

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/taskagent/taskagent/envinject"
	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/fault"
	"github.com/taskagent/taskagent/internal/nomad"
	"github.com/taskagent/taskagent/platform"
	"github.com/taskagent/taskagent/renew"
)

// codeFailed is the exit status of a failure that is taskagent's own.
const codeFailed = 125

// session is one task from start to stop.
type session struct {
	c       *Config
	origin  origin
	dirs    *dirs
	door    *door
	started *started
	renewer *renew.Renewer // nil where nothing can be renewed
	specs   map[string]identity.Spec
	sup     *envinject.Supervisor // nil without a command
}

// Run runs one task, or serves without one, from start to stop, and returns the
// status to exit with. What it made it removes, whatever happens. For
// commands without a task, ctx ends them; a task gets its signals itself.
func Run(ctx context.Context, c *Config) (int, error) {
	if err := platform.Harden(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		c.Logger.Debug("not hardened", "error", err)
	}
	for _, w := range c.Warnings {
		c.Logger.Warn(w)
	}
	from, err := newOrigin(c)
	if err != nil {
		return codeFailed, err
	}
	s := &session{c: c, origin: from, specs: map[string]identity.Spec{}}
	for _, id := range c.Task.Identities {
		s.specs[id.Name] = id.Spec
	}
	switch c.Kind {
	case Once:
		return s.once(ctx)
	case Serve:
		return s.serve(ctx)
	}
	return s.task(ctx)
}

// task runs the command.
func (s *session) task(ctx context.Context) (int, error) {
	sup, err := envinject.New(envinject.Config{
		Command: s.c.Command, User: credential(s.c.User),
		KillSignal: s.c.KillSignal, KillTimeout: s.c.KillTimeout,
		RelaySignals: true, Terminal: true, ReapOrphans: true,
		Notify: s.logEvent,
	})
	if err != nil {
		return codeFailed, err
	}
	defer sup.Close()
	s.sup = sup
	// A signal that comes before there is a task ends the start.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		<-sup.Done()
		cancel()
	}()
	defer s.close(ctx)
	if err := s.open(ctx); err != nil {
		var interrupted *envinject.InterruptedError
		if errors.As(sup.Exit().Err, &interrupted) {
			return interrupted.ExitCode(), nil
		}
		return codeFailed, err
	}
	if err := sup.Start(s.environ()); err != nil {
		return startFailed(err)
	}
	failure := s.attend(ctx, sup.Done())
	if failure != nil {
		_ = sup.Stop(context.WithoutCancel(ctx))
	}
	exit := sup.Exit()
	var gone *nomad.EndedError
	switch {
	case errors.As(failure, &gone): // its allocation was stopped: an end like any other
		s.c.Logger.Info("the task was stopped", "reason", gone.Error())
	case failure != nil:
		return codeFailed, failure
	case exit.Err != nil:
		return exit.Status(), exit.Err
	}
	return exit.Status(), nil
}

// startFailed returns the status a shell would give for a command that could
// not be started. A signal that came first is no failure of ours.
func startFailed(err error) (int, error) {
	var coded interface{ ExitCode() int }
	var interrupted *envinject.InterruptedError
	switch {
	case errors.As(err, &interrupted):
		return interrupted.ExitCode(), nil
	case errors.As(err, &coded):
		return coded.ExitCode(), err
	}
	return codeFailed, err
}

// serve publishes and serves until ctx ends.
func (s *session) serve(ctx context.Context) (int, error) {
	defer s.close(ctx)
	if err := s.open(ctx); err != nil {
		if ctx.Err() != nil {
			return 0, nil
		}
		return codeFailed, err
	}
	s.c.Logger.Info("serving", "secrets", s.dirs.secrets(), "socket", s.door.path(), "alloc", s.started.allocID)
	if err := s.attend(ctx, ctx.Done()); err != nil {
		return codeFailed, err
	}
	return 0, nil
}

// once publishes and leaves everything where it is.
func (s *session) once(ctx context.Context) (int, error) {
	var err error
	if s.dirs, err = openDirs(s.c); err != nil {
		return codeFailed, err
	}
	if err = s.fetch(ctx); err != nil {
		_ = s.dirs.close()
		return codeFailed, err
	}
	defer s.origin.End(ctx)
	s.dirs.keep()
	s.c.Logger.Info("published", "secrets", s.dirs.secrets(), "alloc", s.started.allocID)
	return 0, nil
}

// open does everything that comes before the task: directories, identities,
// files, socket, in this order.
func (s *session) open(ctx context.Context) error {
	var err error
	if s.dirs, err = openDirs(s.c); err != nil {
		return err
	}
	if err = s.fetch(ctx); err != nil {
		return err
	}
	s.door, err = openDoor(s.c, s.dirs.secrets(), s.origin.Door(), s.currentDefault)
	return err
}

// fetch gets and publishes the first token of every identity.
func (s *session) fetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.c.StartTimeout)
	defer cancel()
	started, err := s.origin.Start(ctx)
	if errors.Is(err, context.DeadlineExceeded) || err != nil && ctx.Err() == context.DeadlineExceeded {
		return fault.Hint(fmt.Errorf("no identity within %s: %w", s.c.StartTimeout, err), "-start-timeout waits longer; `taskagent status` asks the leader")
	}
	if err != nil {
		return err
	}
	s.started = started
	for _, id := range s.c.Task.Identities {
		t, ok := started.tokens[id.Name]
		if !ok {
			return fmt.Errorf("identity %q was not signed", id.Name)
		}
		if err := s.dirs.publish(id.Spec, t); err != nil {
			return err
		}
	}
	names := s.renewable()
	if len(names) == 0 {
		return nil
	}
	s.renewer, err = renew.New(renew.Config{Source: s.origin, Names: names, Initial: started.tokens, OnFailure: s.renewalFailed})
	return err
}

// renewable names the identities that the origin can renew: all, but those that
// Nomad delivered in the environment alone.
func (s *session) renewable() []string {
	var names []string
	for name, spec := range s.specs {
		if s.c.Source != SourceFile || spec.File {
			names = append(names, name)
		}
	}
	return names
}

// close undoes open, last made first. The socket goes before the lease: no
// request meets a task that is half gone.
func (s *session) close(ctx context.Context) {
	if s.door != nil {
		s.door.close()
	}
	if s.started != nil {
		s.origin.End(ctx)
	}
	if s.dirs != nil {
		if err := s.dirs.close(); err != nil {
			s.c.Logger.Warn("clean up", "error", err)
		}
	}
}

func credential(u *platform.User) *platform.Credential {
	if u == nil {
		return nil
	}
	return &platform.Credential{UID: u.UID, GID: u.GID, Groups: u.Groups}
}

// logEvent notes what happens to the task. What the user caused is no news.
func (s *session) logEvent(e envinject.Event) {
	log := s.c.Logger
	switch e.Kind {
	case envinject.TaskRestarting:
		log.Info(string(e.Kind))
	case envinject.TaskStopped:
		if sig, ok := e.Signal.(syscall.Signal); ok && platform.SignalName(sig) == "SIGTTIN" {
			log.Warn("the task waits for the terminal, which it is given only when standard output is one, too: redirect its standard input as well")
		}
	case envinject.TaskKilled, envinject.GroupLeft:
		args := []any{"pid", e.PID}
		if e.Err != nil {
			args = append(args, "error", e.Err)
		}
		log.Warn(string(e.Kind), args...)
	default:
		log.Debug(string(e.Kind), "pid", e.PID, "signal", e.Signal, "exit", e.Exit.String())
	}
}
