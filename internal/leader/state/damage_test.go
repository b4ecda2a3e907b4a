package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/taskagent/taskagent/internal/leader/state"
)

// refused opens dir and returns the refusal.
func refused(t *testing.T, dir string) *state.Error {
	t.Helper()
	s, err := open(dir)
	if err == nil {
		s.Close()
		t.Fatal("opened")
	}
	e, ok := errors.AsType[*state.Error](err)
	if !ok {
		t.Fatalf("%T: %v", err, err)
	}
	return e
}

func TestRefusedFiles(t *testing.T) {
	bolt := func(t *testing.T, fn func(*bbolt.Tx) error) []byte {
		path := filepath.Join(t.TempDir(), "x")
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Update(fn); err != nil {
			t.Fatal(err)
		}
		db.Close()
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for _, tt := range []struct {
		name    string
		content func(t *testing.T, good []byte) []byte
		kind    error
		text    string // after the path
	}{
		{"empty", func(*testing.T, []byte) []byte { return nil }, state.ErrDamaged, " is damaged: the file is empty"},
		{"text", func(*testing.T, []byte) []byte { return []byte("hello\n") }, state.ErrForeign, " is not a file of taskagent's store"},
		{"half", func(_ *testing.T, good []byte) []byte { return good[:len(good)/2] }, state.ErrDamaged, " is damaged: the file is cut short: "},
		{"heads gone", func(_ *testing.T, good []byte) []byte {
			bad := bytes.Clone(good)
			clear(bad[24:80])
			clear(bad[os.Getpagesize()+24 : os.Getpagesize()+80])
			return bad
		}, state.ErrDamaged, " is damaged: neither of the two heads is valid"},
		{"another bbolt file", func(t *testing.T, _ []byte) []byte {
			return bolt(t, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("etcd")); return err })
		}, state.ErrForeign, " is not a file of taskagent's store"},
		{"the other of our files", func(t *testing.T, _ []byte) []byte {
			dir := t.TempDir()
			opened(t, dir).Close()
			data, err := os.ReadFile(filepath.Join(dir, state.AllocsFile))
			if err != nil {
				t.Fatal(err)
			}
			return data
		}, state.ErrForeign, " is not a file of taskagent's store"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			opened(t, dir).Close()
			path := filepath.Join(dir, state.StateFile)
			good, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			bad := tt.content(t, good)
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			e := refused(t, dir)
			if !errors.Is(e, tt.kind) || !strings.HasPrefix(e.Error(), path+tt.text) {
				t.Errorf("got %q", e)
			}
			if e.Hint() == "" {
				t.Error("no hint")
			}
			if err := state.Verify(path); !errors.Is(err, tt.kind) {
				t.Errorf("Verify: %v", err)
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, bad) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestDirectoryInTheWay(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, state.StateFile), 0o700); err != nil {
		t.Fatal(err)
	}
	if e := refused(t, dir); !errors.Is(e, state.ErrForeign) || e.Detail != "it is not a regular file" {
		t.Errorf("got %v", e)
	}
}

func TestVersions(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	put(t, s, "a", "x")
	s.Close()

	// A program of version 2 brings the file there.
	steps := 0
	restore := state.SetStateFormat(2, func(*bbolt.Tx) error { steps++; return nil })
	s = opened(t, dir)
	if items(t, s, "a") != "x" || steps != 1 {
		t.Errorf("items %q after %d steps", items(t, s, "a"), steps)
	}
	s.Close()
	opened(t, dir).Close()
	if steps != 1 {
		t.Errorf("brought up to date %d times", steps)
	}
	restore()

	// This one refuses it then.
	e := refused(t, dir)
	if want := filepath.Join(dir, "state.db") + " was written by a newer version of taskagent: version 2, this one knows up to 1"; e.Error() != want {
		t.Errorf("got %q, want %q", e, want)
	}

	// One that knows no way from so old a version refuses it too.
	defer state.SetStateFormat(9, func(*bbolt.Tx) error { return nil })()
	if e := refused(t, dir); !errors.Is(e, state.ErrForeign) || e.Detail != "version 2 is too old to be brought up to date" {
		t.Errorf("got %v", e)
	}
}

func TestFailedMigrationChangesNothing(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	put(t, s, "a", "x")
	s.Close()
	restore := state.SetStateFormat(2, func(tx *bbolt.Tx) error {
		if err := tx.DeleteBucket([]byte("variables")); err != nil {
			return err
		}
		return errors.New("no")
	})
	_, err := open(dir)
	restore()
	if want := "bring " + filepath.Join(dir, "state.db") + " from version 1 to 2: no"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if got := items(t, opened(t, dir), "a"); got != "x" {
		t.Errorf("the variable is %q", got)
	}
}

// TestFlippedBits damages the file at random. Either it is refused, or the damage
// was where nothing is.
func TestFlippedBits(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	fill(t, s)
	for i := range 20 {
		put(t, s, fmt.Sprintf("many/%03d", i), strings.Repeat("x", 200))
	}
	before := everything(t, s)
	s.Close()
	path := filepath.Join(dir, state.StateFile)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	const rounds = 80
	caught := 0
	for range rounds {
		bad := bytes.Clone(good)
		at := rnd.IntN(len(bad))
		bad[at] ^= byte(1 << rnd.IntN(8))
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := open(dir)
		if err != nil {
			if _, ok := errors.AsType[*state.Error](err); !ok {
				t.Fatalf("byte %d: %v", at, err)
			}
			caught++
			continue
		}
		if after := everything(t, s); !reflect.DeepEqual(before, after) {
			t.Fatalf("byte %d: a damaged file is taken for good:\n%s", at, cmp.Diff(before, after))
		}
		s.Close()
	}
	t.Logf("%d of %d flipped bits refused", caught, rounds)
}
