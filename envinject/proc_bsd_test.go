//go:build unix && !linux

package envinject_test

import (
	"syscall"
	"testing"
)

// livingInGroup lists the members of a process group, as far as is known here.
func livingInGroup(t *testing.T, pgid int) []int {
	t.Helper()
	if syscall.Kill(-pgid, 0) == syscall.ESRCH {
		return nil
	}
	return []int{pgid}
}
