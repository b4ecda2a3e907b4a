package leader_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/taskagent/taskagent/internal/leader"
	"github.com/taskagent/taskagent/internal/leader/datadir"
)

// What was kept comes back from a backup, whether it was made while a leader led
// or not, and tokens signed before it are good for others still.
func TestSnapshotAndRestore(t *testing.T) {
	dir := testDir(t)
	r := lead(t, leader.Config{DataDir: dir, Settings: leader.Settings{Issuer: ptr("https://i.example")}})
	l, started := start(t, dir, task("t"), false)
	file := filepath.Join(filepath.Dir(dir), "backup.tar")
	snapshot := func(t *testing.T) {
		t.Helper()
		if err := leader.Snapshot(t.Context(), dir, file); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 && runtime.GOOS != "windows" {
			t.Fatalf("%v %v", info, err)
		}
	}
	check := func(t *testing.T, restored string) {
		t.Helper()
		if err := leader.Restore(t.Context(), restored, file); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{datadir.Token, datadir.Keyring, datadir.Settings} {
			a, _ := os.ReadFile(filepath.Join(dir, name))
			b, err := os.ReadFile(filepath.Join(restored, name))
			if err != nil || string(a) != string(b) {
				t.Fatalf("%s differs: %v", name, err)
			}
		}
		verify(t, restored, started.Tokens["default"])
		lead(t, leader.Config{DataDir: restored})
		if err := leader.Restore(t.Context(), restored, file); err == nil || !strings.HasSuffix(err.Error(), "is in use already") {
			t.Fatalf("into a directory in use: %v", err)
		}
	}
	t.Run("led", func(t *testing.T) { snapshot(t); check(t, testDir(t)) })
	l.Close()
	r.end(t)
	t.Run("not led", func(t *testing.T) { snapshot(t); check(t, testDir(t)) })
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(entries) != 2 {
		t.Fatalf("left behind: %v %v", entries, err)
	}
}

func TestRestoreRefuses(t *testing.T) {
	dir := testDir(t)
	r := lead(t, leader.Config{DataDir: dir})
	file := filepath.Join(filepath.Dir(dir), "backup.tar")
	if err := leader.Snapshot(t.Context(), dir, file); err != nil {
		t.Fatal(err)
	}
	r.end(t)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	flipped := []byte(strings.Replace(string(good), `"data_key":`, `"dota_key":`, 1))
	for name, content := range map[string][]byte{"empty": nil, "foreign": []byte("x"), "torn": good[:len(good)/2], "damaged": flipped} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			to := testDir(t)
			err := leader.Restore(t.Context(), to, file)
			if err == nil || !strings.HasPrefix(err.Error(), "restore "+to+": "+file+": ") {
				t.Fatalf("got %v", err)
			}
			entries, err := os.ReadDir(to)
			if err != nil || len(entries) > 1 { // the lock
				t.Fatalf("left behind: %v %v", entries, err)
			}
		})
	}
	if err := leader.Snapshot(t.Context(), testDir(t), file); err == nil || !strings.Contains(err.Error(), "no such file or directory") {
		t.Fatalf("of nothing: %v", err)
	}
}

// Wherever a snapshot is cut off, restoring says that it is not all of one, and
// names no file that nobody will find.
func TestRestoreCutOff(t *testing.T) {
	dir := testDir(t)
	r := lead(t, leader.Config{DataDir: dir})
	file := filepath.Join(filepath.Dir(dir), "backup.tar")
	if err := leader.Snapshot(t.Context(), dir, file); err != nil {
		t.Fatal(err)
	}
	r.end(t)
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	to := testDir(t)
	for n := 0; n < len(good)-1024; n += 512 { // the last 1024 bytes are zero and tell nothing
		if err := os.WriteFile(file, good[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		err := leader.Restore(t.Context(), to, file)
		if want := "restore " + to + ": " + file + ": is not a snapshot of taskagent, or not all of one"; err == nil || err.Error() != want {
			t.Errorf("the first %d bytes: %v, want %s", n, err, want)
		}
	}
	if err := os.WriteFile(file, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := leader.Restore(t.Context(), to, file); err != nil {
		t.Errorf("all of it, after the failures: %v", err)
	}
}
