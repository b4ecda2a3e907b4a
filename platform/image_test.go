package platform_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/taskagent/taskagent/platform"
)

// TestReleaseImage gives back this test's own program while it runs.
func TestReleaseImage(t *testing.T) {
	before := fileResident(t)
	if err := platform.ReleaseImage(); err != nil {
		t.Fatal(err)
	}
	after := fileResident(t)
	if before > 0 && after >= before {
		t.Errorf("%d kB of files were resident, now %d", before, after)
	}
	t.Logf("%d kB of files were resident, now %d", before, after)
}

// fileResident returns how much of files is resident, in kB; 0 where the system
// does not say.
func fileResident(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, ok := strings.Cut(string(status), "\nRssFile:")
	if !ok {
		return 0
	}
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kb
}
