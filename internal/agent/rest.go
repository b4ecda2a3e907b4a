package agent

import (
	"time"

	"github.com/taskagent/taskagent/platform"
)

// restAfter is when a task that still runs is taken for one that runs on.
const restAfter = time.Second

// rest makes the agent of a task that runs on small, and returns what calls that
// off. Most of what an agent has in memory it needed for the start: Go
// initialises all packages of the program, those of the leader included, and
// the pages of the file in which they lie stay. A short task is not held up.
//
// There is nothing else to tune: an agent's heap stays below the four megabytes
// from which Go collects garbage, and a collection here would have the runtime
// make another every two minutes for ever.
func (s *session) rest() (stop func()) {
	t := time.AfterFunc(restAfter, func() {
		if err := platform.ReleaseImage(); err != nil {
			s.c.Logger.Debug("not made smaller", "error", err)
		}
	})
	return func() { t.Stop() }
}
