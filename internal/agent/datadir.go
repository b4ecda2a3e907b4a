package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/taskagent/taskagent/internal/fault"
)

// DataDir returns the embedded leader's data directory: the one given, made
// absolute, or the default of this user. env is the caller's environment.
func DataDir(given string, env map[string]string) (string, error) {
	if given != "" {
		dir, err := filepath.Abs(given)
		if err != nil {
			return "", fmt.Errorf("find the data directory %q: %w", given, err)
		}
		return dir, nil
	}
	switch {
	case runtime.GOOS == "windows":
		if base := env["LOCALAPPDATA"]; base != "" {
			return filepath.Join(base, "taskagent"), nil
		}
	case os.Geteuid() == 0:
		return "/var/lib/taskagent", nil
	case filepath.IsAbs(env["XDG_DATA_HOME"]):
		return filepath.Join(env["XDG_DATA_HOME"], "taskagent"), nil
	case filepath.IsAbs(env["HOME"]):
		return filepath.Join(env["HOME"], ".local", "share", "taskagent"), nil
	}
	return "", fault.Hint(errors.New("find the data directory: neither a home directory nor XDG_DATA_HOME is set"),
		"name one with -data-dir")
}
