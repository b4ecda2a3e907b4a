package identity_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/taskagent/taskagent/identity"
)

func TestVerify(t *testing.T) {
	c := sampleClaims()
	for name, raw := range map[string]string{
		"RS256":         signJose(t, jose.RS256, rsaKey(), "rsa", c),
		"EdDSA":         signJose(t, jose.EdDSA, edKey, "ed", c),
		"EdDSA by ours": signEd(t, c),
	} {
		got, err := identity.Verify(raw, keys(), identity.VerifyOptions{Now: now, Audience: identity.NomadAudience, Issuer: c.Issuer})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestVerifyTimes(t *testing.T) {
	exp := now.Add(time.Hour)
	for _, tt := range []struct {
		name   string
		claims identity.Claims
		now    time.Time
		leeway time.Duration
		want   error
	}{
		{"no times at all", identity.Claims{}, now, 0, nil},
		{"just before expiry", identity.Claims{Expiry: exp}, exp.Add(-1), 0, nil},
		{"at expiry", identity.Claims{Expiry: exp}, exp, 0, identity.ErrExpired},
		{"at expiry with leeway", identity.Claims{Expiry: exp}, exp, time.Second, nil},
		{"at the end of the leeway", identity.Claims{Expiry: exp}, exp.Add(time.Second), time.Second, identity.ErrExpired},
		{"expired in 1970", identity.Claims{Expiry: time.Unix(0, 0)}, now, 0, identity.ErrExpired},
		{"at nbf", identity.Claims{NotBefore: now}, now, 0, nil},
		{"before nbf", identity.Claims{NotBefore: now}, now.Add(-1), 0, identity.ErrNotYetValid},
		{"before nbf with leeway", identity.Claims{NotBefore: now}, now.Add(-time.Second), time.Second, nil},
		{"before iat", identity.Claims{IssuedAt: now}, now.Add(-1), 0, identity.ErrNotYetValid},
		{"before iat with leeway", identity.Claims{IssuedAt: now}, now.Add(-time.Second), time.Second, nil},
	} {
		_, err := identity.Verify(signEd(t, tt.claims), keys(), identity.VerifyOptions{Now: tt.now, Leeway: tt.leeway})
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

type failingKeys struct{ error }

func (f failingKeys) Key(string) (crypto.PublicKey, string, error) { return nil, "", f.error }

type wrongKey struct{ alg string }

func (k wrongKey) Key(string) (crypto.PublicKey, string, error) { return []byte("secret"), k.alg, nil }

func TestVerifyRefuses(t *testing.T) {
	c := sampleClaims()
	raw := signEd(t, c)
	parts := strings.Split(raw, ".")
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	down := errors.New("jwks is down")
	good := identity.VerifyOptions{Now: now}
	header := func(s string) string { return b64([]byte(s)) + "." + parts[1] + "." + parts[2] }
	for _, tt := range []struct {
		name, raw string
		keys      identity.KeySet
		o         identity.VerifyOptions
		is        error
		want      string
	}{
		{"garbage", "not-a-token", keys(), good, identity.ErrMalformed, "not a token: it is not three parts separated by dots"},
		{"body changed", parts[0] + "." + b64([]byte(`{}`)) + "." + parts[2], keys(), good, identity.ErrSignature, "token signature not valid: go-jose/go-jose: error in cryptographic primitive"},
		{"alg none", header(`{"alg":"none","kid":"ed"}`), keys(), good, identity.ErrSignature, `token signature not valid: algorithm "none" is not accepted`},
		{"HS256 with the public key", signJose(t, jose.HS256, []byte(edKey.Public().(edPub)), "ed", c), keys(), good, identity.ErrSignature, `token signature not valid: algorithm "HS256" is not accepted`},
		{"PS256", signJose(t, jose.PS256, rsaKey(), "rsa", c), keys(), good, identity.ErrSignature, `token signature not valid: algorithm "PS256" is not accepted`},
		{"ES256", signJose(t, jose.ES256, ec, "ec", c), keys(), good, identity.ErrSignature, `token signature not valid: algorithm "ES256" is not accepted`},
		{"key of the other algorithm", signJose(t, jose.EdDSA, edKey, "rsa", c), keys(), good, identity.ErrSignature, `token signature not valid: key "rsa" is not for algorithm "EdDSA"`},
		{"a key of no known type", raw, wrongKey{identity.EdDSA}, good, identity.ErrSignature, `token signature not valid: key "ed" is not for algorithm "EdDSA"`},
		{"no kid", signJose(t, jose.EdDSA, edKey, "", c), keys(), good, identity.ErrUnknownKey, "token signed with an unknown key: it names none"},
		{"unknown kid", signJose(t, jose.EdDSA, edKey, "gone", c), keys(), good, identity.ErrUnknownKey, `token signed with an unknown key: "gone"`},
		{"kid is there twice", header(`{"alg":"EdDSA","kid":"ed","kid":"rsa"}`), keys(), good, identity.ErrMalformed, `not a token: header: "kid" is there twice`},
		{"key set fails", raw, failingKeys{down}, good, down, "jwks is down"},
		{"body not claims", signEd(t, []byte(`{"exp":null}`)), keys(), good, identity.ErrMalformed, "not a token: body: claim exp is not a number of seconds"},
		{"audience", raw, keys(), identity.VerifyOptions{Now: now, Audience: "vault"}, identity.ErrAudience, `token for another audience: ["nomadproject.io"], not "vault"`},
		{"issuer", raw, keys(), identity.VerifyOptions{Now: now, Issuer: "x"}, identity.ErrIssuer, `token of another issuer: "https://taskagent.example", not "x"`},
		{"expired", raw, keys(), identity.VerifyOptions{Now: now.Add(2 * time.Hour)}, identity.ErrExpired, "token expired at 2026-05-01T13:00:00Z"},
		{"too early", raw, keys(), identity.VerifyOptions{Now: now.Add(-time.Hour)}, identity.ErrNotYetValid, "token not valid yet: not before 2026-05-01T12:00:00Z"},
	} {
		_, err := identity.Verify(tt.raw, tt.keys, tt.o)
		if !errors.Is(err, tt.is) || err.Error() != tt.want {
			t.Errorf("%s\n got %v\nwant %s", tt.name, err, tt.want)
		}
	}
}

// TestVerifyOneText: the encoding of a token cannot be varied.
func TestVerifyOneText(t *testing.T) {
	raw := signEd(t, sampleClaims())
	for i := range raw {
		// What encodings let through: the neighbour that differs in the last bit, line breaks, padding.
		for _, c := range []byte{raw[i] ^ 1, '\n', '\r', '=', ' '} {
			if raw[i] == c {
				continue
			}
			replaced := raw[:i] + string(c) + raw[i+1:]
			inserted := raw[:i] + string(c) + raw[i:]
			for _, changed := range []string{replaced, inserted} {
				if changed == raw {
					continue
				}
				if _, err := identity.Verify(changed, keys(), identity.VerifyOptions{Now: now}); err == nil {
					t.Fatalf("verified with %q at %d", c, i)
				}
			}
		}
	}
}

// FuzzVerify: never a panic, and no text but the signed one verifies.
func FuzzVerify(f *testing.F) {
	raw := signEd(f, sampleClaims())
	f.Add(raw)
	f.Add(raw + "\n")
	f.Add(strings.Replace(raw, ".", ".\n", 1))
	f.Add(raw[:len(raw)-1] + "B")
	f.Add(b64([]byte(`{"alg":"none","kid":"ed"}`)) + "." + strings.Split(raw, ".")[1] + ".")
	f.Add(b64([]byte(`{"alg":"EdDSA","kid":"ed","jwk":{"kty":"OKP"}}`)) + ".e30.AA")
	set := identity.StaticKeySet{"ed": {Public: edKey.Public(), Algorithm: identity.EdDSA}}
	f.Fuzz(func(t *testing.T, in string) {
		_, err := identity.Verify(in, set, identity.VerifyOptions{Now: now})
		if (err == nil) != (in == raw) {
			t.Fatalf("Verify(%q): %v", in, err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	for name, raw := range map[string]string{
		"RS256": signJose(b, jose.RS256, rsaKey(), "rsa", sampleClaims()),
		"EdDSA": signJose(b, jose.EdDSA, edKey, "ed", sampleClaims()),
	} {
		set := keys()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := identity.Verify(raw, set, identity.VerifyOptions{Now: now}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseInsecure(b *testing.B) {
	raw := signEd(b, sampleClaims())
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := identity.ParseInsecure(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func TestParseKeySet(t *testing.T) {
	published := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: rsaKey().Public(), KeyID: "rsa", Algorithm: "RS256", Use: "sig"},
		{Key: edKey.Public(), KeyID: "ed"},
	}}
	data, err := json.Marshal(published)
	if err != nil {
		t.Fatal(err)
	}
	set, err := identity.ParseKeySet(data)
	if err != nil {
		t.Fatal(err)
	}
	for kid, key := range keys() {
		got, alg, err := set.Key(kid)
		if err != nil || alg != key.Algorithm || !got.(interface{ Equal(crypto.PublicKey) bool }).Equal(key.Public) {
			t.Errorf("%s: %v, %s, %v", kid, got, alg, err)
		}
	}
	if len(set) != 2 {
		t.Errorf("%d keys", len(set))
	}
}

func TestParseKeySetOddities(t *testing.T) {
	x := b64(edKey.Public().(edPub))
	n := b64(rsaKey().N.Bytes())
	for _, tt := range []struct {
		name, doc string
		keys      int
		err       string
	}{
		{"none", `{"keys":[]}`, 0, ""},
		{"unknown members", `{"keys":[],"x":1}`, 0, ""},
		{"types and algorithms of others", `{"keys":[{"kty":"EC","kid":"a"},{"kty":"oct","kid":"b","k":"AA"},{"kty":"OKP","crv":"X25519","kid":"c"},` +
			`{"kty":"RSA","alg":"PS256","kid":"d","n":"` + n + `","e":"AQAB"},{"kty":"OKP","crv":"Ed25519","alg":"ES256","kid":"e"},{"kty":"NEW","kid":"f"},{}]}`, 0, ""},
		{"for encryption", `{"keys":[{"kty":"RSA","use":"enc","kid":"a","n":"!","e":"!"}]}`, 0, ""},
		{"without an id", `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"` + x + `"}]}`, 0, ""},
		{"one of them", `{"keys":[{"kty":"EC","kid":"a"},{"kty":"OKP","crv":"Ed25519","kid":"a","x":"` + x + `","d":"ignored"}]}`, 1, ""},
		{"twice", `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"` + x + `"},{"kty":"OKP","crv":"Ed25519","kid":"a","x":"` + x + `"}]}`, 0, `parse key set: key "a" is there twice`},
		{"no keys", `{}`, 0, `parse key set: it has no member keys`},
		{"keys null", `{"keys":null}`, 0, `parse key set: it has no member keys`},
		{"not JSON", `<html>`, 0, `parse key set: invalid character '<' looking for beginning of value`},
		{"short x", `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"AA"}]}`, 0, `parse key set: key "a": x is not 32 bytes in base64url`},
		{"small n", `{"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}]}`, 0, `parse key set: key "a": n has 17 bits, not 2048 to 8192`},
		{"n not base64", `{"keys":[{"kty":"RSA","kid":"a","n":"+/","e":"AQAB"}]}`, 0, `parse key set: key "a": n is not base64url`},
		{"no e", `{"keys":[{"kty":"RSA","kid":"a","n":"` + n + `"}]}`, 0, `parse key set: key "a": e is not an odd number from 3 to 2^31-1`},
		{"e of 1", `{"keys":[{"kty":"RSA","kid":"a","n":"` + n + `","e":"AQ"}]}`, 0, `parse key set: key "a": e is not an odd number from 3 to 2^31-1`},
		{"huge e", `{"keys":[{"kty":"RSA","kid":"a","n":"` + n + `","e":"AQAAAAAB"}]}`, 0, `parse key set: key "a": e is not an odd number from 3 to 2^31-1`},
		{"huge", `{"keys":[]` + strings.Repeat(" ", 1<<20) + `}`, 0, `parse key set: it is longer than 1048576 bytes`},
	} {
		set, err := identity.ParseKeySet([]byte(tt.doc))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != tt.err || len(set) != tt.keys {
			t.Errorf("%s: %d keys and %q, want %d and %q", tt.name, len(set), got, tt.keys, tt.err)
		}
	}
}

// FuzzParseKeySet: no panic, and every key of a set can be asked to verify.
func FuzzParseKeySet(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"` + b64(edKey.Public().(edPub)) + `"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","kid":"ed","n":"` + b64(rsaKey().N.Bytes()) + `","e":"AQAB"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","kid":"x"}]}`))
	f.Add([]byte(`{"keys":{}}`))
	raw := signEd(f, sampleClaims())
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := identity.ParseKeySet(data)
		if err != nil {
			return
		}
		for kid := range set {
			if kid == "" {
				t.Fatal("a key without an id")
			}
		}
		_, _ = identity.Verify(raw, set, identity.VerifyOptions{Now: now})
	})
}
