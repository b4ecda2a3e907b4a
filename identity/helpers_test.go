package identity_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/taskagent/taskagent/identity"
)

// now is the time that tokens of these tests are signed at.
var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

type edPub = ed25519.PublicKey

var edKey = ed25519.NewKeyFromSeed([]byte("taskagent: a key for tests only."))

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// keys has "ed" and "rsa".
func keys() identity.StaticKeySet {
	return identity.StaticKeySet{
		"ed":  {Public: edKey.Public(), Algorithm: identity.EdDSA},
		"rsa": {Public: rsaKey().Public(), Algorithm: identity.RS256},
	}
}

func sampleClaims() identity.Claims {
	return identity.Claims{
		Issuer: "https://taskagent.example", Subject: "global:default:example:cache:redis:default", ID: "1f0b9c1e-7e27-4b0f-a3a4-7a1cf4e2c3f0",
		Audience: []string{"nomadproject.io"}, IssuedAt: now, NotBefore: now, Expiry: now.Add(time.Hour),
		Namespace: "default", JobID: "example", AllocationID: "5c4c8f7d-2a7b-4ff1-8a4f-6f3f4a3a2b1c", Task: "redis",
	}
}

// signEd signs with "ed" and no library in between.
func signEd(t testing.TB, body any) string {
	t.Helper()
	return signEdHeader(t, `{"alg":"EdDSA","kid":"ed","typ":"JWT"}`, body)
}

func signEdHeader(t testing.TB, header string, body any) string {
	t.Helper()
	data, ok := body.([]byte)
	if !ok {
		var err error
		if data, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	head := b64([]byte(header)) + "." + b64(data)
	return head + "." + b64(ed25519.Sign(edKey, []byte(head)))
}

// signJose signs as another implementation does it.
func signJose(t testing.TB, alg jose.SignatureAlgorithm, key crypto.PrivateKey, kid string, body any) string {
	t.Helper()
	opts := (&jose.SignerOptions{}).WithType("JWT")
	if kid != "" {
		opts = opts.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(data)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }
