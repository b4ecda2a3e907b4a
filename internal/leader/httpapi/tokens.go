package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/taskagent/taskagent/internal/leader/state"
)

// The bounds of a token.
const (
	maxTokenName = 256
	minTokenTTL  = time.Minute
	maxTokenTTL  = 24 * time.Hour
)

// roleLink is a role of a token. There are none here.
type roleLink struct{ ID, Name string }

// tokenStub is a token in a list.
type tokenStub struct {
	AccessorID     string
	Name           string
	Type           string
	Policies       []string
	Roles          []roleLink
	Global         bool
	Hash           []byte
	CreateTime     time.Time
	ExpirationTime *time.Time
	CreateIndex    uint64
	ModifyIndex    uint64
}

// tokenJSON is a token as clients see it.
type tokenJSON struct {
	tokenStub
	SecretID      string
	ExpirationTTL string
}

// filterToken is what a filter sees of a token: Nomad's struct as it is in Go.
type filterToken struct {
	AccessorID     string
	SecretID       string
	Name           string
	Type           string
	Policies       []string
	Roles          []roleLink
	Global         bool
	Hash           []byte
	CreateTime     time.Time
	ExpirationTime *time.Time
	ExpirationTTL  time.Duration
	CreateIndex    uint64
	ModifyIndex    uint64
}

func showTokenStub(t *state.Token) tokenStub {
	return tokenStub{
		AccessorID: t.AccessorID, Name: t.Name, Type: t.Type, Policies: t.Policies, Global: t.Global, Hash: t.Hash(),
		CreateTime: t.CreateTime, ExpirationTime: t.ExpirationTime, CreateIndex: t.CreateIndex, ModifyIndex: t.ModifyIndex,
	}
}

func (c *call) showToken(t *state.Token) (*tokenJSON, error) {
	secret, err := c.api.Store.TokenSecret(t)
	if err != nil {
		return nil, fmt.Errorf("read the secret of token %s: %w", t.AccessorID, err)
	}
	out := &tokenJSON{tokenStub: showTokenStub(t), SecretID: secret}
	if t.ExpirationTTL != 0 {
		out.ExpirationTTL = t.ExpirationTTL.String()
	}
	return out, nil
}

// listTokens answers /v1/acl/tokens.
func (c *call) listTokens() (any, error) {
	if err := c.get(); err != nil {
		return nil, err
	}
	var answer []tokenStub
	err := c.block(c.watchTable(state.TableTokens), func(who *caller) (uint64, error) {
		if !who.acl.IsManagement() {
			return 0, errDenied
		}
		index := c.api.Store.Index(state.TableTokens)
		list, next, err := c.tokenPage(c.api.Store.Tokens())
		if err != nil {
			return 0, err
		}
		answer = list
		c.setMeta(index)
		c.setNextToken(next)
		return index, nil
	})
	if err != nil {
		return nil, err
	}
	return answer, nil
}

// tokenPage picks a page of the tokens: in the order they were created, or of
// their accessors where those have to begin with a prefix.
func (c *call) tokenPage(list []*state.Token) ([]tokenStub, string, error) {
	page, err := c.newPager()
	if err != nil {
		return nil, "", err
	}
	byID := c.prefix != ""
	if byID {
		slices.SortFunc(list, func(a, b *state.Token) int { return strings.Compare(a.AccessorID, b.AccessorID) })
	}
	if c.reverse {
		slices.Reverse(list)
	}
	out := []tokenStub{}
	for _, t := range list {
		if !strings.HasPrefix(t.AccessorID, c.prefix) {
			continue
		}
		var tok token = indexToken{t.CreateIndex, t.AccessorID}
		if byID {
			tok = idToken(t.AccessorID)
		}
		take, full, err := page.offer(tok, func() any { return filterableToken(t) })
		if err != nil {
			return nil, "", err
		}
		if full {
			break
		}
		if take {
			out = append(out, showTokenStub(t))
		}
	}
	return out, page.next, nil
}

// filterableToken leaves the secret out: nobody has to look for that.
func filterableToken(t *state.Token) *filterToken {
	return &filterToken{
		AccessorID: t.AccessorID, Name: t.Name, Type: t.Type, Policies: t.Policies, Global: t.Global, Hash: t.Hash(),
		CreateTime: t.CreateTime, ExpirationTime: t.ExpirationTime, ExpirationTTL: t.ExpirationTTL,
		CreateIndex: t.CreateIndex, ModifyIndex: t.ModifyIndex,
	}
}

// ownToken answers /v1/acl/token/self.
func (c *call) ownToken() (any, error) {
	if err := c.get(); err != nil {
		return nil, err
	}
	who, err := c.reader()
	if err != nil {
		return nil, err
	}
	switch {
	case who.token != nil:
		c.setMeta(who.token.ModifyIndex)
		return c.showToken(who.token)
	case who.workload != nil:
		c.setMeta(0)
		return nil, coded(http.StatusNotFound, "ACL token not found")
	case who.anonymous:
		c.setMeta(0)
		return &tokenJSON{tokenStub: tokenStub{AccessorID: "anonymous", Name: "Anonymous Token", Type: state.TokenClient, Policies: who.policies}}, nil
	default:
		c.setMeta(0)
		return &tokenJSON{tokenStub: tokenStub{AccessorID: "operator", Name: "Operator", Type: state.TokenManagement, Global: true}}, nil
	}
}

// createToken answers /v1/acl/token.
func (c *call) createToken() (any, error) {
	if err := c.put(); err != nil {
		return nil, err
	}
	return c.putToken("")
}

// token answers /v1/acl/token/….
func (c *call) token() (any, error) {
	return c.named("/v1/acl/token/", "Missing Token Accessor", c.readToken, c.putToken, c.deleteToken)
}

// errAccessor is what Nomad's database says to an accessor it cannot look up.
const errAccessor = "acl token lookup failed: index error: UUID must be 36 characters"

// readToken answers with a token to a management token, or to itself.
func (c *call) readToken(accessor string) (any, error) {
	if _, err := c.reader(); err != nil {
		return nil, err
	}
	if len(accessor) != 36 {
		return nil, coded(http.StatusInternalServerError, errAccessor)
	}
	var found *state.Token
	watch := func() *state.Watcher { return c.api.Store.WatchOne(state.TableTokens, accessor) }
	err := c.block(watch, func(who *caller) (uint64, error) {
		found = c.api.Store.Token(accessor)
		index := c.api.Store.Index(state.TableTokens)
		own := found != nil && who.token != nil && who.token.AccessorID == accessor
		if !own && !who.acl.IsManagement() {
			return 0, errDenied
		}
		if found != nil {
			index = found.ModifyIndex
		}
		c.setMeta(index)
		return index, nil
	})
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, coded(http.StatusNotFound, "ACL token not found")
	}
	return c.showToken(found)
}

func (c *call) deleteToken(accessor string) (any, error) {
	if _, err := c.manager(); err != nil {
		return nil, err
	}
	if len(accessor) != 36 {
		return nil, badRequest("token lookup failed: " + errAccessor)
	}
	index, err := c.api.Store.DeleteToken(accessor)
	if errors.Is(err, state.ErrNotFound) {
		return nil, badRequest("Cannot delete nonexistent tokens: %s", accessor)
	}
	if err != nil {
		return nil, err
	}
	c.setIndex(index)
	return nil, nil
}
