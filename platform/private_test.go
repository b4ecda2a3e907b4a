package platform_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/taskagent/taskagent/platform"
)

func TestMakePrivateDir(t *testing.T) {
	parent := worldDir(t)
	dir := filepath.Join(parent, "private")
	if err := platform.MakePrivateDir(dir); err != nil {
		t.Fatal(err)
	}
	if private, err := platform.IsPrivateDir(dir); !private || err != nil {
		t.Errorf("private: %v, %v", private, err)
	}
	writeFile(t, filepath.Join(dir, "file"), "ours to use")

	checkError(t, platform.MakePrivateDir(dir), fmt.Sprintf("make private directory %q: file exists", dir), fs.ErrExist)
	below := filepath.Join(parent, "missing", "private")
	checkError(t, platform.MakePrivateDir(below), fmt.Sprintf("make private directory %q: no such file or directory", below), fs.ErrNotExist)

	given := filepath.Join(parent, "given")
	other := os.Geteuid() + 1
	err := platform.MakePrivateDirFor(given, other, other)
	switch {
	case onWindows:
		checkError(t, err, "", errors.ErrUnsupported)
	case os.Geteuid() != 0:
		checkError(t, err, fmt.Sprintf("make private directory %q: operation not permitted", given), fs.ErrPermission)
	default:
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(given)
		if err != nil {
			t.Fatal(err)
		}
		if uid, gid, _ := platform.FileOwner(info); uid != other || gid != other || info.Mode() != fs.ModeDir|0o700 {
			t.Errorf("%v of %d:%d", info.Mode(), uid, gid)
		}
		return
	}
	if _, err := os.Lstat(given); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s was left behind", given)
	}
}

func TestIsPrivateDirErrors(t *testing.T) {
	dir := worldDir(t)
	missing, file := filepath.Join(dir, "missing"), filepath.Join(dir, "file")
	writeFile(t, file, "")
	_, err := platform.IsPrivateDir(missing)
	checkError(t, err, fmt.Sprintf("check directory %q: no such file or directory", missing), fs.ErrNotExist)
	_, err = platform.IsPrivateDir(file)
	checkError(t, err, fmt.Sprintf("check directory %q: not a directory", file), nil)
}

func TestProtectFile(t *testing.T) {
	file := filepath.Join(worldDir(t), "file")
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := platform.ProtectFile(f); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("still open for us"); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(file); string(got) != "still open for us" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if !onWindows && info.Mode() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}
