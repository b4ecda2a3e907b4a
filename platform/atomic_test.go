package platform_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/taskagent/taskagent/platform"
)

func openRoot(t *testing.T, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func TestOpenExclusive(t *testing.T) {
	dir := worldDir(t)
	root := openRoot(t, dir)
	f, err := platform.OpenExclusive(root, "file", 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("content"); err != nil {
		t.Error(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(f); string(got) != "content" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	_, err = platform.OpenExclusive(root, "file", 0o600)
	checkError(t, err, fmt.Sprintf("create %q: file exists", filepath.Join(dir, "file")), fs.ErrExist)

	// Symlinks are a privilege on Windows, and Wine makes none but says it did.
	os.Symlink("nowhere", filepath.Join(dir, "link"))
	if _, err := os.Lstat(filepath.Join(dir, "link")); err == nil {
		_, err = platform.OpenExclusive(root, "link", 0o600)
		checkError(t, err, fmt.Sprintf("create %q: file exists", filepath.Join(dir, "link")), fs.ErrExist)
		if _, err := os.Lstat(filepath.Join(dir, "nowhere")); !errors.Is(err, fs.ErrNotExist) {
			t.Error("the symlink was followed")
		}
	}
	_, err = platform.OpenExclusive(root, "../escaped", 0o600)
	checkError(t, err, fmt.Sprintf("create %q: path escapes from parent", filepath.Join(dir, "../escaped")), nil)
	_, err = platform.OpenExclusive(root, "missing/file", 0o600)
	checkError(t, err, fmt.Sprintf("create %q: no such file or directory", filepath.Join(dir, "missing/file")), fs.ErrNotExist)
}

// Readers never miss the file and never see half of it.
func TestAtomicRename(t *testing.T) {
	dir := worldDir(t)
	file := filepath.Join(dir, "file")
	content := func(i int) string { return strings.Repeat(fmt.Sprint(i%10), 5000) }
	writeFile(t, file, content(0))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	readers := 2
	if onWindows {
		readers = 0 // they would keep it from being replaced: see the next test
	}
	for range readers {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := os.ReadFile(file)
				if err != nil || len(got) != 5000 || strings.Trim(string(got), string(got[:1])) != "" {
					t.Errorf("read %d bytes, %v", len(got), err)
					return
				}
			}
		})
	}
	for i := range 500 {
		tmp := filepath.Join(dir, "tmp")
		writeFile(t, tmp, content(i))
		if err := platform.AtomicRename(tmp, file); err != nil {
			t.Error(err)
			break
		}
	}
	close(stop)
	wg.Wait()
	if got := dirNames(t, dir); !slices.Equal(got, []string{"file"}) {
		t.Errorf("left behind: %q", got)
	}
	missing := filepath.Join(dir, "missing")
	checkError(t, platform.AtomicRename(missing, file),
		fmt.Sprintf("rename %q to %q: no such file or directory", missing, file), fs.ErrNotExist)
	if err := platform.SyncDir(dir); err != nil {
		t.Error(err)
	}
}

// On Windows a reader keeps the file from being replaced until it is done.
func TestAtomicRenameWaitsForReader(t *testing.T) {
	dir := worldDir(t)
	file, tmp := filepath.Join(dir, "file"), filepath.Join(dir, "tmp")
	writeFile(t, file, "old")
	writeFile(t, tmp, "new")
	reader, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	renamed := make(chan error)
	go func() { renamed <- platform.AtomicRename(tmp, file) }()
	if got, err := io.ReadAll(reader); string(got) != "old" || err != nil {
		t.Errorf("the reader has %q, %v", got, err)
	}
	reader.Close()
	if err := <-renamed; err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); string(got) != "new" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestSyncDirErrors(t *testing.T) {
	if onWindows {
		t.Skip("it does nothing on Windows")
	}
	missing := filepath.Join(worldDir(t), "missing")
	checkError(t, platform.SyncDir(missing), fmt.Sprintf("sync directory %q: no such file or directory", missing), fs.ErrNotExist)
}

func TestRenameAt(t *testing.T) {
	dir := worldDir(t)
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	var handles []*os.File
	for _, d := range []string{a, b} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
		f, err := openRoot(t, d).Open(".")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		handles = append(handles, f)
	}
	writeFile(t, filepath.Join(a, "x"), "new")
	writeFile(t, filepath.Join(b, "y"), "old")
	if err := platform.RenameAt(handles[0], "x", handles[1], "y"); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(b, "y")); string(got) != "new" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got := dirNames(t, a); len(got) != 0 {
		t.Errorf("left behind: %q", got)
	}
	checkError(t, platform.RenameAt(handles[0], "x", handles[1], "y"), "", fs.ErrNotExist)
}
