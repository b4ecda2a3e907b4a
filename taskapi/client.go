package taskapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/taskagent/taskagent/uds"
)

// ClientConfig configures NewClient.
type ClientConfig struct {
	// Token returns the task's current token; it is called for every request,
	// so a renewed token is used from the next request on. Required.
	// secretsdir.Read and a secretsdir.Watcher's Current both fit.
	Token func() (string, error)
	// Socket is the path of the Task API's socket. Empty: NOMAD_UNIX_ADDR.
	Socket string
}

// NewClient returns a client for the Task API that dials the task's socket,
// whatever host a URL names, and sends the current token with every request
// that carries none. It follows no redirects. It is safe for concurrent use.
//
//	c, err := taskapi.NewClient(taskapi.ClientConfig{Token: …})
//	resp, err := c.Get("http://nomad/v1/vars")
func NewClient(cfg ClientConfig) (*http.Client, error) {
	if cfg.Token == nil {
		return nil, errors.New("taskapi client: Token is required")
	}
	path := cfg.Socket
	if path == "" {
		var err error
		if path, err = SocketFromEnv(); err != nil {
			return nil, err
		}
	}
	tr := dialTransport(func(ctx context.Context) (net.Conn, error) { return uds.Dial(ctx, path) })
	return &http.Client{
		Transport:     &tokenTransport{next: tr, token: cfg.Token},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// SocketFromEnv returns the path in NOMAD_UNIX_ADDR, which is a URL of the
// form unix:///path. Without it the process runs in no task.
func SocketFromEnv() (string, error) {
	addr := os.Getenv("NOMAD_UNIX_ADDR")
	if addr == "" {
		return "", errors.New("find the Task API: NOMAD_UNIX_ADDR is not set; is this process run by taskagent or Nomad?")
	}
	path, ok := strings.CutPrefix(addr, "unix://")
	if !ok || path == "" {
		return "", fmt.Errorf("find the Task API: NOMAD_UNIX_ADDR is %q, want unix:///path", addr)
	}
	return path, nil
}

type tokenTransport struct {
	next  http.RoundTripper
	token func() (string, error)
}

func (t *tokenTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !sentAnyToken(r.Header) {
		token, err := t.token()
		if err != nil {
			if r.Body != nil {
				_ = r.Body.Close()
			}
			return nil, fmt.Errorf("task API request: read the task's token: %w", err)
		}
		// A RoundTripper must not change the caller's request.
		r = r.Clone(r.Context())
		r.Header.Set(TokenHeader, token)
	}
	return t.next.RoundTrip(r)
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the socket.
func (t *tokenTransport) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
