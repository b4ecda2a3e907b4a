package platform_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/taskagent/taskagent/platform"
)

// lockHelper names the file that a test binary started by holdLock locks.
const lockHelper = "PLATFORM_TEST_LOCK"

// TestLockHelper is no test: it is what holdLock's process runs.
func TestLockHelper(t *testing.T) {
	path := os.Getenv(lockHelper)
	if path == "" {
		t.Skip("runs in a process of its own")
	}
	lock, err := platform.TryLockFile(path)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Fprint(lock.File(), "held")
	fmt.Println("locked")
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// holdLock starts a process that holds the lock at path until it is killed.
func holdLock(t *testing.T, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestLockHelper$")
	cmd.Env = append(os.Environ(), lockHelper+"="+path)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	said := make([]byte, 100)
	n, err := out.Read(said)
	if err != nil || string(bytes.TrimSpace(said[:n])) != "locked" {
		t.Fatalf("the helper said %q, %v", said[:n], err)
	}
	return cmd
}

func TestLockFile(t *testing.T) {
	path := filepath.Join(worldDir(t), "lock")
	lock, err := platform.LockFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || (info.Mode() != 0o600 && !onWindows) {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	// Others read what the holder writes.
	if _, err := lock.File().WriteString("pid 1"); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(path); string(got) != "pid 1" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	_, err = platform.TryLockFile(path)
	checkError(t, err, fmt.Sprintf("lock %q: held by another process", path), platform.ErrLocked)

	if err := errors.Join(lock.Unlock(), lock.Unlock()); err != nil {
		t.Error(err)
	}
	again, err := platform.TryLockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Unlock()
	if got, err := io.ReadAll(again.File()); string(got) != "pid 1" || err != nil {
		t.Errorf("the next holder reads %q, %v", got, err)
	}
}

// A holder can tell when the file is not the one that others lock any more.
func TestLockInPlace(t *testing.T) {
	dir := worldDir(t)
	path := filepath.Join(dir, "lock")
	lock, err := platform.TryLockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	if !lock.InPlace() {
		t.Error("it says it was replaced")
	}
	if err := os.Rename(path, path+".old"); err != nil {
		t.Skip(err) // Windows keeps what is open
	}
	if lock.InPlace() {
		t.Error("removed: it says it is in place")
	}
	other, err := platform.TryLockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Unlock()
	if lock.InPlace() || !other.InPlace() {
		t.Error("replaced: it says it is in place, or the other is not")
	}
}

// The kernel lets go for a process that cannot.
func TestLockOfKilledProcess(t *testing.T) {
	path := filepath.Join(worldDir(t), "lock")
	holder := holdLock(t, path)
	if _, err := platform.TryLockFile(path); !errors.Is(err, platform.ErrLocked) {
		t.Errorf("while it is held: %v", err)
	}
	if got, err := os.ReadFile(path); string(got) != "held" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	type result struct {
		lock *platform.Lock
		err  error
	}
	got := make(chan result)
	go func() {
		lock, err := platform.LockFile(t.Context(), path)
		got <- result{lock, err}
	}()
	select {
	case r := <-got:
		t.Fatalf("did not wait: %v", r.err)
	default:
	}
	holder.Process.Kill()
	holder.Wait()
	r := <-got
	if r.err != nil {
		t.Fatal(r.err)
	}
	r.lock.Unlock()
}

func TestLockWaitEnds(t *testing.T) {
	path := filepath.Join(worldDir(t), "lock")
	held, err := platform.TryLockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	waited := make(chan error)
	go func() {
		_, err := platform.LockFile(ctx, path)
		waited <- err
	}()
	why := errors.New("no longer wanted")
	cancel(why)
	checkError(t, <-waited, fmt.Sprintf("wait for lock %q: no longer wanted", path), why)

	// Who gave up does not keep it from the next.
	held.Unlock()
	next, err := platform.LockFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	next.Unlock()
}

// When the directory was removed and made anew, both would hold "the" lock.
func TestLockFollowsThePath(t *testing.T) {
	if onWindows {
		t.Skip("a file that is open cannot be removed on Windows")
	}
	path := filepath.Join(worldDir(t), "lock")
	old, err := platform.TryLockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Unlock()
	got := make(chan *platform.Lock)
	go func() {
		lock, err := platform.LockFile(t.Context(), path)
		if err != nil {
			t.Error(err)
		}
		got <- lock
	}()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, "new")
	old.Unlock()
	lock := <-got
	if lock == nil {
		return
	}
	defer lock.Unlock()
	if b, err := io.ReadAll(lock.File()); string(b) != "new" || err != nil {
		t.Errorf("locked a file with %q, %v", b, err)
	}
	if _, err := platform.TryLockFile(path); !errors.Is(err, platform.ErrLocked) {
		t.Errorf("the file at the path is not locked: %v", err)
	}
}

func TestLockErrors(t *testing.T) {
	dir := worldDir(t)
	missing := filepath.Join(dir, "missing", "lock")
	_, err := platform.TryLockFile(missing)
	checkError(t, err, fmt.Sprintf("open lock %q: no such file or directory", missing), fs.ErrNotExist)
	_, err = platform.LockFile(t.Context(), missing)
	checkError(t, err, fmt.Sprintf("open lock %q: no such file or directory", missing), fs.ErrNotExist)
	_, err = platform.TryLockFile(dir)
	checkError(t, err, fmt.Sprintf("open lock %q: is a directory", dir), nil)
	link := filepath.Join(dir, "link")
	if onWindows || os.Symlink("target", link) != nil {
		return
	}
	_, err = platform.TryLockFile(link)
	checkError(t, err, fmt.Sprintf("open lock %q: too many levels of symbolic links", link), nil)
	if got := dirNames(t, dir); len(got) != 1 {
		t.Errorf("the symlink was followed: %q", got)
	}
}

func TestTryLockDir(t *testing.T) {
	dir := worldDir(t)
	open := func() *os.File {
		f, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	first, second := open(), open()
	err := platform.TryLockDir(first)
	if onWindows {
		checkError(t, err, "", errors.ErrUnsupported)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	checkError(t, platform.TryLockDir(second), fmt.Sprintf("lock directory %q: held by another process", dir), platform.ErrLocked)
	first.Close()
	if err := platform.TryLockDir(second); err != nil {
		t.Error(err)
	}
}
