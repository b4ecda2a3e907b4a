package platform_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/taskagent/taskagent/platform"
)

func TestDescriptorPath(t *testing.T) {
	dir := worldDir(t)
	file := filepath.Join(dir, "file")
	writeFile(t, file, "content")
	f, err := platform.OpenPath(dir)
	if runtime.GOOS != "linux" {
		checkError(t, err, "", errors.ErrUnsupported)
		here, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer here.Close()
		if path, ok := platform.DescriptorPath(here); ok {
			t.Errorf("a path %q", path)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	path, ok := platform.DescriptorPath(f)
	if !ok {
		t.Skip("no /proc here")
	}
	// The directory it was, whatever it is called now.
	if err := os.Rename(dir, dir+"-renamed"); err != nil {
		t.Fatal(err)
	}
	defer os.Rename(dir+"-renamed", dir)
	if got, err := os.ReadFile(filepath.Join(path, "file")); string(got) != "content" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	f.Close()
	if path, ok := platform.DescriptorPath(f); ok {
		t.Errorf("a path %q to a closed file", path)
	}
	missing := filepath.Join(dir, "missing")
	_, err = platform.OpenPath(missing)
	checkError(t, err, fmt.Sprintf("open %q: no such file or directory", missing), fs.ErrNotExist)
}
