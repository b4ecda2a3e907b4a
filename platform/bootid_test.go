package platform_test

import (
	"errors"
	"testing"

	"github.com/taskagent/taskagent/platform"
)

func TestBootID(t *testing.T) {
	id, err := platform.BootID()
	if onWindows {
		checkError(t, err, "", errors.ErrUnsupported)
		return
	}
	if err != nil || len(id) < 8 {
		t.Fatalf("%q, %v", id, err)
	}
	if again, err := platform.BootID(); again != id || err != nil {
		t.Errorf("%q, %v; before it was %q", again, err, id)
	}
}
