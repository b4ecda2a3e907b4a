package keyring

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/taskagent/taskagent/identity"
)

// rsaBits is what RS256 asks for at least, and what Nomad uses.
const rsaBits = 2048

// dataKeySize is that of AES-256.
const dataKeySize = 32

// A State is where a key is in its life.
type State string

// The states of a key, in Nomad's words.
const (
	StatePrepublished State = "prepublished"
	StateActive       State = "active"
	StateRekeying     State = "rekeying"
	StateInactive     State = "inactive"
)

// record is what the file says about a key.
type record struct {
	ID        string `json:"id"`
	Algorithm string `json:"alg"`
	State     State  `json:"state"`
	// Created, PublishAt (when a prepublished key becomes active) and Retired (when
	// an active one ceased to be) are zero where they do not apply.
	Created   time.Time `json:"created"`
	PublishAt time.Time `json:"publish_at,omitzero"`
	Retired   time.Time `json:"retired,omitzero"`
	// MaxTTL bounds the lifetime of what the key has signed; Forever tells that it
	// has signed a token without an expiry.
	MaxTTL      time.Duration `json:"max_ttl,omitempty"`
	Forever     bool          `json:"forever,omitempty"`
	CreateIndex uint64        `json:"create_index"`
	ModifyIndex uint64        `json:"modify_index"`
	SigningKey  []byte        `json:"signing_key"` // PKCS #8
	DataKey     []byte        `json:"data_key"`
}

// key is a record that has proved usable.
type key struct {
	record
	signer crypto.Signer
	header string // of a token, encoded
	aead   cipher.AEAD
}

// newKey makes the material for a key. RSA takes some hundred milliseconds.
func newKey(alg string, now time.Time) (*key, error) {
	var private any
	var err error
	switch alg {
	case identity.RS256:
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case identity.EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		return nil, fmt.Errorf("make a key for %s: %w", alg, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("make a key for %s: %w", alg, err)
	}
	data := make([]byte, dataKeySize)
	rand.Read(data)
	return record{
		ID: newUUID(), Algorithm: alg, Created: now.UTC().Round(0), SigningKey: der, DataKey: data,
	}.use()
}

// use makes a key of the record, or says what is wrong with it.
func (r record) use() (*key, error) {
	k := &key{record: r}
	if r.ID == "" {
		return nil, errors.New("a key has no id")
	}
	switch r.State {
	case StatePrepublished, StateActive, StateRekeying, StateInactive, "":
	default:
		return nil, fmt.Errorf("key %s: state %q is not known", r.ID, r.State)
	}
	private, err := x509.ParsePKCS8PrivateKey(r.SigningKey)
	if err != nil {
		return nil, fmt.Errorf("key %s: signing key: not PKCS #8", r.ID) // the cause may quote the key
	}
	switch p := private.(type) {
	case *rsa.PrivateKey:
		if r.Algorithm != identity.RS256 || p.N.BitLen() < rsaBits {
			return nil, fmt.Errorf("key %s: signing key of %d bits does not fit algorithm %q", r.ID, p.N.BitLen(), r.Algorithm)
		}
		p.Precompute()
		k.signer = p
	case ed25519.PrivateKey:
		if r.Algorithm != identity.EdDSA {
			return nil, fmt.Errorf("key %s: Ed25519 signing key does not fit algorithm %q", r.ID, r.Algorithm)
		}
		k.signer = p
	default:
		return nil, fmt.Errorf("key %s: signing key is neither RSA nor Ed25519", r.ID)
	}
	if len(r.DataKey) != dataKeySize {
		return nil, fmt.Errorf("key %s: data key has %d bytes, not %d", r.ID, len(r.DataKey), dataKeySize)
	}
	block, err := aes.NewCipher(r.DataKey)
	if err != nil {
		return nil, fmt.Errorf("key %s: data key: %w", r.ID, err)
	}
	if k.aead, err = cipher.NewGCM(block); err != nil {
		return nil, fmt.Errorf("key %s: data key: %w", r.ID, err)
	}
	header := fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":"JWT"}`, r.Algorithm, r.ID)
	k.header = base64.RawURLEncoding.EncodeToString([]byte(header))
	return k, nil
}

// sign returns the token with that body.
func (k *key) sign(body []byte) (string, error) {
	enc := base64.RawURLEncoding
	token := make([]byte, 0, len(k.header)+2+enc.EncodedLen(len(body))+enc.EncodedLen(rsaBits/8))
	token = append(token, k.header...)
	token = append(token, '.')
	token = enc.AppendEncode(token, body)

	var signature []byte
	var err error
	switch p := k.signer.(type) {
	case *rsa.PrivateKey:
		sum := sha256.Sum256(token)
		signature, err = rsa.SignPKCS1v15(nil, p, crypto.SHA256, sum[:])
	case ed25519.PrivateKey:
		signature = ed25519.Sign(p, token)
	}
	if err != nil {
		return "", fmt.Errorf("sign with key %s: %w", k.ID, err)
	}
	token = append(token, '.')
	return string(enc.AppendEncode(token, signature)), nil
}

// newUUID returns a random (version 4) UUID.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
