package agent

import (
	"errors"
	"maps"
	"slices"

	"github.com/taskagent/taskagent/envinject"
	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/platform"
)

// changed acts on renewed tokens: all are published first, then the task is
// told once. A restart makes signals pointless; two identities that ask for
// the same signal cause one. It returns what is published now: what could not be
// is missing or the token before, whose file is still whole.
//
// A directory that was replaced meanwhile gets all of its tokens again.
func (s *session) changed(old, now map[string]identity.Token) map[string]identity.Token {
	published := maps.Clone(old)
	fresh, err := s.mend()
	if err != nil {
		s.c.Logger.Error("renewed tokens could not be published", "error", err)
		// What did become a new directory has nothing in it yet.
		maps.DeleteFunc(published, func(name string, _ identity.Token) bool {
			kind, _ := s.specs[name].Location()
			return fresh[kind]
		})
		return published
	}
	restart := false
	var signals []string
	for _, name := range slices.Sorted(maps.Keys(now)) {
		spec := s.specs[name]
		renewed := now[name] != old[name]
		if kind, _ := spec.Location(); !renewed && !fresh[kind] {
			continue
		}
		if err := s.dirs.publish(spec, now[name]); err != nil {
			s.c.Logger.Error("the renewed token could not be published", "identity", name, "error", err)
			delete(published, name)
			continue
		}
		published[name] = now[name]
		if !renewed {
			continue
		}
		s.c.Logger.Debug("renewed", "identity", name, "expires", now[name].Expiry())
		switch spec.ChangeMode {
		case identity.ChangeRestart:
			restart = true
		case identity.ChangeSignal:
			if !slices.Contains(signals, spec.ChangeSignal) {
				signals = append(signals, spec.ChangeSignal)
			}
		}
	}
	if s.sup == nil {
		return published
	}
	if restart {
		s.quiet("restart the task", s.sup.Restart(s.environ()))
		return published
	}
	for _, name := range signals {
		sig, err := platform.ParseSignal(name)
		if err == nil {
			err = s.sup.Signal(sig)
		}
		s.quiet("signal the task", err)
	}
	return published
}

// quiet warns about err, unless it only says that the task has just ended.
func (s *session) quiet(what string, err error) {
	if err != nil && !errors.Is(err, envinject.ErrEnded) {
		s.c.Logger.Warn(what, "error", err)
	}
}
