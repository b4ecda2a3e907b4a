package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/taskagent/taskagent/internal/leader/state"
	"github.com/taskagent/taskagent/internal/wire"
)

// crypter is a Crypter that hides nothing but insists on its rules.
type crypter struct{ key atomic.Value }

func newCrypter() *crypter {
	c := new(crypter)
	c.key.Store("k1")
	return c
}

func (c *crypter) Encrypt(plain, aad []byte) (string, []byte, error) {
	key := c.key.Load().(string)
	out := fmt.Appendf(nil, "%s|%q|", key, aad)
	for _, b := range plain {
		out = append(out, ^b)
	}
	return key, out, nil
}

func (c *crypter) Decrypt(key string, sealed, aad []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(sealed, fmt.Appendf(nil, "%s|%q|", key, aad))
	if !ok {
		return nil, errors.New("wrong key or place")
	}
	plain := make([]byte, len(rest))
	for i, b := range rest {
		plain[i] = ^b
	}
	return plain, nil
}

// opened opens the store in dir, for the rest of the test.
func opened(t testing.TB, dir string, tune ...func(*state.Options)) *state.Store {
	t.Helper()
	s, err := open(dir, tune...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func open(dir string, tune ...func(*state.Options)) (*state.Store, error) {
	o := state.Options{Crypter: newCrypter(), BootID: "boot-1"}
	for _, fn := range tune {
		fn(&o)
	}
	return state.Open(dir, o)
}

func boot(id string) func(*state.Options) { return func(o *state.Options) { o.BootID = id } }

// put writes a variable and fails the test when that fails.
func put(t testing.TB, s *state.Store, path, items string) state.VariableMeta {
	t.Helper()
	m, err := s.PutVariable(state.Write{Namespace: "default", Path: path, Items: []byte(items)})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// items reads a variable's items, "" when there is none.
func items(t testing.TB, s *state.Store, path string) string {
	t.Helper()
	v, err := s.Variable("default", path)
	if err != nil {
		t.Fatal(err)
	}
	if v == nil {
		return ""
	}
	return string(v.Items)
}

func task(alloc, name string) *state.Task {
	return &state.Task{
		AllocID: alloc, Region: "global", Datacenter: "dc1", Namespace: "default", Job: "job", Group: "group", Task: name,
		Services: []wire.Service{{Name: "svc-" + name, Port: 80, Tags: []string{"a"}}},
	}
}
