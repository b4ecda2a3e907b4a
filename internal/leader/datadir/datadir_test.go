package datadir_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/taskagent/taskagent/internal/leader/datadir"
)

func skipWindows(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes and owners of Unix")
	}
}

func TestEnsureMakesPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b", "data")
	for range 2 { // made, then found
		if err := datadir.Ensure(dir); err != nil {
			t.Fatal(err)
		}
	}
	if runtime.GOOS != "windows" {
		for d := dir; filepath.Base(d) != "a"; d = filepath.Dir(d) {
			info, err := os.Stat(d)
			if err != nil || info.Mode().Perm() != 0o700 {
				t.Fatalf("%s: %v %v", d, info.Mode(), err)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	skipWindows(t)
	base := t.TempDir()
	open := filepath.Join(base, "open")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o750); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ dir, want, hint string }{
		{open, "data directory " + open + ": can be entered by other users", "chmod 700 " + open},
		{file, "data directory " + file + ": is not a directory", "choose another with -data-dir"},
		{filepath.Join(file, "x"), "data directory " + file + "/x: not a directory", ""},
	} {
		err := datadir.Ensure(tt.dir)
		e, ok := errors.AsType[*datadir.Error](err)
		if !ok || e.Error() != tt.want || !strings.Contains(e.Hint(), tt.hint) {
			t.Errorf("%s: %v, hint %v", tt.dir, err, e)
		}
	}
	if err := datadir.Check(filepath.Join(base, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

// Root could use anybody's directory; it would leave files there that the
// owner's next leader cannot open.
func TestRefusesAnotherOwner(t *testing.T) {
	skipWindows(t)
	if os.Geteuid() != 0 {
		t.Skip("needs root to give a directory away")
	}
	dir := filepath.Join(t.TempDir(), "data")
	if err := datadir.Ensure(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, 4242, -1); err != nil {
		t.Fatal(err)
	}
	err := datadir.Ensure(dir)
	if !errors.Is(err, datadir.ErrNotOwner) || err.Error() != "data directory "+dir+": belongs to another user (uid 4242, we are uid 0)" {
		t.Fatalf("got %v", err)
	}
}

func TestInspect(t *testing.T) {
	for _, tt := range []struct {
		name     string
		files    map[string]string
		complete bool
		want     string
	}{
		{"new", nil, false, ""},
		{"interrupted", map[string]string{"lock": "", "keyring.json": "{}", ".keyring.json.tmp-A": ""}, false, ""},
		{"complete", map[string]string{"version": "1\n", "anything": ""}, true, ""},
		{"foreign", map[string]string{"lock": "", "notes.txt": ""}, false, `holds "notes.txt" and is no data directory of taskagent`},
		{"newer", map[string]string{"version": "2\n"}, false, "was written by a newer taskagent (version 2, this one knows 1)"},
		{"damaged", map[string]string{"version": "x"}, false, "file version is damaged"},
		{"emptied", map[string]string{"version": ""}, false, "file version is damaged"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			if err := datadir.Ensure(dir); err != nil {
				t.Fatal(err)
			}
			for name, content := range tt.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			complete, err := datadir.Inspect(dir)
			got := ""
			if err != nil {
				got = strings.TrimPrefix(err.Error(), "data directory "+dir+": ")
			}
			if complete != tt.complete || got != tt.want {
				t.Fatalf("got %v %q", complete, got)
			}
		})
	}
	dir := t.TempDir()
	if err := datadir.Complete(dir); err != nil {
		t.Fatal(err)
	}
	if complete, err := datadir.Inspect(dir); !complete || err != nil {
		t.Fatalf("%v %v", complete, err)
	}
}
