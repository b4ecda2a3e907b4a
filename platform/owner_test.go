package platform_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/taskagent/taskagent/platform"
)

func TestFileOwner(t *testing.T) {
	file := filepath.Join(worldDir(t), "file")
	writeFile(t, file, "")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	uid, _, ok := platform.FileOwner(info)
	if uid != platform.CurrentUID() || ok == onWindows {
		t.Errorf("owner %d, %v; we are %d", uid, ok, platform.CurrentUID())
	}
	info, err = fstest.MapFS{"f": {}}.Stat("f")
	if err != nil {
		t.Fatal(err)
	}
	if uid, gid, ok := platform.FileOwner(info); uid != -1 || gid != -1 || ok {
		t.Errorf("a file of no system belongs to %d:%d, %v", uid, gid, ok)
	}
}

func TestChown(t *testing.T) {
	file := filepath.Join(worldDir(t), "file")
	writeFile(t, file, "")
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := errors.Join(platform.Chown(file, -1, -1), platform.Fchown(f, -1, -1)); err != nil {
		t.Error("nothing to change:", err)
	}
	if onWindows {
		checkError(t, platform.Chown(file, 1, -1), "", errors.ErrUnsupported)
		checkError(t, platform.Fchown(f, 1, -1), "", errors.ErrUnsupported)
		return
	}
	if err := platform.Chown(file, os.Geteuid(), os.Getegid()); err != nil {
		t.Error(err)
	}
	missing := file + "-missing"
	for _, tt := range []struct {
		uid, gid int
		to       string
	}{{7, 8, "uid 7 gid 8"}, {7, -1, "uid 7"}, {-1, 8, "gid 8"}} {
		checkError(t, platform.Chown(missing, tt.uid, tt.gid),
			fmt.Sprintf("give %q to %s: no such file or directory", missing, tt.to), fs.ErrNotExist)
	}
}
