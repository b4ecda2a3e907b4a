package state_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskagent/taskagent/internal/leader/state"
)

func TestTokenLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s := opened(t, dir)
		for i, ttl := range []time.Duration{time.Hour, time.Minute, 2 * time.Hour} {
			at := time.Now().Add(ttl)
			id := string(rune('a' + i))
			if _, _, err := s.PutToken(&state.Token{AccessorID: id, Type: state.TokenClient, ExpirationTime: &at}, "secret-"+id); err != nil {
				t.Fatal(err)
			}
		}
		left := func(want string) {
			t.Helper()
			synctest.Wait()
			got := ""
			for _, tok := range s.Tokens() {
				got += tok.AccessorID
			}
			if got != want {
				t.Errorf("at %v: tokens %q, want %q", time.Now(), got, want)
			}
		}
		left("abc")
		if tok := s.TokenBySecret("secret-b"); tok.Expired(time.Now()) || !tok.Expired(time.Now().Add(time.Minute)) {
			t.Error("b does not end when it should")
		}
		time.Sleep(time.Minute)
		left("ac")
		if s.TokenBySecret("secret-b") != nil {
			t.Error("b is still found by its secret")
		}
		s.Close()
		s = opened(t, dir)
		left("ac")
		time.Sleep(time.Hour)
		left("c")
		time.Sleep(time.Hour)
		left("")
		s.Close()
	})
}

func TestUpdateToken(t *testing.T) {
	s := opened(t, t.TempDir())
	at := time.Now().Add(time.Hour)
	made, _, err := s.PutToken(&state.Token{AccessorID: "a", Name: "one", Type: state.TokenClient, Policies: []string{"p"}, ExpirationTime: &at, ExpirationTTL: time.Hour}, "secret")
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := s.PutToken(&state.Token{AccessorID: "a", Name: "two", Type: state.TokenClient, Policies: []string{"q"}}, "other secret")
	if err != nil {
		t.Fatal(err)
	}
	want := *made
	want.Name, want.Policies, want.ModifyIndex = "two", []string{"q"}, got.ModifyIndex
	if d := cmp.Diff(&want, got); d != "" {
		t.Errorf("an update changes more than name and policies:\n%s", d)
	}
	if s.TokenBySecret("other secret") != nil || s.TokenBySecret("secret") != got {
		t.Error("an update changes the secret")
	}
}

func TestManagementToken(t *testing.T) {
	s := opened(t, t.TempDir())
	for range 3 {
		if err := s.ImportManagementToken("root"); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.Tokens()); n != 1 {
		t.Errorf("%d tokens", n)
	}
	if s.Bootstrapped() != 0 {
		t.Error("importing counts as the bootstrap")
	}
	if _, _, err := s.Bootstrap("other"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Bootstrap("third"); !errors.Is(err, state.ErrBootstrapped) {
		t.Errorf("a second bootstrap: %v", err)
	}
	for _, secret := range []string{"root", "other"} {
		if tok := s.TokenBySecret(secret); tok == nil || tok.Type != state.TokenManagement {
			t.Errorf("%s: %v", secret, tok)
		}
	}
	if _, err := s.DeleteToken(s.TokenBySecret("root").AccessorID); err != nil {
		t.Error(err)
	}
	if s.TokenBySecret("root") != nil {
		t.Error("a deleted token is found by its secret")
	}
	if _, err := s.DeleteToken("none"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestSecretsAreNotInTheFile(t *testing.T) {
	dir := t.TempDir()
	s := opened(t, dir)
	if err := s.ImportManagementToken("0f7c8f2e-very-secret"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if fileHas(t, dir, "0f7c8f2e-very-secret") {
		t.Error("the secret of a token is in the file as it is")
	}
}
