package state_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taskagent/taskagent/internal/leader/state"
)

func u64(v uint64) *uint64 { return &v }

func TestCompareAndSet(t *testing.T) {
	s := opened(t, t.TempDir())
	first := put(t, s, "a", "1")
	for _, tt := range []struct {
		name     string
		path     string
		cas      *uint64
		conflict string // items of what is there
		empty    bool   // the conflict has nothing but a name
	}{
		{"create what is there", "a", u64(0), "1", false},
		{"another index", "a", u64(first.ModifyIndex + 1), "1", false},
		{"update what is not there", "b", u64(7), "", true},
		{"right index", "a", u64(first.ModifyIndex), "", false},
		{"create", "c", u64(0), "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := s.PutVariable(state.Write{Namespace: "default", Path: tt.path, Items: []byte("2"), CAS: tt.cas})
			if tt.conflict == "" && !tt.empty {
				if err != nil {
					t.Fatal(err)
				}
				if got := items(t, s, tt.path); got != "2" || m.ModifyIndex == 0 {
					t.Errorf("items %q, index %d", got, m.ModifyIndex)
				}
				return
			}
			c, ok := errors.AsType[*state.ConflictError](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			if string(c.Current.Items) != tt.conflict || (c.Current.ModifyIndex == 0) != tt.empty || c.Current.Path != tt.path {
				t.Errorf("conflict with %+v", c.Current)
			}
		})
	}
	now, err := s.Variable("default", "a")
	if err != nil || now.CreateIndex != first.CreateIndex || now.CreateTime != first.CreateTime || now.ModifyIndex <= first.ModifyIndex {
		t.Errorf("created as %+v, is %+v (%v)", first, now.VariableMeta, err)
	}
}

func TestDeleteVariable(t *testing.T) {
	s := opened(t, t.TempDir())
	m := put(t, s, "a", "1")
	before := s.Index(state.TableVariables)
	if _, err := s.DeleteVariable("default", "none", nil); err != nil {
		t.Errorf("one that is not there: %v", err)
	}
	if s.Index(state.TableVariables) != before {
		t.Error("deleting nothing changed the index")
	}
	if _, err := s.DeleteVariable("default", "none", u64(3)); err == nil {
		t.Error("one that is not there, with an index: no conflict")
	}
	if _, err := s.DeleteVariable("default", "a", u64(m.ModifyIndex+1)); err == nil {
		t.Error("another index: no conflict")
	}
	if _, err := s.DeleteVariable("default", "a", u64(m.ModifyIndex)); err != nil {
		t.Error(err)
	}
	if v, err := s.Variable("default", "a"); v != nil || err != nil {
		t.Errorf("still there: %v, %v", v, err)
	}
}

func TestVisitVariables(t *testing.T) {
	s := opened(t, t.TempDir())
	for _, place := range []string{"b\x00x", "a\x00y/1", "a\x00y", "a\x00y/2", "a-b\x00y", "a\x00z"} {
		ns, path, _ := strings.Cut(place, "\x00")
		if _, err := s.PutVariable(state.Write{Namespace: ns, Path: path}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ ns, prefix, want string }{
		{"a", "", "a:y a:y/1 a:y/2 a:z"},
		{"a", "y/", "a:y/1 a:y/2"},
		{"a", "yy", ""},
		{"none", "", ""},
		{"*", "", "a:y a:y/1 a:y/2 a:z a-b:y b:x"},
		{"*", "y", "a:y a:y/1 a:y/2 a-b:y"},
	} {
		var got []string
		err := s.VisitVariables(tt.ns, tt.prefix, func(m *state.VariableMeta) bool {
			got = append(got, m.Namespace+":"+m.Path)
			return true
		})
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("namespace %q, prefix %q: got %q, want %q (%v)", tt.ns, tt.prefix, got, tt.want, err)
		}
	}
	n := 0
	if err := s.VisitVariables("*", "", func(*state.VariableMeta) bool { n++; return n < 2 }); err != nil || n != 2 {
		t.Errorf("went on after false: %d, %v", n, err)
	}
}

func TestItemsAreBoundToTheirPlace(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	put(t, s, "a", "very secret")
	if s.Close(); fileHas(t, dir, "very secret") {
		t.Error("the items are in the file as they are")
	}
	// The fake Crypter insists on what they were bound to; here, that it was asked.
	c := newCrypter()
	s = opened(t, dir, func(o *state.Options) { o.Crypter = c })
	if got := items(t, s, "a"); got != "very secret" {
		t.Errorf("got %q", got)
	}
}

