package secretsdir_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/taskagent/taskagent/secretsdir"
)

func TestPublish(t *testing.T) {
	path := privateDir(t)
	d := open(t, path, keep)
	for _, rel := range []string{"nomad_token", "a/b/x.jwt", "./a//y.jwt", "…"} {
		for _, data := range []string{"one", "", "another one", "another one"} {
			must(t, d.Publish(rel, []byte(data)))
			if got := content(t, filepath.Join(path, rel)); got != data {
				t.Errorf("%s: got %q, want %q", rel, got, data)
			}
		}
	}
	if got, want := names(t, path), "a nomad_token …"; got != want {
		t.Errorf("in the directory: %s, want %s", got, want)
	}
}

func TestPublishRefuses(t *testing.T) {
	path := privateDir(t)
	d := open(t, path, keep)
	outside := filepath.Join(filepath.Dir(path), "outside")
	must(t, os.MkdirAll(filepath.Join(path, "dir", "sub"), 0o700))
	must(t, os.Mkdir(outside, 0o700))
	write(t, filepath.Join(path, "file"), "f")
	at := func(rel string) string { return fmt.Sprintf("publish %q: ", filepath.Join(path, rel)) }
	for _, tt := range []struct{ rel, want string }{
		{"../x", "the path leads out of the directory"},
		{"a/../../x", "the path leads out of the directory"},
		{"", "the path leads out of the directory"},
		{"dir/..", "the path names no file"},
		{".", "the path names no file"},
		{"dir", "it is a directory"},
		{"dir/sub", "it is a directory"},
		{"file/x", fmt.Sprintf("directory %q: it is not a directory", filepath.Join(path, "file"))},
	} {
		exact(t, d.Publish(tt.rel, []byte("x")), at(tt.rel)+tt.want)
	}
	if err := d.Publish("dir", []byte("x")); !errors.Is(err, secretsdir.ErrInTheWay) || errors.Is(err, secretsdir.ErrSymlink) {
		t.Errorf("a directory in the way: %v", err)
	}
	exact(t, d.Publish(outside, []byte("x")), at(outside)+"the path leads out of the directory")
	if got := names(t, path); got != "dir file" {
		t.Errorf("left behind: %s", got)
	}
}

func TestPublishSymlinks(t *testing.T) {
	path := privateDir(t)
	d := open(t, path, keep)
	victim := filepath.Join(filepath.Dir(path), "victim")
	write(t, victim, "untouched")
	must(t, os.Mkdir(filepath.Join(path, "real"), 0o700))
	for name, target := range map[string]string{"out": victim, "in": "real", "dangling": "nowhere", "up": ".."} {
		if err := os.Symlink(target, filepath.Join(path, name)); err != nil {
			t.Skipf("no symlinks for this user: %v", err) // Windows without developer mode
		}
	}
	for _, name := range []string{"out", "in", "dangling", "up"} {
		exact(t, d.Publish(name, []byte("x")), fmt.Sprintf("publish %q: it is a symlink", filepath.Join(path, name)))
		exact(t, d.Publish(name+"/x", []byte("x")), fmt.Sprintf("publish %q: directory %q: it is a symlink", filepath.Join(path, name, "x"), filepath.Join(path, name)))
	}
	if got := content(t, victim); got != "untouched" {
		t.Errorf("the link's target is now %q", got)
	}
	if got := names(t, filepath.Dir(path)); got != "secrets victim" {
		t.Errorf("outside of the directory: %s", got)
	}
}

// TestPublishKeepsToItsDirectory: a task that renames its directory, or puts
// another in its place, does not direct what is written.
func TestPublishKeepsToItsDirectory(t *testing.T) {
	path := privateDir(t)
	d := open(t, path, keep)
	moved := path + ".moved"
	if err := os.Rename(path, moved); err != nil {
		t.Skipf("this system keeps an open directory in place: %v", err) // Windows
	}
	must(t, os.Mkdir(path, 0o755))
	must(t, d.Publish("token", []byte("x")))
	if names(t, path) != "" || names(t, moved) != "token" {
		t.Errorf("in its place: %q, in the directory: %q", names(t, path), names(t, moved))
	}
}

