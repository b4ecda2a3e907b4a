package envinject

import (
	"errors"
	"fmt"

	"github.com/taskagent/taskagent/platform"
)

func mayBecome(c *platform.Credential) error {
	if c == nil {
		return nil
	}
	return fmt.Errorf("run as another user: Windows has no numeric users: %w", errors.ErrUnsupported)
}
