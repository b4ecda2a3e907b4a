package boltfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/taskagent/taskagent/internal/leader/state/boltfile"
)

// build makes a bbolt file with every kind of page: branches, overflow, inline
// and nested buckets, free pages.
func build(t testing.TB, noFreelist bool) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, NoFreelistSync: noFreelist, PageSize: 4096})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for round := range 3 {
		err := db.Update(func(tx *bbolt.Tx) error {
			big, err := tx.CreateBucketIfNotExists([]byte("big"))
			if err != nil {
				return err
			}
			for i := range 600 {
				if err := big.Put(fmt.Appendf(nil, "key-%05d", i), bytes.Repeat([]byte{byte(round)}, 40)); err != nil {
					return err
				}
			}
			if err := big.Put([]byte("long"), bytes.Repeat([]byte("l"), 20000*(round+1))); err != nil {
				return err
			}
			small, err := tx.CreateBucketIfNotExists([]byte("small"))
			if err != nil {
				return err
			}
			nested, err := small.CreateBucketIfNotExists([]byte("nested"))
			if err != nil {
				return err
			}
			return nested.Put([]byte("a"), []byte("b"))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestWholeFilePasses(t *testing.T) {
	for _, noFreelist := range []bool{false, true} {
		if err := boltfile.Check(build(t, noFreelist)); err != nil {
			t.Errorf("without list of free pages %t: %v", noFreelist, err)
		}
	}
}

func TestCutFile(t *testing.T) {
	whole, err := os.ReadFile(build(t, false))
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(whole); n += 1021 {
		err := boltfile.CheckReader(bytes.NewReader(whole[:n]), int64(n))
		if err == nil {
			// bbolt grows its file ahead of need, so the end may be unused.
			if bytes.Trim(whole[n:], "\x00") == nil {
				continue
			}
			t.Fatalf("a file cut to %d of %d bytes passes", n, len(whole))
		}
		if !errors.Is(err, boltfile.ErrDamaged) && !errors.Is(err, boltfile.ErrForeign) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
}

func TestForeignFile(t *testing.T) {
	for name, content := range map[string]string{"text": "hello world\n", "sqlite": "SQLite format 3\x00" + string(make([]byte, 9000))} {
		t.Run(name, func(t *testing.T) {
			err := boltfile.CheckReader(bytes.NewReader([]byte(content)), int64(len(content)))
			if !errors.Is(err, boltfile.ErrForeign) {
				t.Errorf("got %v", err)
			}
		})
	}
	if err := boltfile.CheckReader(bytes.NewReader(nil), 0); err == nil || err.Error() != "damaged: the file is empty" {
		t.Errorf("empty file: %v", err)
	}
}

// TestDamageNeverFaults flips bytes at random; whatever passes must be safe for
// bbolt to open, walk and write.
func TestDamageNeverFaults(t *testing.T) {
	path := build(t, false)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	passed := 0
	for range 400 {
		bad := bytes.Clone(whole)
		for range 1 + rnd.IntN(4) {
			// Half of the damage goes where the structure is.
			at := rnd.IntN(len(bad))
			if rnd.IntN(2) == 0 {
				at = at/4096*4096 + rnd.IntN(64)
			}
			bad[at] ^= byte(1 + rnd.IntN(255))
		}
		if boltfile.CheckReader(bytes.NewReader(bad), int64(len(bad))) != nil {
			continue
		}
		passed++
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		use(t, path)
	}
	t.Logf("%d of 400 damaged files pass: the damage is in values or in free pages", passed)
}

func use(t *testing.T, path string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte("big"))
		if err != nil {
			return err
		}
		if err := b.ForEach(func(k, v []byte) error { return nil }); err != nil {
			return err
		}
		return b.Put([]byte("more"), make([]byte, 9000))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func FuzzCheck(f *testing.F) {
	whole, err := os.ReadFile(build(f, false))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:8192])
	f.Add([]byte("hello"))
	f.Fuzz(func(t *testing.T, data []byte) {
		err := boltfile.CheckReader(bytes.NewReader(data), int64(len(data)))
		if err != nil && !errors.Is(err, boltfile.ErrDamaged) && !errors.Is(err, boltfile.ErrForeign) {
			t.Errorf("untyped error %v", err)
		}
	})
}
