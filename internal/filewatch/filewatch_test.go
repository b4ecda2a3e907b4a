package filewatch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taskagent/taskagent/internal/filewatch"
)

// patience is how long a change may take to be noticed before a test gives up.
// Nothing waits that long unless it fails.
const patience = 20 * time.Second

// complete takes contents that end with a full stop, so that a test can write half of one.
func complete(data []byte) bool { return bytes.HasSuffix(data, []byte(".")) }

// follow returns what Watch hands on for one file. The poll is out of the way.
func follow(t *testing.T, path string, poll time.Duration) <-chan string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	got, done := make(chan string, 100), make(chan struct{})
	go func() {
		defer close(done)
		err := filewatch.Watch(ctx, []string{path}, filewatch.Options{Valid: complete, Poll: poll}, func(name string, data []byte) {
			if name != path {
				t.Errorf("changed %q, watching %q", name, path)
			}
			got <- string(data)
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Watch: %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return got
}

func want(t *testing.T, got <-chan string, content string) {
	t.Helper()
	select {
	case s := <-got:
		if s != content {
			t.Fatalf("got %q, want %q", s, content)
		}
	case <-time.After(patience):
		t.Fatalf("%q was not noticed", content)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func replace(t *testing.T, path, content string) {
	t.Helper()
	temp := filepath.Join(filepath.Dir(path), "temp")
	write(t, temp, content)
	if err := os.Rename(temp, path); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWatchFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "token")
	write(t, path, "one.")
	got := follow(t, path, time.Hour)
	want(t, got, "one.")

	replace(t, path, "two.")
	want(t, got, "two.")

	write(t, path, "three.") // in place
	want(t, got, "three.")

	replace(t, path, "three.")                         // the same once more is no change,
	write(t, filepath.Join(dir, "other"), "not ours.") // nor is a neighbour
	must(t, os.Remove(path))                           // nor is going away
	write(t, path, "four.")
	want(t, got, "four.")
}

// TestWatchHalfWritten: a writer that stops in the middle is waited for.
func TestWatchHalfWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	write(t, path, "old.")
	got := follow(t, path, time.Hour)
	want(t, got, "old.")
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	must(t, err)
	for _, part := range []string{"a", "ne", "w on", "e."} {
		_, err := f.WriteString(part)
		must(t, err)
		time.Sleep(20 * time.Millisecond) // lets the watcher see the half; it must not take it
	}
	must(t, f.Close())
	want(t, got, "anew one.")
}

func TestWatchDirectoryComesLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "token")
	got := follow(t, path, time.Hour)
	must(t, os.Mkdir(filepath.Dir(filepath.Dir(path)), 0o700))
	must(t, os.Mkdir(filepath.Dir(path), 0o700))
	write(t, path, "one.")
	want(t, got, "one.")
}

// TestWatchDirectoryAgain removes the directory and makes it again, at times
// while somebody holds it open: it then lives on without a name, and the system
// does not call it gone. Or it is moved away.
func TestWatchDirectoryAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	path := filepath.Join(dir, "token")
	must(t, os.Mkdir(dir, 0o700))
	write(t, path, "first.")
	got := follow(t, path, time.Hour)
	want(t, got, "first.")
	for i := range 30 {
		held, err := os.Open(dir)
		must(t, err)
		if i%3 != 0 {
			held.Close()
		}
		if i%3 == 2 {
			must(t, os.Rename(dir, fmt.Sprint(dir, ".", i)))
		} else {
			must(t, os.RemoveAll(dir))
		}
		must(t, os.Mkdir(dir, 0o700))
		content := fmt.Sprint(i, ".")
		write(t, path, content)
		want(t, got, content)
		held.Close()
	}
}

