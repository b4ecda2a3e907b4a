package keyring

import (
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"time"

	"github.com/taskagent/taskagent/identity"
)

// Meta describes a key, without any secret. Its JSON form is an element of what
// Nomad's /v1/operator/keyring/keys answers.
type Meta struct {
	KeyID string
	// Algorithm is that of the data key, always aes256-gcm.
	Algorithm string
	// CreateTime and PublishTime are nanoseconds since 1970; PublishTime is zero
	// unless the key is, or was once, prepublished.
	CreateTime  int64
	CreateIndex uint64
	ModifyIndex uint64
	State       State
	PublishTime int64
}

func (k *key) meta() Meta {
	m := Meta{
		KeyID: k.ID, Algorithm: "aes256-gcm", CreateTime: k.Created.UnixNano(),
		CreateIndex: k.CreateIndex, ModifyIndex: k.ModifyIndex, State: k.State,
	}
	if !k.PublishAt.IsZero() {
		m.PublishTime = k.PublishAt.UnixNano()
	}
	return m
}

// List returns all keys, oldest first.
func (kr *Keyring) List() []Meta {
	keys := kr.ring.Load().keys
	list := make([]Meta, len(keys))
	for i, k := range keys {
		list[i] = k.meta()
	}
	return list
}

// JWKS returns the JSON Web Key Set of all keys: those not yet active too, so
// that verifiers know them in time. The bytes are shared: do not write to them.
func (kr *Keyring) JWKS() []byte { return kr.ring.Load().jwks }

// MaxAge returns how long a verifier may keep the key set: well under the time
// a key is published before it signs. A rotation by hand does not wait for it;
// verifiers ask again when they meet a key they do not know.
func (kr *Keyring) MaxAge() time.Duration { return min(kr.o.RotateEvery/4, time.Hour) }

// jwk has its members in the order Nomad writes them.
type jwk struct {
	Use string `json:"use"`
	Kty string `json:"kty"`
	Kid string `json:"kid"`
	Crv string `json:"crv,omitempty"`
	Alg string `json:"alg"`
	N   string `json:"n,omitempty"`
	E   string `json:"e,omitempty"`
	X   string `json:"x,omitempty"`
}

func encodeJWKS(keys []*key) []byte {
	b64 := base64.RawURLEncoding.EncodeToString
	doc := struct {
		Keys []jwk `json:"keys"`
	}{make([]jwk, 0, len(keys))}
	for _, k := range keys {
		j := jwk{Use: "sig", Kid: k.ID, Alg: k.Algorithm}
		switch pub := k.signer.Public().(type) {
		case *rsa.PublicKey:
			j.Kty, j.N, j.E = "RSA", b64(pub.N.Bytes()), b64(big.NewInt(int64(pub.E)).Bytes())
		case ed25519.PublicKey:
			j.Kty, j.Crv, j.X = "OKP", "Ed25519", b64(pub)
		}
		doc.Keys = append(doc.Keys, j)
	}
	data, err := json.Marshal(doc)
	if err != nil {
		panic("keyring: a struct of strings does not encode: " + err.Error())
	}
	return data
}

var _ identity.KeySet = (*Keyring)(nil)
