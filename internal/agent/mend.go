package agent

import (
	"fmt"

	"github.com/taskagent/taskagent/identity"
)

// mend puts back what somebody took away while the task runs: a directory that
// was removed or replaced, which is checked as at the start, and the socket. It
// returns the directories that are new, in which nothing is published yet.
//
// It is called when something is to be published anyway: an agent that has
// nothing to do does not look.
func (s *session) mend() (map[identity.Dir]bool, error) {
	fresh := map[identity.Dir]bool{}
	for kind, p := range s.dirs.places {
		if p.dir == nil || p.inPlace() {
			continue
		}
		old := p.dir
		if err := p.openDir(); err != nil {
			return fresh, fmt.Errorf("the directory %s was removed or replaced, and cannot be used: %w", p.path, err)
		}
		_ = old.Close()
		fresh[kind] = true
		s.c.Logger.Warn("a directory of the task was removed or replaced; its tokens are published again", "directory", p.path)
	}
	if s.door == nil || s.door.socket.InPlace() && !fresh[identity.DirSecrets] {
		return fresh, nil
	}
	if err := s.door.reopen(s.c, s.dirs.secrets()); err != nil {
		return fresh, err
	}
	s.c.Logger.Warn("the task's socket was removed or replaced; it is served again", "socket", s.door.path())
	return fresh, nil
}