// TestWatchVolume swaps a symlink as Kubernetes does it for its volumes.
func TestWatchVolume(t *testing.T) {
	dir := t.TempDir()
	publish := func(version, content string) {
		must(t, os.Mkdir(filepath.Join(dir, version), 0o700))
		write(t, filepath.Join(dir, version, "token"), content)
		symlink(t, version, filepath.Join(dir, "..tmp"))
		must(t, os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")))
	}
	publish("..1", "one.")
	symlink(t, filepath.Join("..data", "token"), filepath.Join(dir, "token"))
	got := follow(t, filepath.Join(dir, "token"), time.Hour)
	want(t, got, "one.")
	publish("..2", "two.")
	must(t, os.RemoveAll(filepath.Join(dir, "..1")))
	want(t, got, "two.")
	write(t, filepath.Join(dir, "..2", "token"), "three.")
	want(t, got, "three.")
}

// TestWatchDirectorySymlink swaps the directory itself, as deployments do.
func TestWatchDirectorySymlink(t *testing.T) {
	top := t.TempDir()
	for _, v := range []string{"one", "two"} {
		must(t, os.Mkdir(filepath.Join(top, v), 0o700))
		write(t, filepath.Join(top, v, "token"), v+".")
	}
	symlink(t, "one", filepath.Join(top, "current"))
	got := follow(t, filepath.Join(top, "current", "token"), time.Hour)
	want(t, got, "one.")
	symlink(t, "two", filepath.Join(top, "next"))
	must(t, os.Rename(filepath.Join(top, "next"), filepath.Join(top, "current")))
	want(t, got, "two.")
}

// TestWatchPoll changes what no notification tells of: a symlink on the way,
// far from the file's own directory.
func TestWatchPoll(t *testing.T) {
	top := t.TempDir()
	for _, v := range []string{"one", "two"} {
		must(t, os.MkdirAll(filepath.Join(top, "far", v), 0o700))
		write(t, filepath.Join(top, "far", v, "token"), v+".")
	}
	must(t, os.Mkdir(filepath.Join(top, "near"), 0o700))
	symlink(t, "one", filepath.Join(top, "far", "current"))
	symlink(t, filepath.Join(top, "far", "current", "token"), filepath.Join(top, "near", "token"))
	got := follow(t, filepath.Join(top, "near", "token"), 20*time.Millisecond)
	want(t, got, "one.")
	must(t, os.Remove(filepath.Join(top, "far", "current")))
	symlink(t, "two", filepath.Join(top, "far", "current"))
	want(t, got, "two.")
}

func symlink(t *testing.T, target, name string) {
	t.Helper()
	if err := os.Symlink(target, name); err != nil {
		t.Skipf("no symlinks for this user: %v", err) // Windows without developer mode
	}
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	write(t, path, "one.")
	data, err := filewatch.Read(path, filewatch.Options{Valid: complete})
	if err != nil || string(data) != "one." {
		t.Errorf("got %q, %v", data, err)
	}
	must(t, os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour))) // a clock that was put back
	data, err = filewatch.Read(path, filewatch.Options{Valid: complete})
	if err != nil || string(data) != "one." {
		t.Errorf("with a time to come: got %q, %v", data, err)
	}
}

func TestReadErrors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "token")
	check := func(name, p string, is error, suffix string) {
		t.Helper()
		_, err := filewatch.Read(p, filewatch.Options{Valid: complete, Settle: time.Millisecond})
		if err == nil || is != nil && !errors.Is(err, is) || !strings.HasSuffix(err.Error(), suffix) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	check("missing", path, fs.ErrNotExist, "")
	check("directory", dir, nil, ": it is not a regular file")
	write(t, path, "")
	check("empty", path, filewatch.ErrNotValid, `token": it is empty or incomplete`)
	write(t, path, "half")
	check("half", path, filewatch.ErrNotValid, `token": it is empty or incomplete`)
	must(t, os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour)))
	check("half for long", path, filewatch.ErrNotValid, `token": it is empty or incomplete`)
	write(t, path, strings.Repeat("x", filewatch.MaxSize)+".")
	check("large", path, nil, "it is larger than 65536 bytes")
}
