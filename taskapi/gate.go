package taskapi

import (
	"bytes"
	"context"
	"errors"
	"net/http"
)

// TokenHeader is Nomad's own header for a token. It wins over Authorization.
const TokenHeader = "X-Nomad-Token"

// ErrForbidden is what a Verifier returns, possibly wrapped, for a token that
// is no good. Every other error means that nobody could tell.
var ErrForbidden = errors.New("token refused")

// Verifier decides whether a token may be sent upstream at all. It is called
// for every request, concurrently, and must keep no verdict for longer than the
// verdict is true.
type Verifier interface {
	Verify(ctx context.Context, token string) error
}

// requestToken returns the token of a request as Nomad finds it.
func requestToken(h http.Header) string {
	return string(findToken([]byte(h.Get(TokenHeader)), []byte(h.Get("Authorization"))))
}

// findToken finds the token in the first values of the two headers that may hold
// one: X-Nomad-Token, then Authorization with the scheme Bearer in any case. Any
// other scheme is no token. It returns a part of what it was given, or nothing.
func findToken(nomad, authorization []byte) []byte {
	if t := bytes.TrimSpace(nomad); len(t) > 0 {
		return t
	}
	scheme, rest, ok := bytes.Cut(bytes.TrimSpace(authorization), []byte(" "))
	if !ok || !bytes.EqualFold(scheme, []byte("Bearer")) {
		return nil
	}
	return bytes.TrimSpace(rest)
}

// refuse answers the way Nomad's task socket does: plain text, no newline.
func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// admit applies the gate. It reports whether the request may go on; when not,
// it has been answered. A token taken from inject is put on the request.
func (h *Handler) admit(w http.ResponseWriter, r *http.Request) bool {
	token := requestToken(r.Header)
	if token == "" && h.cfg.Inject != nil && !sentAnyToken(r.Header) {
		if token = h.injected(r); token != "" {
			r.Header.Set(TokenHeader, token)
		}
	}
	if token == "" {
		refuse(w, http.StatusUnauthorized, "Unauthorized")
		return false
	}
	if h.cfg.Verifier == nil {
		return true
	}
	switch err := h.cfg.Verifier.Verify(r.Context(), token); {
	case err == nil:
		return true
	case errors.Is(err, ErrForbidden):
		refuse(w, http.StatusForbidden, "Forbidden")
	default:
		h.cfg.Logger.Warn("cannot verify a task's token", "error", err)
		refuse(w, http.StatusBadGateway, "taskagent: cannot verify the token now: "+err.Error())
	}
	return false
}

// injected is the token that Config.Inject gives r, or nothing. One that cannot
// stand in a header is none.
func (h *Handler) injected(r *http.Request) string {
	token, ok := h.cfg.Inject(r)
	if !ok || !plainText([]byte(token)) {
		return ""
	}
	return token
}

// sentAnyToken reports whether the client sent credentials of its own, good or
// bad. They always win over an injected token: a client that means to be
// somebody must not silently become somebody else.
func sentAnyToken(h http.Header) bool {
	_, nomad := h[TokenHeader]
	_, auth := h["Authorization"]
	return nomad || auth
}
