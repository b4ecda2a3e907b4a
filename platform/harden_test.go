package platform_test

import (
	"errors"
	"testing"

	"github.com/taskagent/taskagent/platform"
)

func TestStartUnhardenedCallsOnce(t *testing.T) {
	calls := 0
	want := errors.New("it did not start")
	err := platform.StartUnhardened(func() error { calls++; return want })
	if calls != 1 || !errors.Is(err, want) {
		t.Errorf("%d calls, %v", calls, err)
	}
}
