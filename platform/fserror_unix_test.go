//go:build unix

package platform_test

import (
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/taskagent/taskagent/platform"
)

func TestFileSystemErrors(t *testing.T) {
	for _, tt := range []struct {
		err            error
		full, readOnly bool
	}{
		{nil, false, false},
		{syscall.EIO, false, false},
		{fmt.Errorf("write: %w", &os.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}), true, false},
		{syscall.EDQUOT, true, false},
		{&os.PathError{Op: "open", Path: "/x", Err: syscall.EROFS}, false, true},
	} {
		if platform.IsNoSpace(tt.err) != tt.full || platform.IsReadOnlyFS(tt.err) != tt.readOnly {
			t.Errorf("%v: full %v, read-only %v", tt.err, platform.IsNoSpace(tt.err), platform.IsReadOnlyFS(tt.err))
		}
	}
}
