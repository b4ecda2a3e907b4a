package uds

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
)

// MaxPath is how many bytes of path the kernel's socket address holds beside
// its closing NUL: 107 on Linux and Windows, 103 on macOS and the BSDs.
// [Listen] serves and [Dial] reaches longer ones; others may not.
const MaxPath = len(syscall.RawSockaddrUnix{}.Path) - 1

// tooLong says what the kernel would call an invalid argument.
func tooLong(path string) error {
	return fmt.Errorf("%w: %q has %d bytes, at most %d fit", ErrPathTooLong, path, len(path), MaxPath)
}

// cleanPath makes path absolute. That also keeps package net from reading a
// leading @ as the name of an abstract socket, which has no permissions.
func cleanPath(path string) (string, error) {
	if path == "" {
		return "", errors.New("socket path is empty")
	}
	// The kernel would stop at the NUL and use another file.
	if strings.ContainsRune(path, 0) {
		return "", fmt.Errorf("socket path %q contains a NUL", path)
	}
	if strings.HasSuffix(path, "/") || strings.HasSuffix(path, string(filepath.Separator)) {
		return "", fmt.Errorf("socket path %q names a directory", path)
	}
	return filepath.Abs(path)
}