func TestRemovePublished(t *testing.T) {
	path := privateDir(t)
	d := open(t, path, keep)
	write(t, filepath.Join(path, "before"), "theirs")
	for _, rel := range []string{"token", "a/b/c", "a/d", "e/f", "swapped", "gone"} {
		must(t, d.Publish(rel, []byte("ours")))
	}
	write(t, filepath.Join(path, "e", "theirs"), "theirs")
	must(t, os.Remove(filepath.Join(path, "gone")))
	write(t, filepath.Join(path, "new"), "theirs")
	must(t, os.Rename(filepath.Join(path, "new"), filepath.Join(path, "swapped")))
	must(t, d.RemovePublished())
	if got, want := names(t, path), "before e swapped"; got != want {
		t.Errorf("left: %s, want %s", got, want)
	}
	if got, want := names(t, filepath.Join(path, "e")), "theirs"; got != want {
		t.Errorf("left in e: %s, want %s", got, want)
	}
	must(t, d.RemovePublished())
}

func TestRemove(t *testing.T) {
	path := privateDir(t)
	d := open(t, path, keep)
	must(t, d.Publish("a/x", []byte("x")))
	must(t, d.Remove("a/x"))
	must(t, d.Remove("a/x"))
	must(t, d.Remove("no/such/x"))
	exact(t, d.Remove("a"), fmt.Sprintf("remove %q: it is a directory", filepath.Join(path, "a")))
	exact(t, d.Remove("../x"), fmt.Sprintf("remove %q: the path leads out of the directory", filepath.Join(filepath.Dir(path), "x")))
}

// TestNeverTorn: readers of every kind see whole tokens, in order, through
// 10,000 publications.
func TestNeverTorn(t *testing.T) {
	const publications = 10_000
	l, err := secretsdir.CreateLayout("", secretsdir.Keep, secretsdir.Keep) // in memory, where a sync is quick
	must(t, err)
	defer l.Remove()
	path := l.Secrets
	d := open(t, path, keep)
	file := filepath.Join(path, "nomad_token")
	all := make(map[string]int, publications)
	for n := range publications {
		all[token(n)] = n
	}
	must(t, d.Publish("nomad_token", []byte(token(0))))
	done := make(chan struct{})
	var readers sync.WaitGroup
	for kind, read := range map[string]func() (string, error){
		"os.ReadFile": func() (string, error) { b, err := os.ReadFile(file); return string(b), err },
		"ReadFile":    func() (string, error) { return secretsdir.ReadFile(file) },
	} {
		readers.Go(func() {
			last, reads := 0, 0
			for {
				got, err := read()
				n, whole := all[got]
				switch {
				case err != nil:
					t.Errorf("%s: %v", kind, err)
					return
				case !whole:
					t.Errorf("%s: read something of %d bytes that was never published", kind, len(got))
					return
				case n < last:
					t.Errorf("%s: read %d after %d", kind, n, last)
					return
				default:
					last = n
				}
				reads++
				select {
				case <-done:
					t.Logf("%s: %d reads", kind, reads)
					return
				default:
				}
			}
		})
	}
	for n := range publications {
		must(t, d.Publish("nomad_token", []byte(token(n))))
	}
	close(done)
	readers.Wait()
	if got := names(t, path); got != "nomad_token" {
		t.Errorf("left behind: %s", got)
	}
}

func BenchmarkPublish(b *testing.B) {
	for name, path := range map[string]string{"disk": b.TempDir(), "tmpfs": "/dev/shm"} {
		b.Run(name, func(b *testing.B) {
			dir, err := os.MkdirTemp(path, "taskagent-benchmark-")
			if err != nil {
				b.Skip(err) // no such place on this system
			}
			defer os.RemoveAll(dir)
			d := open(b, dir, keep)
			data := []byte(token(700))
			b.ReportAllocs()
			for b.Loop() {
				if err := d.Publish("nomad_token", data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReadFile(b *testing.B) {
	path := filepath.Join(b.TempDir(), "nomad_token")
	write(b, path, token(700))
	old := time.Now().Add(-time.Hour)
	must(b, os.Chtimes(path, old, old))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := secretsdir.ReadFile(path); err != nil {
			b.Fatal(err)
		}
	}
}
