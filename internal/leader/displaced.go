package leader

import (
	"errors"
	"fmt"

	"github.com/taskagent/taskagent/internal/fault"
)

// errDisplaced is what the reason of a leader matches that nobody can find any
// more: its data directory or a socket in it was removed or replaced.
var errDisplaced = errors.New("was removed or replaced while this leader led")

// displaced reports why this leader must end though nobody asked it to. The
// next one leads a directory of its own by then, or cannot lead this one as
// long as we hold its lock; and what we write by name would end up in its files.
func (l *Leader) displaced() error {
	if !l.lock.InPlace() {
		return fmt.Errorf("data directory %s %w", l.cfg.DataDir, errDisplaced)
	}
	for _, s := range l.doors.sockets {
		if !s.InPlace() {
			return fault.Hint(fmt.Errorf("socket %s %w", s.Path(), errDisplaced),
				"the next agent starts another leader, and no task notices; keep what cleans up old files away from the data directory")
		}
	}
	return nil
}
