package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/taskagent/taskagent/internal/leader/state"
)

// tokenBody is a token as clients send it.
type tokenBody struct {
	AccessorID     string
	SecretID       string
	Name           string
	Type           string
	Policies       []string
	Roles          []roleLink
	Global         bool
	CreateTime     time.Time
	ExpirationTime *time.Time
	ExpirationTTL  duration
}

// putToken creates or updates a token; accessor is that of the URL, if any.
func (c *call) putToken(accessor string) (any, error) {
	var body tokenBody
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	if accessor != "" && body.AccessorID != accessor {
		return nil, badRequest("ACL token accessor does not match request path")
	}
	if _, err := c.manager(); err != nil {
		return nil, err
	}
	existing, err := c.existingToken(&body)
	if err != nil {
		return nil, err
	}
	body.canonicalize(c.api.Now().UTC(), existing)
	if err := body.check(existing); err != nil {
		return nil, badRequest("token 0 invalid: %v", err)
	}
	if len(body.Roles) > 0 {
		r := body.Roles[0]
		if r.ID == "" {
			r.ID = r.Name
		}
		return nil, badRequest("cannot find role %s", r.ID)
	}
	if existing == nil && c.api.Store.TokenBySecret(body.SecretID) != nil {
		return nil, badRequest("the secret is that of another token")
	}
	kept, index, err := c.api.Store.PutToken(&state.Token{
		AccessorID: body.AccessorID, Name: body.Name, Type: body.Type, Policies: body.Policies, Global: body.Global,
		CreateTime: body.CreateTime, ExpirationTime: body.ExpirationTime, ExpirationTTL: time.Duration(body.ExpirationTTL),
	}, body.SecretID)
	if err != nil {
		return nil, err
	}
	c.setIndex(index)
	return c.showToken(kept)
}

// existingToken returns the token that is to be updated, nil for a new one. A
// client token may be brought along with both its ids.
func (c *call) existingToken(b *tokenBody) (*state.Token, error) {
	if b.AccessorID == "" {
		return nil, nil
	}
	if len(b.AccessorID) != 36 {
		return nil, coded(http.StatusInternalServerError, "token lookup failed: "+errAccessor)
	}
	t := c.api.Store.Token(b.AccessorID)
	if t == nil && (!state.IsID(b.AccessorID) || !state.IsID(b.SecretID) || b.Type == state.TokenManagement) {
		return nil, badRequest("cannot find token %s", b.AccessorID)
	}
	return t, nil
}

// canonicalize fills in what a new token does not say.
func (b *tokenBody) canonicalize(now time.Time, existing *state.Token) {
	if existing != nil {
		return
	}
	if b.AccessorID == "" {
		b.AccessorID, b.SecretID = state.NewID(), state.NewID()
	}
	b.CreateTime = now
	if b.ExpirationTime != nil && b.ExpirationTime.IsZero() {
		b.ExpirationTime = nil
	}
	if b.ExpirationTime == nil && b.ExpirationTTL != 0 {
		at := now.Add(time.Duration(b.ExpirationTTL))
		b.ExpirationTime = &at
	}
}

// check refuses what a token cannot be, or become.
func (b *tokenBody) check(existing *state.Token) error {
	var bad []string
	if len(b.Name) > maxTokenName {
		bad = append(bad, "token name too long")
	}
	linked := len(b.Policies) > 0 || len(b.Roles) > 0
	switch b.Type {
	case state.TokenClient:
		if !linked {
			bad = append(bad, "client token missing policies or roles")
		}
	case state.TokenManagement:
		if linked {
			bad = append(bad, "management token cannot be associated with policies or roles")
		}
	default:
		bad = append(bad, "token type must be client or management")
	}
	if existing == nil {
		return problems(append(bad, b.checkLife()...))
	}
	if existing.Global != b.Global {
		bad = append(bad, "cannot toggle global mode")
	}
	if existing.ExpirationTTL != time.Duration(b.ExpirationTTL) {
		bad = append(bad, "cannot update expiration TTL")
	}
	if t := b.ExpirationTime; t != nil && (existing.ExpirationTime == nil || !existing.ExpirationTime.Equal(*t)) {
		bad = append(bad, "cannot update expiration time")
	}
	return problems(bad)
}

// checkLife refuses a new token that lives too short or too long.
func (b *tokenBody) checkLife() (bad []string) {
	if b.ExpirationTTL < 0 {
		bad = append(bad, fmt.Sprintf("token expiration TTL '%s' should not be negative", time.Duration(b.ExpirationTTL)))
	}
	if b.ExpirationTime == nil || b.ExpirationTime.IsZero() {
		return bad
	}
	if b.CreateTime.After(*b.ExpirationTime) {
		bad = append(bad, "expiration time cannot be before create time")
	}
	switch life := b.ExpirationTime.Sub(b.CreateTime); {
	case life > maxTokenTTL:
		bad = append(bad, fmt.Sprintf("expiration time cannot be more than %s in the future (was %s)", maxTokenTTL, life))
	case life < minTokenTTL:
		bad = append(bad, fmt.Sprintf("expiration time cannot be less than %s in the future (was %s)", minTokenTTL, life))
	}
	return bad
}

// bootstrap answers /v1/acl/bootstrap: the management token was made with the data
// directory, so it is done already, unless the leader was told to allow it once.
func (c *call) bootstrap() (any, error) {
	if err := c.put(); err != nil {
		return nil, err
	}
	var body struct{ BootstrapSecret string }
	if c.r.ContentLength != 0 {
		if err := c.decode(&body); err != nil {
			return nil, badRequest("failed to decode request body: %v", err)
		}
	}
	if err := c.region(); err != nil {
		return nil, err
	}
	done := func() error {
		return badRequest("ACL bootstrap already done (reset index: %d)", max(1, c.api.Store.Bootstrapped()))
	}
	if !c.api.OpenBootstrap || c.api.Store.Bootstrapped() != 0 {
		return nil, done()
	}
	secret := body.BootstrapSecret
	switch {
	case secret == "":
		secret = state.NewID()
	case !state.IsID(secret):
		return nil, badRequest("invalid acl token")
	}
	t, index, err := c.api.Store.Bootstrap(secret)
	if errors.Is(err, state.ErrBootstrapped) {
		return nil, done()
	}
	if err != nil {
		return nil, err
	}
	c.setIndex(index)
	return c.showToken(t)
}
