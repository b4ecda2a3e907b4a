//go:build unix

package envinject

import (
	"fmt"
	"os"

	"github.com/taskagent/taskagent/platform"
)

// mayBecome says why a task cannot be started as a user: only root can change
// the user, or the groups, of a process.
func mayBecome(c *platform.Credential) error {
	if c == nil || os.Geteuid() == 0 {
		return nil
	}
	return fmt.Errorf("run as uid %d, gid %d: only root can, taskagent runs as uid %d: %w", c.UID, c.GID, os.Geteuid(), os.ErrPermission)
}