func fileHas(t *testing.T, dir, text string) bool {
	t.Helper()
	for _, name := range []string{state.StateFile, state.AllocsFile} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), text) {
			return true
		}
	}
	return false
}

func TestReencrypt(t *testing.T) {
	c := newCrypter()
	s := opened(t, t.TempDir(), func(o *state.Options) { o.Crypter = c })
	const n = 200 // more than one batch
	for i := range n {
		put(t, s, fmt.Sprintf("v/%03d", i), fmt.Sprint(i))
	}
	if _, _, err := s.PutToken(&state.Token{AccessorID: "acc", Type: state.TokenManagement}, "secret"); err != nil {
		t.Fatal(err)
	}
	before := everything(t, s)
	inUse := func(key string, want bool) {
		t.Helper()
		if got, err := s.KeyInUse(key); err != nil || got != want {
			t.Errorf("key %s in use: %t, %v", key, got, err)
		}
	}
	inUse("k1", true)
	inUse("k2", false)
	c.key.Store("k2")
	put(t, s, "v/000", "0")
	inUse("k1", true)
	inUse("k2", true)
	index := s.Index(state.TableVariables)
	if err := s.Reencrypt(); err != nil {
		t.Fatal(err)
	}
	inUse("k1", false)
	if got := s.Index(state.TableVariables); got != index {
		t.Errorf("the index went from %d to %d by encrypting anew", index, got)
	}
	for i := range n {
		if got := items(t, s, fmt.Sprintf("v/%03d", i)); got != fmt.Sprint(i) {
			t.Fatalf("variable %d is %q", i, got)
		}
	}
	tok := s.TokenBySecret("secret")
	if secret, err := s.TokenSecret(tok); err != nil || secret != "secret" {
		t.Errorf("secret %q, %v", secret, err)
	}
	if d := cmp.Diff(before["policies"], everything(t, s)["policies"]); d != "" {
		t.Error(d)
	}
}

func TestReencryptLeavesWhatItCannotRead(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	put(t, s, "a", "1")
	s.Close()
	c := &lostKey{crypter: newCrypter()}
	s = opened(t, dir, func(o *state.Options) { o.Crypter = c })
	c.key.Store("k2")
	put(t, s, "b", "2")
	if err := s.Reencrypt(); err == nil || err.Error() != `variable "a" in namespace "default": the key is gone` {
		t.Errorf("got %v", err)
	}
	if got := items(t, s, "b"); got != "2" {
		t.Errorf("got %q", got)
	}
	if used, err := s.KeyInUse("k1"); !used || err != nil {
		t.Errorf("k1 in use: %t, %v", used, err)
	}
}

// lostKey has lost k1.
type lostKey struct{ *crypter }

func (l *lostKey) Decrypt(key string, sealed, aad []byte) ([]byte, error) {
	if key == "k1" {
		return nil, errors.New("the key is gone")
	}
	return l.crypter.Decrypt(key, sealed, aad)
}

// TestWritersAndReaders is for the race detector, and for what one never sees: an
// index without its change.
func TestWritersAndReaders(t *testing.T) {
	s := opened(t, t.TempDir())
	const writers, rounds = 4, 25
	var wg sync.WaitGroup
	for w := range writers {
		path := fmt.Sprintf("w/%d", w)
		wg.Go(func() {
			for i := range rounds {
				put(t, s, path, fmt.Sprint(i))
			}
		})
		wg.Go(func() { // sees the last write by waiting alone
			for {
				watch := s.WatchOne(state.TableVariables, state.Key("default", path))
				got := items(t, s, path)
				if got == fmt.Sprint(rounds-1) {
					watch.Stop()
					return
				}
				<-watch.C
				watch.Stop()
			}
		})
		wg.Go(func() {
			for range rounds {
				index := s.Index(state.TableVariables)
				var most uint64
				err := s.VisitVariables("*", "", func(m *state.VariableMeta) bool { most = max(most, m.ModifyIndex); return true })
				if err != nil {
					t.Error(err)
				}
				if most < index && index > 1 {
					t.Errorf("the index is %d, and nothing is newer than %d", index, most)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzDecodeMeta(f *testing.F) {
	f.Add(state.EncodeMeta(state.VariableMeta{CreateIndex: 1, CreateTime: -2, ModifyIndex: 1 << 40, ModifyTime: 5, KeyID: "k"}))
	f.Add(state.EncodeMeta(state.VariableMeta{Lock: &state.Lock{ID: "id", TTL: 5, LockDelay: -1}}))
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := state.DecodeMeta(data)
		if err != nil {
			return
		}
		again, err := state.DecodeMeta(state.EncodeMeta(m))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(m, again); d != "" {
			t.Error(d)
		}
	})
}
