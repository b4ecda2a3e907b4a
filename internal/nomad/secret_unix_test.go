//go:build unix

package nomad_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/taskagent/taskagent/internal/nomad"
)

// TestSecretOfOthers refuses a secret that is none.
func TestSecretOfOthers(t *testing.T) {
	path := secretFile(t, zeroSecret)
	for mode, want := range map[os.FileMode]string{
		0o640: "others than its owner may use it (mode 0640); it should be 0600",
		0o604: "others than its owner may use it (mode 0604); it should be 0600",
		0o620: "others than its owner may use it (mode 0620); it should be 0600",
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := nomad.ReadSecret(path)
		if err == nil || err.Error() != `read the node's secret from "`+path+`": `+want {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := nomad.ReadSecret(fifo); err == nil || err.Error() != `read the node's secret from "`+fifo+`": it is not a regular file` {
		t.Errorf("FIFO: %v", err)
	}
	if os.Getuid() != 0 {
		t.Skip("only root can give a file away")
	}
	if err := os.Chown(path, 1234, 1234); err != nil {
		t.Fatal(err)
	}
	_, err := nomad.ReadSecret(path)
	if err == nil || err.Error() != `read the node's secret from "`+path+`": it belongs to uid 1234, neither us nor root` {
		t.Errorf("somebody else's: %v", err)
	}
}
