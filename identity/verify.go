package identity

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// What can be wrong with a token. Errors of this package match one of these
// with errors.Is, and wrap the cause where there is one.
var (
	ErrMalformed   = errors.New("not a token")
	ErrUnknownKey  = errors.New("token signed with an unknown key")
	ErrSignature   = errors.New("token signature not valid")
	ErrExpired     = errors.New("token expired")
	ErrNotYetValid = errors.New("token not valid yet")
	ErrAudience    = errors.New("token for another audience")
	ErrIssuer      = errors.New("token of another issuer")
)

// The signature algorithms that are accepted.
const (
	RS256 = "RS256"
	EdDSA = "EdDSA"
)

// KeySet finds the public key a token was signed with.
type KeySet interface {
	// Key returns the key of that id, an *rsa.PublicKey or ed25519.PublicKey, and
	// the one algorithm it may be used with. Its error should match ErrUnknownKey
	// when there is no such key; any other error is passed on as it is.
	Key(kid string) (key crypto.PublicKey, alg string, err error)
}

// VerifyOptions says what else than the signature a token has to satisfy.
type VerifyOptions struct {
	// Audience and Issuer must be the token's. Empty ones are not checked.
	Audience string
	Issuer   string
	// Now is the time to judge by; zero means the present.
	Now time.Time
	// Leeway is how far clocks may differ: a token counts that much longer, and
	// earlier. Zero means not at all.
	Leeway time.Duration
}

// Verify checks the signature of a token, then its times, issuer and audience,
// and returns its claims. A token without an expiry never expires. The claims
// are returned with an error, too, when the signature was good and only another
// check failed; with ErrMalformed, ErrUnknownKey and ErrSignature they are empty.
//
// It does not know whether the token was revoked.
func Verify(raw string, keys KeySet, o VerifyOptions) (Claims, error) {
	body, err := verifySignature(raw, keys)
	if err != nil {
		return Claims{}, err
	}
	var c Claims
	if err := c.UnmarshalJSON(body); err != nil {
		return Claims{}, fmt.Errorf("%w: body: %w", ErrMalformed, err)
	}
	return c, o.check(c)
}

// verifySignature returns the body of a token whose signature is good.
func verifySignature(raw string, keys KeySet) ([]byte, error) {
	header, err := ParseHeaderInsecure(raw)
	if err != nil {
		return nil, err
	}
	switch header.Algorithm {
	case RS256, EdDSA:
	default:
		return nil, fmt.Errorf("%w: algorithm %.32q is not accepted", ErrSignature, header.Algorithm)
	}
	if header.KeyID == "" {
		return nil, fmt.Errorf("%w: it names none", ErrUnknownKey)
	}
	key, alg, err := keys.Key(header.KeyID)
	if err != nil {
		return nil, err
	}
	// The key decides the algorithm, not whoever wrote the header.
	if alg != header.Algorithm || !keyFits(key, alg) {
		return nil, fmt.Errorf("%w: key %.64q is not for algorithm %q", ErrSignature, header.KeyID, header.Algorithm)
	}
	sig, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256, jose.EdDSA})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	body, err := sig.Verify(key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return body, nil
}

func keyFits(key crypto.PublicKey, alg string) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return alg == RS256
	case ed25519.PublicKey:
		return alg == EdDSA && len(k) == ed25519.PublicKeySize
	}
	return false
}

func (o VerifyOptions) check(c Claims) error {
	now := o.Now
	if now.IsZero() {
		now = time.Now()
	}
	switch {
	case !c.Expiry.IsZero() && !now.Before(c.Expiry.Add(o.Leeway)):
		return fmt.Errorf("%w at %s", ErrExpired, stamp(c.Expiry))
	case now.Add(o.Leeway).Before(c.NotBefore):
		return fmt.Errorf("%w: not before %s", ErrNotYetValid, stamp(c.NotBefore))
	case now.Add(o.Leeway).Before(c.IssuedAt):
		return fmt.Errorf("%w: issued at %s", ErrNotYetValid, stamp(c.IssuedAt))
	case o.Issuer != "" && c.Issuer != o.Issuer:
		return fmt.Errorf("%w: %q, not %q", ErrIssuer, c.Issuer, o.Issuer)
	case o.Audience != "" && !c.HasAudience(o.Audience):
		return fmt.Errorf("%w: %q, not %q", ErrAudience, c.Audience, o.Audience)
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
