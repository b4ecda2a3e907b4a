package envinject

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// candidates are the files that may be meant by a command, best first, and the
// error to report should none of them be there.
//
// A command with a slash is that file, seen from dir, the task's working
// directory. Any other is searched for in PATH of the task's environment, not
// the caller's, or in defaultPath without one. An entry of PATH that is not
// absolute, the empty one among them, is searched in too, but what is found
// there is refused (ErrRelativePath): which program runs must not depend on
// the directory one happens to stand in.
func candidates(command string, env []string, dir string) ([]string, *StartError) {
	if command == "" {
		return nil, &StartError{Command: command, Err: ErrNotFound, code: codeNotFound, hint: "the command is empty"}
	}
	if hasSlash(command) {
		return withExtensions(command, env), &StartError{
			Command: command, Err: fmt.Errorf("no such file: %w", fs.ErrNotExist), code: codeNotFound,
		}
	}
	path, ok := lookupEnv(env, "PATH")
	if !ok {
		path = defaultPath
	}
	missing := &StartError{Command: command, Err: fmt.Errorf("not found in PATH %s", path), code: codeNotFound}
	var files []string
	for _, entry := range filepath.SplitList(path) {
		if filepath.IsAbs(entry) {
			files = append(files, withExtensions(filepath.Join(entry, command), env)...)
			continue
		}
		if entry == "" {
			entry = "."
		}
		for _, file := range withExtensions(filepath.Join(entry, command), env) {
			if executableFile(inDir(dir, file)) == nil && missing.Path == "" {
				missing.Path, missing.code, missing.Err = file, codeNotExecutable, ErrRelativePath
				missing.hint = fmt.Sprintf("if that is the one you want, write .%c%s", filepath.Separator, file)
			}
		}
	}
	return files, missing
}

func hasSlash(command string) bool {
	return strings.ContainsRune(command, '/') || runtime.GOOS == "windows" && strings.ContainsAny(command, `\:`)
}

// inDir is the file as this process has to name it when the task's working
// directory is dir.
func inDir(dir, file string) string {
	if dir == "" || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(dir, file)
}

// lookupEnv returns the last value of a variable.
func lookupEnv(env []string, name string) (string, bool) {
	windows := runtime.GOOS == "windows"
	for i := len(env) - 1; i >= 0; i-- {
		if entryKey(env[i], windows) == name && len(env[i]) > len(name) {
			return env[i][len(name)+1:], true
		}
	}
	return "", false
}

// executableFile says why a file cannot be executed by anybody. Whether the
// task's own user may execute it shows only when it is tried.
func executableFile(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return errIsDirectory
	}
	return refuseFile(file, info)
}
