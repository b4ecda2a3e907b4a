package filewatch

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
)

// CompleteToken reports whether data, less white space around it, has the form
// of a whole JWT in compact form: it is an Options.Valid. A token cut short
// somewhere in its signature still has three parts, so the signature has to have
// the length that its algorithm asks for. Nothing is verified.
func CompleteToken(data []byte) bool {
	parts := bytes.Split(bytes.TrimSpace(data), []byte("."))
	if len(parts) != 3 {
		return false
	}
	var decoded [3][]byte
	for i, part := range parts {
		decoded[i] = make([]byte, base64.RawURLEncoding.DecodedLen(len(part)))
		n, err := base64.RawURLEncoding.Decode(decoded[i], part)
		if err != nil || n == 0 || bytes.ContainsAny(part, "\r\n") { // which base64 skips
			return false
		}
		decoded[i] = decoded[i][:n]
	}
	var header struct {
		Alg string `json:"alg"`
	}
	if json.Unmarshal(decoded[0], &header) != nil || !json.Valid(decoded[1]) {
		return false
	}
	return len(decoded[2]) >= minSignature(header.Alg)
}

// minSignature is the length of the shortest signature of an algorithm in
// bytes, 1 for one that is not known here.
func minSignature(alg string) int {
	switch alg {
	case "RS256", "RS384", "RS512", "PS256", "PS384", "PS512":
		return 256
	case "EdDSA", "Ed25519", "ES256", "ES256K":
		return 64
	case "ES384":
		return 96
	case "ES512":
		return 132
	}
	return 1
}
