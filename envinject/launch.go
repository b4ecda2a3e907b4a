package envinject

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/taskagent/taskagent/platform"
)

// launch finds the command and starts it. What the command is to blame for has
// the exit status of a shell, whatever else goes wrong that of taskagent.
func launch(cfg *Config, env []string, terminal *platform.Terminal) (*platform.Process, error) {
	command := cfg.Command[0]
	failed := func(hint, format string, args ...any) error {
		return &StartError{Command: command, Err: fmt.Errorf(format, args...), code: codeFailed, hint: hint}
	}
	for _, entry := range env {
		if name, _, _ := strings.Cut(entry, "="); strings.ContainsRune(entry, 0) {
			return nil, failed("", "the variable %q of its environment has a NUL byte in it", strings.ToValidUTF8(name, "?"))
		}
	}
	if slices.ContainsFunc(cfg.Command, func(arg string) bool { return strings.ContainsRune(arg, 0) }) {
		return nil, failed("", "an argument has a NUL byte in it")
	}
	if cfg.Dir != "" {
		if info, err := os.Stat(cfg.Dir); err != nil {
			return nil, failed("", "working directory: %w", err)
		} else if !info.IsDir() {
			return nil, failed("", "working directory: %s is not a directory", cfg.Dir)
		}
	}
	if err := mayBecome(cfg.User); err != nil {
		return nil, failed("start taskagent as root, or leave the task's user out", "%w", err)
	}

	files, missing := candidates(command, env, cfg.Dir)
	for _, file := range files {
		process, err := try(cfg, file, env, terminal)
		if err == nil {
			return process, nil
		}
		searching := !hasSlash(command)
		if absent(err) || (searching && err == errIsDirectory) {
			continue
		}
		code, hint, reason := explain(inDir(cfg.Dir, file), err)
		refused := &StartError{Command: command, Path: file, Err: reason, code: code, hint: hint}
		if !searching || !errors.Is(err, fs.ErrPermission) {
			return nil, refused
		}
		// As a shell does: look on, and name this one if there is no better.
		if missing.Path == "" {
			missing = refused
		}
	}
	return nil, missing
}

// errGone says that the file of a command is not there; an execution can fail
// with the same errno because of what the file needs.
type errGone struct{ error }

func absent(err error) bool {
	_, ok := err.(errGone)
	return ok
}

func try(cfg *Config, file string, env []string, terminal *platform.Terminal) (*platform.Process, error) {
	switch err := executableFile(inDir(cfg.Dir, file)); {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil, errGone{err}
	case errors.Is(err, fs.ErrPermission) && !isErrno(err):
		// We cannot look at it; the task's user may be able to execute it.
	default:
		return nil, err
	}
	return platform.StartProcess(platform.ProcessSpec{
		Path:       file,
		Args:       cfg.Command,
		Env:        env,
		Dir:        cfg.Dir,
		Credential: cfg.User,
		Terminal:   terminal,
		KillGroup:  true,
	})
}

// isErrno tells our own verdict on a file's mode, a bare errno, from a file
// that could not be looked at.
func isErrno(err error) bool {
	_, ok := err.(syscall.Errno)
	return ok
}
