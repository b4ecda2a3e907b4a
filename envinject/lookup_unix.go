//go:build unix

package envinject

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// defaultPath is where a command is searched for when the task has no PATH.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

var errIsDirectory error = syscall.EISDIR

func withExtensions(file string, _ []string) []string { return []string{file} }

func refuseFile(_ string, info fs.FileInfo) error {
	if info.Mode()&0o111 == 0 {
		return syscall.EACCES
	}
	return nil
}

// explain turns the errno of an execution into words and an exit status.
func explain(file string, err error) (code int, hint string, reason error) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// The file was there a moment ago, so what is missing is what it
		// needs. A shell says 126 or 127, by brand; the file was found, so 126.
		if interpreter := interpreterOf(file); interpreter != "" {
			return codeNotExecutable, "", fmt.Errorf("its interpreter %q is missing: %w", interpreter, err)
		}
		return codeNotExecutable, "it was built for another system or another C library",
			fmt.Errorf("the program loader that it names is missing: %w", err)
	case errors.Is(err, syscall.ENOEXEC):
		return codeNotExecutable, "a script needs a first line like #!/bin/sh, a binary must be one of this machine's kind", err
	case errors.Is(err, syscall.EACCES):
		return codeNotExecutable, "the task's user needs the right to execute it and to enter its directories; a file system mounted noexec refuses too", err
	case err == errIsDirectory, errors.Is(err, syscall.ETXTBSY), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP),
		errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.E2BIG):
		return codeNotExecutable, "", err
	}
	return codeFailed, "", err
}

// interpreterOf reads the program named by the #! line of a script, or "".
func interpreterOf(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	var buf [256]byte
	n, _ := f.Read(buf[:])
	line, ok := bytes.CutPrefix(buf[:n], []byte("#!"))
	if !ok {
		return ""
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	fields := strings.Fields(string(line))
	if len(fields) == 0 {
		return ""
	}
	return fields[0]
}
