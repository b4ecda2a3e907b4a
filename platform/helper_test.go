package platform_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

const onWindows = runtime.GOOS == "windows"

// worldDir returns a fresh directory that every user can reach, which
// t.TempDir's is not. That also fails a test under Wine, which lacks what
// os.RemoveAll needs.
func worldDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(os.TempDir(), "platform")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// checkError checks the text of an error, unless want is empty or the words
// are those of Windows, and that it matches is, unless that is nil.
func checkError(t *testing.T, err error, want string, is error) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", want)
	}
	if want != "" && err.Error() != want && !onWindows {
		t.Errorf("error\n got %s\nwant %s", err, want)
	}
	if is != nil && !errors.Is(err, is) {
		t.Errorf("%v does not match %v", err, is)
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func dirNames(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
