package datafile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/taskagent/taskagent/internal/leader/datafile"
)

func TestPublishAndRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.json")
	for _, want := range []string{"one", "", strings.Repeat("x", 100)} {
		if err := datafile.Publish(path, []byte(want)); err != nil {
			t.Fatal(err)
		}
		got, err := datafile.Read(path, 100)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Fatalf("read %q, published %q", got, want)
		}
	}
	if runtime.GOOS != "windows" {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Fatalf("mode %v", info.Mode())
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Fatalf("left behind: %v %v", entries, err)
	}
}

// A file that was readable by others stays refused until somebody looks at it;
// publishing over it does not keep its mode.
func TestReadRefuses(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes and symlinks of Unix")
	}
	dir := t.TempDir()
	file := func(name string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("0123456789"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file("target", 0o600), link); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path string
		want       error
		hint       string
	}{
		{"missing", filepath.Join(dir, "missing"), fs.ErrNotExist, ""},
		{"open", file("open", 0o640), datafile.ErrTooOpen, "chmod 600 "},
		{"large", file("large", 0o600), datafile.ErrTooLarge, "restore the file from a backup"},
		{"symlink", link, datafile.ErrNotPlain, "restore the file from a backup"},
		{"directory", dir, datafile.ErrNotPlain, "restore the file from a backup"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := datafile.Read(tt.path, 9)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if want := "read " + tt.path + ": "; !strings.HasPrefix(err.Error(), want) {
				t.Fatalf("%q does not begin with %q", err, want)
			}
			h, ok := errors.AsType[interface {
				error
				Hint() string
			}](err)
			if !ok || !strings.Contains(h.Hint(), tt.hint) {
				t.Fatalf("hint %v", h)
			}
		})
	}
}

func TestReadRefusesAnotherOwner(t *testing.T) {
	if os.Geteuid() != 0 || runtime.GOOS == "windows" {
		t.Skip("needs root to give a file away")
	}
	path := filepath.Join(t.TempDir(), "f")
	if err := datafile.Publish(path, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 4242, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := datafile.Read(path, 10); !errors.Is(err, datafile.ErrForeign) {
		t.Fatalf("got %v", err)
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"keep.json", ".keep", "keep.tmp-x", ".gone.json.tmp-ABC"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, ".restore.tmp-ABC", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := datafile.Sweep(dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != ".keep keep.json keep.tmp-x" {
		t.Fatalf("left: %s", got)
	}
}

func TestPublishIntoNowhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "no", "f")
	err := datafile.Publish(path, nil)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
	if runtime.GOOS != "windows" && err.Error() != "publish "+path+": no such file or directory" {
		t.Fatalf("got %q", err)
	}
}
