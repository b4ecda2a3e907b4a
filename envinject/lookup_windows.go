package envinject

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
)

// defaultPath is where a command is searched for when the task has no PATH.
const defaultPath = `C:\Windows\System32;C:\Windows`

var (
	errIsDirectory = errors.New("is a directory")
	errBatch       = errors.New("a batch file is no program")
)

// withExtensions lists the files that a command may be, which is usually given
// without the extension of programs. A batch file is none (refuseFile): it
// would be run by cmd.exe, which reads its arguments by rules of its own that
// no quoting survives.
func withExtensions(file string, env []string) []string {
	list, ok := lookupEnv(env, "PATHEXT")
	if !ok {
		list = ".COM;.EXE"
	}
	var files []string
	if filepath.Ext(file) != "" {
		files = append(files, file)
	}
	for ext := range strings.SplitSeq(strings.ToLower(list), ";") {
		if ext != "" {
			files = append(files, file+ext)
		}
	}
	return files
}

func refuseFile(file string, _ fs.FileInfo) error {
	ext := strings.ToLower(filepath.Ext(strings.TrimRight(file, " .")))
	if ext == ".bat" || ext == ".cmd" {
		return errBatch
	}
	return nil
}

func explain(file string, err error) (code int, hint string, reason error) {
	switch {
	case err == errBatch:
		return codeNotExecutable, "run it with: cmd.exe /c " + file, err
	case err == errIsDirectory, errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.Errno(193)):
		return codeNotExecutable, "", err // 193: ERROR_BAD_EXE_FORMAT
	}
	return codeFailed, "", err
}
