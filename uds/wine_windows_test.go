package uds_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/windows"

	"github.com/taskagent/taskagent/platform"
	"github.com/taskagent/taskagent/uds"
)

func underWine() bool {
	return windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil
}

// Where there are no Unix sockets every call says so, before it does anything.
func TestNoSockets(t *testing.T) {
	missing := platform.AFUnix()
	if missing == nil {
		t.Skip("this Windows has Unix sockets")
	}
	dir := tempDir(t)
	path := filepath.Join(dir, "api.sock")
	_, err := uds.Listen(path, mine(""))
	wantError(t, err, fmt.Sprintf("listen on socket %q: %v", path, missing), errors.ErrUnsupported)
	_, err = uds.Dial(t.Context(), path)
	wantError(t, err, fmt.Sprintf("connect to socket %q: %v", path, missing), errors.ErrUnsupported)
	wantNames(t, dir)
	if state, err := uds.Probe(path); state != uds.Absent || err != nil {
		t.Errorf("probe: %v, %v", state, err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if state, err := uds.Probe(path); state != uds.NotSocket || err != nil {
		t.Errorf("probe: %v, %v", state, err)
	}
}
