//go:build unix

package filewatch_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/taskagent/taskagent/internal/filewatch"
)

// TestReadFIFO: whoever can write the directory cannot make the reader hang.
func TestReadFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	must(t, syscall.Mkfifo(path, 0o600))
	if _, err := filewatch.Read(path, filewatch.Options{}); err == nil || !strings.HasSuffix(err.Error(), "it is not a regular file") {
		t.Errorf("got %v", err)
	}
}
