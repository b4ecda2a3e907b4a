package identity

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
)

// Limits on the keys of a key set. RFC 7518 asks for RSA keys of 2048 bits at
// least; beyond the upper one, verifying is a way to keep a machine busy.
const (
	minRSABits    = 2048
	maxRSABits    = 8192
	maxKeySetSize = 1 << 20
)

// StaticKeySet is a fixed set of keys by key id. It is not to be changed once
// in use.
type StaticKeySet map[string]StaticKey

// StaticKey is a public key and the algorithm it is for.
type StaticKey struct {
	Public    crypto.PublicKey // *rsa.PublicKey or ed25519.PublicKey
	Algorithm string           // RS256 or EdDSA
}

// Key returns the key of that id. Its error matches ErrUnknownKey.
func (s StaticKeySet) Key(kid string) (crypto.PublicKey, string, error) {
	k, ok := s[kid]
	if !ok {
		return nil, "", fmt.Errorf("%w: %.64q", ErrUnknownKey, kid)
	}
	return k.Public, k.Algorithm, nil
}

// jwk has the members of RFC 7517 that are looked at.
type jwk struct {
	Kty string `json:"kty"`
	Use string `json:"use"`
	Kid string `json:"kid"`
	Alg string `json:"alg"`
	Crv string `json:"crv"`
	N   string `json:"n"`
	E   string `json:"e"`
	X   string `json:"x"`
}

// ParseKeySet reads a JSON Web Key Set. Keys that this package could not use are
// left out: other types, curves and algorithms, keys for encryption, keys
// without an id. A key it could use but cannot read is an error, as is an id
// given twice. A set without any usable key is empty, not an error.
func ParseKeySet(data []byte) (StaticKeySet, error) {
	if len(data) > maxKeySetSize {
		return nil, fmt.Errorf("parse key set: it is longer than %d bytes", maxKeySetSize)
	}
	var doc struct {
		Keys *[]jwk `json:"keys"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("parse key set: %w", err)
	}
	if doc.Keys == nil {
		return nil, errors.New("parse key set: it has no member keys")
	}
	set := make(StaticKeySet, len(*doc.Keys))
	for _, k := range *doc.Keys {
		key, err := k.key()
		if err != nil {
			return nil, fmt.Errorf("parse key set: key %q: %w", k.Kid, err)
		}
		if key.Public == nil || k.Kid == "" {
			continue
		}
		if _, twice := set[k.Kid]; twice {
			return nil, fmt.Errorf("parse key set: key %q is there twice", k.Kid)
		}
		set[k.Kid] = key
	}
	return set, nil
}

// key returns the zero StaticKey for a key that is not of use here.
func (k jwk) key() (StaticKey, error) {
	if k.Use != "" && k.Use != "sig" {
		return StaticKey{}, nil
	}
	switch {
	case k.Kty == "RSA" && (k.Alg == "" || k.Alg == RS256):
		pub, err := k.rsa()
		if err != nil {
			return StaticKey{}, err
		}
		return StaticKey{pub, RS256}, nil
	case k.Kty == "OKP" && k.Crv == "Ed25519" && (k.Alg == "" || k.Alg == EdDSA):
		x, err := base64.RawURLEncoding.DecodeString(k.X)
		if err != nil || len(x) != ed25519.PublicKeySize {
			return StaticKey{}, fmt.Errorf("x is not %d bytes in base64url", ed25519.PublicKeySize)
		}
		return StaticKey{ed25519.PublicKey(x), EdDSA}, nil
	}
	return StaticKey{}, nil
}

func (k jwk) rsa() (*rsa.PublicKey, error) {
	n, err := base64.RawURLEncoding.DecodeString(k.N)
	if err != nil {
		return nil, errors.New("n is not base64url")
	}
	e, err := base64.RawURLEncoding.DecodeString(k.E)
	if err != nil {
		return nil, errors.New("e is not base64url")
	}
	modulus, exponent := new(big.Int).SetBytes(n), new(big.Int).SetBytes(e)
	if bits := modulus.BitLen(); bits < minRSABits || bits > maxRSABits {
		return nil, fmt.Errorf("n has %d bits, not %d to %d", bits, minRSABits, maxRSABits)
	}
	if exponent.BitLen() > 31 || exponent.Int64() < 3 || exponent.Bit(0) == 0 {
		return nil, errors.New("e is not an odd number from 3 to 2^31-1")
	}
	return &rsa.PublicKey{N: modulus, E: int(exponent.Int64())}, nil
}
