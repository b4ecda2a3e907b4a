package keyring_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/leader/keyring"
)

// clock is a time that only the test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time // guarded by mu
}

func newClock() *clock { return &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func (c *clock) claims(ttl time.Duration) identity.Claims {
	now := c.Now()
	claims := identity.Claims{
		Subject: "global:default:j:g:t:default", ID: "1", Audience: []string{identity.NomadAudience},
		IssuedAt: now, NotBefore: now, Namespace: "default", JobID: "j", AllocationID: "a", Task: "t",
	}
	if ttl > 0 {
		claims.Expiry = now.Add(ttl)
	}
	return claims
}

func create(t *testing.T, c *clock, alg string) (*keyring.Keyring, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyring.json")
	kr, err := keyring.Create(path, keyring.Options{Algorithm: alg, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	return kr, path
}

func reopen(t *testing.T, path string, c *clock) *keyring.Keyring {
	t.Helper()
	kr, err := keyring.Open(path, keyring.Options{Algorithm: identity.EdDSA, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	return kr
}

// A token is one that others can verify with nothing but the published keys.
func TestSignVerify(t *testing.T) {
	for _, alg := range []string{"", identity.RS256, identity.EdDSA} {
		t.Run("alg="+alg, func(t *testing.T) {
			c := newClock()
			kr, path := create(t, c, alg)
			raw, err := kr.Sign(c.claims(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			keys, err := identity.ParseKeySet(kr.JWKS())
			if err != nil {
				t.Fatal(err)
			}
			for name, set := range map[string]identity.KeySet{"jwks": keys, "keyring": kr, "reopened": reopen(t, path, c)} {
				got, err := identity.Verify(raw, set, identity.VerifyOptions{Audience: identity.NomadAudience, Now: c.Now()})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if got.Subject != "global:default:j:g:t:default" || !got.Expiry.Equal(c.Now().Add(time.Hour)) {
					t.Fatalf("%s: got %+v", name, got)
				}
			}
			want := alg
			if want == "" {
				want = identity.RS256
			}
			header, err := identity.ParseHeaderInsecure(raw)
			if err != nil || header.Algorithm != want || header.KeyID != kr.List()[0].KeyID {
				t.Fatalf("header %+v %v", header, err)
			}
		})
	}
}

func TestJWKSForm(t *testing.T) {
	for alg, want := range map[string]string{
		identity.RS256: "alg e kid kty n use",
		identity.EdDSA: "alg crv kid kty use x",
	} {
		kr, _ := create(t, newClock(), alg)
		var doc struct{ Keys []map[string]string }
		if err := json.Unmarshal(kr.JWKS(), &doc); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, name := range []string{"alg", "crv", "e", "kid", "kty", "n", "use", "x"} {
			if doc.Keys[0][name] != "" {
				names = append(names, name)
			}
		}
		if got := strings.Join(names, " "); got != want || len(doc.Keys[0]) != len(names) {
			t.Errorf("%s: members %s, want %s", alg, got, want)
		}
	}
}

func TestSealBindsToPlace(t *testing.T) {
	c := newClock()
	kr, path := create(t, c, identity.EdDSA)
	id, sealed, err := kr.Encrypt([]byte("secret"), []byte("place"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(sealed), "secret") {
		t.Fatal("not sealed")
	}
	plain, err := reopen(t, path, c).Decrypt(id, sealed, []byte("place"))
	if err != nil || string(plain) != "secret" {
		t.Fatalf("got %q %v", plain, err)
	}
	damaged := append([]byte(nil), sealed...)
	damaged[len(damaged)-1] ^= 1
	for name, tt := range map[string]struct {
		id, sealed, aad string
		want            error
	}{
		"another place": {id, string(sealed), "elsewhere", keyring.ErrSealed},
		"damaged":       {id, string(damaged), "place", keyring.ErrSealed},
		"short":         {id, "x", "place", keyring.ErrSealed},
		"unknown key":   {"no", string(sealed), "place", keyring.ErrNoKey},
	} {
		if _, err := kr.Decrypt(tt.id, []byte(tt.sealed), []byte(tt.aad)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Signing must not wait for a rotation, nor a rotation lose a signature.
func TestConcurrentSignAndRotate(t *testing.T) {
	c := newClock()
	kr, _ := create(t, c, identity.EdDSA)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 50 {
				raw, err := kr.Sign(c.claims(time.Duration(i*n) * time.Minute))
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := identity.Verify(raw, kr, identity.VerifyOptions{Now: c.Now()}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 10 {
		if _, err := kr.Rotate(false, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
}

func TestCreateRefusesExisting(t *testing.T) {
	c := newClock()
	_, path := create(t, c, identity.EdDSA)
	if _, err := keyring.Create(path, keyring.Options{}); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("got %v", err)
	}
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		o    keyring.Options
		want string
	}{
		{keyring.Options{}, ""},
		{keyring.Options{Algorithm: "HS256"}, `signing algorithm "HS256" is neither RS256 nor EdDSA`},
		{keyring.Options{RotateEvery: time.Second}, "rotation every 1s is more often than every 1m0s"},
	} {
		got := ""
		if err := tt.o.Validate(); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.o, got, tt.want)
		}
	}
}

// A file that is not what it should be is named, explained and left alone.
func TestOpenRefuses(t *testing.T) {
	c := newClock()
	_, path := create(t, c, identity.EdDSA)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(s string) string { // another digit of the base64 of a data key
		i := strings.Index(s, `"data_key": "`) + len(`"data_key": "`)
		if s[i] == 'A' {
			return s[:i] + "B" + s[i+1:]
		}
		return s[:i] + "A" + s[i+1:]
	}
	for _, tt := range []struct {
		name, content, want, hint string
		is                        error
	}{
		{"empty", "", "damaged: not complete JSON", "restore it from a backup", keyring.ErrDamaged},
		{"torn", string(good[:len(good)/2]), "damaged: not complete JSON", "restore it from a backup", keyring.ErrDamaged},
		{"flipped", flip(string(good)), "damaged: its keys do not match their checksum", "restore it from a backup", keyring.ErrDamaged},
		{"foreign", `{"keys":[]}`, "not a keyring of taskagent", "restore it from a backup", keyring.ErrForeign},
		{"newer", strings.Replace(string(good), `"version": 1`, `"version": 2`, 1), "written by a newer taskagent: version 2, this one knows 1", "run the newer taskagent", keyring.ErrTooNew},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keyring.json")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := keyring.Open(path, keyring.Options{})
			if !errors.Is(err, tt.is) {
				t.Fatalf("got %v", err)
			}
			if got := err.Error(); got != "open keyring "+path+": "+tt.want {
				t.Fatalf("got %q", got)
			}
			h, ok := errors.AsType[interface {
				error
				Hint() string
			}](err)
			if !ok || !strings.HasPrefix(h.Hint(), tt.hint) {
				t.Fatalf("hint of %v", err)
			}
			after, err := os.ReadFile(path)
			if err != nil || string(after) != tt.content {
				t.Fatal("the file was touched")
			}
		})
	}
	if _, err := keyring.Open(filepath.Join(t.TempDir(), "none"), keyring.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("missing: %v", err)
	}
}

// Whatever the bytes, opening them ends in a keyring or in an error that quotes
// none of them.
func FuzzOpen(f *testing.F) {
	path := filepath.Join(f.TempDir(), "keyring.json")
	if _, err := keyring.Create(path, keyring.Options{Algorithm: identity.EdDSA}); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:100])
	f.Add([]byte(`{"format":"taskagent keyring","version":1,"sha256":"x","keys":[{}]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "keyring.json")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		kr, err := keyring.Open(path, keyring.Options{})
		if err != nil {
			return
		}
		if _, err := kr.Sign(identity.Claims{}); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	for _, alg := range []string{identity.RS256, identity.EdDSA} {
		b.Run(alg, func(b *testing.B) {
			c := newClock()
			kr, err := keyring.Create(filepath.Join(b.TempDir(), "k"), keyring.Options{Algorithm: alg, Now: c.Now})
			if err != nil {
				b.Fatal(err)
			}
			claims := c.claims(time.Hour)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := kr.Sign(claims); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
