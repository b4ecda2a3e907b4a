package gate

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/taskagent/taskagent/taskapi"
)

const (
	// askTimeout bounds one question to the cluster.
	askTimeout = 10 * time.Second
	// maxBody is the longest answer that is read, in bytes.
	maxBody = 1 << 20
)

// api asks Nomad's HTTP API.
type api struct {
	rt           http.RoundTripper
	scheme, host string
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// get asks for a path, with a token unless it is empty. It follows no redirect: a
// token is for the place it is sent to.
func (a *api) get(ctx context.Context, path, token string) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	u := url.URL{Scheme: a.scheme, Host: a.host, Path: path}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set(taskapi.TokenHeader, token)
	}
	resp, err := a.rt.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("ask Nomad for %s: %w", path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("ask Nomad for %s: %w", path, err)
	}
	if len(body) > maxBody {
		return nil, fmt.Errorf("ask Nomad for %s: the answer is longer than %d bytes", path, maxBody)
	}
	return &answer{resp.StatusCode, resp.Header, body}, nil
}

func unexpected(path string, status int) error {
	return fmt.Errorf("ask Nomad for %s: it answers %d %s", path, status, http.StatusText(status))
}

// strayToken is a UUID that is no token of anybody.
const strayToken = "00000000-0000-4000-8000-000000000000"

// blamesToken tells whose fault a server error is in answer to a request with a
// token. Nomad has the same for outages, for garbage on a task's socket and for an
// ACL token that expired, but a 403 for a UUID that it does not know: if it can say
// that much, it is the token's.
func (a *api) blamesToken(ctx context.Context, path string) bool {
	ans, err := a.get(ctx, path, strayToken)
	return err == nil && (ans.status == http.StatusForbidden || ans.status == http.StatusUnauthorized)
}
