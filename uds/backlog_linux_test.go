package uds_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/taskagent/taskagent/uds"
)

// busy listens at path with a backlog of one that is full, and returns the
// listening descriptor.
func busy(t *testing.T, path string) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for {
		c, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { syscall.Close(c) })
		err = syscall.Connect(c, &syscall.SockaddrUnix{Name: path})
		if errors.Is(err, syscall.EAGAIN) {
			return fd
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A listener that is stopped or slow is not dead.
func TestBusySocketIsKept(t *testing.T) {
	path := filepath.Join(tempDir(t), "s")
	busy(t, path)
	if state, err := uds.Probe(path); state != uds.Live || err != nil {
		t.Errorf("probe: %v, %v", state, err)
	}
	before, _ := os.Lstat(path)
	_, err := uds.Listen(path, mine(""))
	wantError(t, err, `socket "`+path+`" is in use by another process`, uds.ErrInUse)
	if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("it was replaced: %v", err)
	}
}

func TestDialWaitsForBusyListener(t *testing.T) {
	path := filepath.Join(tempDir(t), "s")
	fd := busy(t, path)
	dialed := make(chan error)
	go func() {
		conn, err := uds.Dial(context.Background(), path)
		if err == nil {
			conn.Close()
		}
		dialed <- err
	}()
	select {
	case err := <-dialed:
		t.Fatalf("dial did not wait: %v", err)
	default:
	}
	c, _, err := syscall.Accept(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(c)
	if err := <-dialed; err != nil {
		t.Error(err)
	}
}

func TestDialBusyListenerEnds(t *testing.T) {
	path := filepath.Join(tempDir(t), "s")
	busy(t, path)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3_000_000_000)
		defer cancel()
		_, err := uds.Dial(ctx, path)
		wantError(t, err, `connect to socket "`+path+`": its listener does not accept: context deadline exceeded`, context.DeadlineExceeded)
	})
}

// A socket for datagrams is somebody's too.
func TestDatagramSocketIsKept(t *testing.T) {
	path := filepath.Join(tempDir(t), "s")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	_, err = uds.Listen(path, mine(""))
	wantError(t, err, `socket "`+path+`" is in use by another process`, uds.ErrInUse)
}
