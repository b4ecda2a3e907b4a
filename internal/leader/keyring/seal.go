package keyring

import (
	"crypto/rand"
	"errors"
	"fmt"
)

// ErrSealed is what Decrypt's errors match when the sealed bytes, or what they
// were bound to, are not those that Encrypt saw.
var ErrSealed = errors.New("does not decrypt: damaged, or moved from another place")

// Encrypt seals plain with the active key's data key (AES-256-GCM) and binds it
// to aad, which Decrypt needs again. It returns the id of the key. To be safe
// against the key's removal, the caller stores the result before it lets
// Hooks.Variables answer.
func (kr *Keyring) Encrypt(plain, aad []byte) (keyID string, sealed []byte, err error) {
	k := kr.ring.Load().active
	// A random nonce of 96 bits is good for 2^32 messages of one key.
	nonce := make([]byte, k.aead.NonceSize(), k.aead.NonceSize()+len(plain)+k.aead.Overhead())
	rand.Read(nonce)
	return k.ID, k.aead.Seal(nonce, nonce, plain, aad), nil
}

// Decrypt opens what Encrypt sealed. Its error matches ErrNoKey when the key is
// not there any more, ErrSealed when the bytes are not what was sealed.
func (kr *Keyring) Decrypt(keyID string, sealed, aad []byte) ([]byte, error) {
	k, ok := kr.ring.Load().byID[keyID]
	if !ok {
		return nil, fmt.Errorf("decrypt: %w: %.64q", ErrNoKey, keyID)
	}
	if len(sealed) < k.aead.NonceSize() {
		return nil, fmt.Errorf("decrypt with key %s: %w", keyID, ErrSealed)
	}
	nonce, box := sealed[:k.aead.NonceSize()], sealed[k.aead.NonceSize():]
	plain, err := k.aead.Open(nil, nonce, box, aad)
	if err != nil {
		return nil, fmt.Errorf("decrypt with key %s: %w", keyID, ErrSealed)
	}
	return plain, nil
}
