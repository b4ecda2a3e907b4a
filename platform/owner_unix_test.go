//go:build unix

package platform_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/taskagent/taskagent/platform"
)

func TestChownAsRoot(t *testing.T) {
	rootOnly(t)
	dir := worldDir(t)
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	writeFile(t, file, "")
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	owner := func(path string) string {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		uid, gid, _ := platform.FileOwner(info)
		return fmt.Sprint(uid, ":", gid)
	}
	if err := platform.Chown(link, 65534, 65533); err != nil {
		t.Error(err)
	}
	if owner(link) != "65534:65533" || owner(file) != "0:0" {
		t.Errorf("link %s, file %s: the link was followed", owner(link), owner(file))
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := platform.Fchown(f, 65534, -1); err != nil {
		t.Error(err)
	}
	if owner(file) != "65534:0" {
		t.Errorf("file %s", owner(file))
	}
}

func TestChownWithoutRights(t *testing.T) {
	if asOtherUser(t) {
		return
	}
	file := filepath.Join(worldDir(t), "file")
	writeFile(t, file, "")
	checkError(t, platform.Chown(file, 0, -1), fmt.Sprintf("give %q to uid 0: operation not permitted", file), fs.ErrPermission)
}
