package leader_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/taskagent/taskagent/internal/leader/client"
	"github.com/taskagent/taskagent/internal/leader/datadir"
	"github.com/taskagent/taskagent/internal/wire"
)

// Whoever serves the sockets of a directory has to be its owner or root:
// everything an agent sends is worth stealing.
func TestImpostor(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to listen as somebody else")
	}
	dir := testDir(t)
	if err := datadir.Ensure(dir); err != nil {
		t.Fatal(err)
	}
	listening := make(chan net.Listener)
	go func() {
		// The kernel remembers who listens: this thread, which is 4242 until it ends
		// with the goroutine. Root's capabilities stay for the bind.
		runtime.LockOSThread()
		ln, err := net.Listen("unix", filepath.Join(dir, wire.LeaderSocket))
		if err == nil {
			var raw syscall.RawConn
			if raw, err = ln.(*net.UnixListener).SyscallConn(); err == nil {
				_, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, ^uintptr(0), 4242, ^uintptr(0))
				if errno != 0 {
					err = errno
				} else if cerr := raw.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 16) }); cerr != nil {
					err = cerr
				}
			}
		}
		if err != nil {
			t.Error(err)
		}
		listening <- ln
	}()
	ln := <-listening
	if t.Failed() {
		return
	}
	defer ln.Close()
	_, _, err := client.Start(within(t, time.Minute), client.Options{DataDir: dir, Start: true}, task("t"))
	if !errors.Is(err, client.ErrImpostor) || !strings.HasSuffix(err.Error(), "somebody else answers in place of the leader: uid 4242, the directory's owner is uid 0") {
		t.Fatalf("got %v", err)
	}
	if err := os.Chown(dir, 4242, -1); err != nil {
		t.Fatal(err)
	}
	conn, err := client.Dial(within(t, time.Minute), dir)
	if err != nil {
		t.Fatalf("the owner: %v", err)
	}
	conn.Close()
}
