package envinject

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/taskagent/taskagent/platform"
)

// groupLimit bounds the wait for killed processes to be gone. Those that need
// longer hang in the kernel.
const groupLimit = 2 * time.Second

// state is where in its life a task is.
type state int

const (
	idle     state = iota
	running        // process is there
	draining       // process has ended, its group may not be gone
	ended
)

// call runs f in the loop, unless the task has ended.
func (s *Supervisor) call(f func()) {
	returned := make(chan struct{})
	select {
	case s.calls <- func() { f(); close(returned) }:
		<-returned
	case <-s.done:
	}
}

// loop owns the task. Everything that changes its state happens here, one thing
// after the other.
func (s *Supervisor) loop() {
	defer close(s.loopEnded)
	closing := s.closing
	for s.state != ended {
		select {
		case f := <-s.calls:
			f()
		case sig := <-s.signals:
			s.relay(sig.(syscall.Signal))
		case event, ok := <-s.events:
			if ok {
				s.happened(event)
			}
		case <-s.killTimer:
			s.kill(nil)
		case gone := <-s.groupGone:
			s.drained(gone)
		case <-closing:
			closing = nil
			s.final = true
			switch s.state {
			case idle:
				s.end(Exit{Err: ErrNotStarted})
			case running:
				s.kill(nil)
			}
		}
	}
}

func (s *Supervisor) launch(env []string) error {
	terminal := s.job.toGive()
	process, err := launch(&s.cfg, env, terminal)
	if err != nil {
		s.end(Exit{Err: err})
		return err
	}
	s.state, s.process, s.events = running, process, process.Events()
	s.stopping, s.restarting, s.env = false, false, nil
	s.job.started(terminal != nil)
	s.cfg.Notify(Event{Kind: TaskStarted, PID: process.PID()})
	return nil
}

// stop begins to stop the process.
func (s *Supervisor) stop() {
	s.stopping = true
	s.cfg.Notify(Event{Kind: TaskStopping, PID: s.process.PID(), Signal: s.cfg.KillSignal})
	if err := s.process.Signal(s.cfg.KillSignal); err != nil {
		if !errors.Is(err, os.ErrProcessDone) {
			s.kill(err)
		}
		return
	}
	// A stopped process does not see the signal before it is continued.
	s.job.wake(s.process)
	if s.cfg.KillTimeout <= 0 || s.cfg.KillSignal == syscall.SIGKILL {
		s.kill(nil)
		return
	}
	s.killTimer, s.killStop = s.cfg.after(s.cfg.KillTimeout)
}

// kill ends the process's whole group. reason is why there was no waiting.
func (s *Supervisor) kill(reason error) {
	s.killTimer = nil
	s.cfg.Notify(Event{Kind: TaskKilled, PID: s.process.PID(), Signal: syscall.SIGKILL, Err: reason})
	// The process may have left its group (a shell that found itself without
	// one); what fails here fails because there is nobody left.
	_ = s.process.SignalGroup(syscall.SIGKILL)
	_ = s.process.Signal(syscall.SIGKILL)
}

// relay handles a signal that this process received.
func (s *Supervisor) relay(sig syscall.Signal) {
	switch {
	case s.state == idle && asksToEnd(sig):
		s.end(Exit{Signal: sig, Err: &InterruptedError{Signal: sig}})
		return
	case s.state == idle && isKeyboardStop(sig):
		platform.StopSelf(sig)
		return
	}
	if s.restarting && asksToEnd(sig) && sig != syscall.SIGHUP {
		s.restarting, s.final = false, true
	}
	if s.state != running {
		s.cfg.Notify(Event{Kind: SignalDropped, Signal: sig})
		return
	}
	s.job.received(s.process, sig)
	err := s.process.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		return
	}
	if asksToEnd(sig) {
		s.job.release(s.process)
	}
	s.cfg.Notify(Event{Kind: TaskSignalled, PID: s.process.PID(), Signal: sig, Err: err})
}

// happened handles news of the process.
func (s *Supervisor) happened(event platform.ProcessEvent) {
	if event.Kind == platform.ProcessStopped {
		s.cfg.Notify(Event{Kind: TaskStopped, PID: s.process.PID(), Signal: event.Signal})
		s.job.stopped(s.process, event.Signal)
		return
	}
	if s.killStop != nil {
		s.killStop()
	}
	s.killTimer, s.killStop, s.events = nil, nil, nil
	s.job.ended(event.Kind == platform.ProcessKilled)
	s.last = Exit{Code: event.Code, Signal: event.Signal}
	s.state = draining
	if s.process.GroupGone() {
		s.drained(true)
		return
	}
	gone := make(chan bool, 1)
	s.groupGone = gone
	go func(p *platform.Process) { gone <- p.WaitGroupGone(groupLimit) }(s.process)
}

// drained goes on once nothing is left of the old process.
func (s *Supervisor) drained(gone bool) {
	s.groupGone = nil
	if !gone {
		s.cfg.Notify(Event{Kind: GroupLeft, PID: s.process.PID()})
	}
	if !s.restarting || s.final {
		s.end(s.last)
		return
	}
	s.cfg.Notify(Event{Kind: TaskRestarting, Exit: s.last})
	_ = s.launch(s.env) // a failure ends the supervisor, with the reason
}

func (s *Supervisor) end(exit Exit) {
	s.state, s.exit = ended, exit
	if s.process != nil {
		s.cfg.Notify(Event{Kind: TaskEnded, Exit: exit})
	}
	close(s.done)
}

// asksToEnd reports whether a signal, sent to a process that does nothing about
// it, is meant to end it in good order.
func asksToEnd(sig syscall.Signal) bool {
	switch sig {
	case syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP:
		return true
	}
	return false
}
