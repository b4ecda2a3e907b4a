package httpapi

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/taskagent/taskagent/internal/leader/state"
)

// jwks answers with the keys that identities are verified with. Nothing in it is
// secret: a token, good or not, is not looked at here.
func (c *call) jwks() (any, error) {
	if err := c.get(); err != nil {
		return nil, err
	}
	if err := c.parse(); err != nil {
		return nil, err
	}
	if err := c.region(); err != nil {
		return nil, err
	}
	var answer rawJSON
	err := c.blockPublic(c.watchTable(state.TableKeys), func() uint64 {
		index := c.api.Store.Index(state.TableKeys)
		answer = rawJSON(c.api.Keyring.JWKS())
		c.setMeta(index)
		return index
	})
	if err != nil {
		return nil, err
	}
	c.w.Header()["Cache-Control"] = []string{"max-age=" + strconv.Itoa(int(c.api.Keyring.MaxAge().Seconds()))}
	return answer, nil
}

// discoveryJSON is the OpenID Connect discovery document.
type discoveryJSON struct {
	Issuer        string   `json:"issuer"`
	JWKS          string   `json:"jwks_uri"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	ResponseTypes []string `json:"response_types_supported"`
	SubjectTypes  []string `json:"subject_types_supported"`
}

// discovery answers with the discovery document, when there is an issuer.
func (c *call) discovery() (any, error) {
	if err := c.get(); err != nil {
		return nil, err
	}
	if err := c.parse(); err != nil {
		return nil, err
	}
	if err := c.region(); err != nil {
		return nil, err
	}
	if c.api.Issuer == "" {
		return nil, coded(http.StatusNotFound, "OIDC Discovery endpoint disabled")
	}
	return &discoveryJSON{
		Issuer:        c.api.Issuer,
		JWKS:          strings.TrimSuffix(c.api.Issuer, "/") + "/.well-known/jwks.json",
		Algorithms:    []string{"RS256", "EdDSA"},
		ResponseTypes: []string{"code"},
		SubjectTypes:  []string{"public"},
	}, nil
}
