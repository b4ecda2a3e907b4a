package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/agent"
	"github.com/taskagent/taskagent/internal/fault"
	"github.com/taskagent/taskagent/internal/leader/client"
	"github.com/taskagent/taskagent/taskapi"
)

// apiFlags choose who speaks to the API, and for which namespace.
type apiFlags struct {
	operator  bool
	dataDir   string
	namespace string
}

func addAPIFlags(f *flagSet) *apiFlags {
	var a apiFlags
	f.BoolVar(&a.operator, "operator", false, "speak as the operator even inside a task")
	f.StringVar(&a.dataDir, "data-dir", "", "the embedded leader's data `directory`")
	f.StringVar(&a.namespace, "namespace", "", "the `namespace` to ask for; default NOMAD_NAMESPACE, else default")
	return &a
}

// api is a connection to the Nomad API this command speaks: the task's own
// socket inside a task, the leader's outside.
type api struct {
	http      *http.Client
	namespace string
	asTask    bool
}

// open decides who speaks. As the operator it starts a leader when there is none.
func (a *apiFlags) open(ctx context.Context, c *invocation) (*api, error) {
	env := environMap(c.environ)
	out := &api{namespace: a.namespace}
	if out.namespace == "" {
		out.namespace = env["NOMAD_NAMESPACE"]
	}
	if addr := env["NOMAD_UNIX_ADDR"]; addr != "" && !a.operator {
		if token := taskToken(env); token != "" {
			path, ok := strings.CutPrefix(addr, "unix://")
			if !ok {
				return nil, fmt.Errorf("call the Task API: NOMAD_UNIX_ADDR is %q, want unix:///path", addr)
			}
			hc, err := taskapi.NewClient(taskapi.ClientConfig{
				Socket: path,
				Token:  func() (string, error) { return token, nil },
			})
			out.http, out.asTask = hc, true
			return out, err
		}
	}
	dir, err := agent.DataDir(a.dataDir, env)
	if err != nil {
		return nil, err
	}
	out.http, err = client.HTTP(ctx, client.Options{DataDir: dir, Start: true})
	return out, err
}

// taskToken is the token a task speaks with: NOMAD_TOKEN, but the published file
// where there is no such variable or it holds a workload identity that has
// expired since the task started: the file is renewed, an environment is not.
func taskToken(env map[string]string) string {
	token := env["NOMAD_TOKEN"]
	if token != "" {
		_, claims, err := identity.ParseInsecure(token)
		if err != nil || claims.Expiry.IsZero() || time.Now().Before(claims.Expiry) {
			return token
		}
	}
	if dir := env["NOMAD_SECRETS_DIR"]; dir != "" {
		if b, err := os.ReadFile(filepath.Join(dir, "nomad_token")); err == nil && len(b) > 0 {
			return strings.TrimSpace(string(b))
		}
	}
	return token
}

// statusError is an answer outside 2xx.
type statusError struct {
	status int
	body   string
}

func (e *statusError) Error() string {
	text := oneSentence(strings.TrimSpace(e.body))
	if text == "" {
		text = http.StatusText(e.status)
	}
	return fmt.Sprintf("%d: %s", e.status, text)
}

// oneSentence makes "…: 2 errors occurred:" and its list, as Nomad's API has it,
// one line.
func oneSentence(text string) string {
	head, list, ok := strings.Cut(text, " occurred:\n\t* ")
	if !ok {
		return text
	}
	words := strings.Fields(head)
	head = strings.Join(words[:max(0, len(words)-2)], " ") // less "2 errors"
	return strings.TrimSpace(head + " " + strings.Join(strings.Split(strings.TrimSpace(list), "\n\t* "), "; "))
}

// maxAnswer bounds what a command reads of one answer.
const maxAnswer = 64 << 20

// do sends one request and returns the body of a 2xx answer. path may carry a
// query of its own.
func (a *api) do(ctx context.Context, method, path string, query url.Values, body any) ([]byte, http.Header, error) {
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		reader = bytes.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		if err != nil {
			return nil, nil, err
		}
		reader = bytes.NewReader(encoded)
	}
	u, err := a.url(path, query)
	if err != nil {
		return nil, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, u, reader)
	if err != nil {
		return nil, nil, err
	}
	resp, err := a.http.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // the URL in it is a made-up one
		}
		return nil, nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	if resp.StatusCode/100 != 2 {
		return answer, resp.Header, a.refused(method, path, &statusError{resp.StatusCode, string(answer)})
	}
	return answer, resp.Header, nil
}

func checkPath(path string) error {
	if u, err := url.Parse(path); err != nil || u.Host != "" || !strings.HasPrefix(path, "/") {
		return fault.Usage(fmt.Errorf("%q is not the path of a request", path), "a path starts with a slash, /v1/vars for example")
	}
	return nil
}

func (a *api) url(path string, query url.Values) (string, error) {
	if err := checkPath(path); err != nil {
		return "", err
	}
	u, err := url.Parse(path)
	if err != nil {
		return "", err
	}
	q := u.RawQuery
	if len(query) > 0 {
		q = strings.TrimPrefix(q+"&"+query.Encode(), "&")
	}
	if a.namespace != "" && !strings.Contains("&"+q, "&namespace=") {
		q = strings.TrimPrefix(q+"&namespace="+url.QueryEscape(a.namespace), "&")
	}
	u.RawQuery = q
	return "http://localhost" + u.RequestURI(), nil
}

func (a *api) refused(method, path string, err *statusError) error {
	wrapped := fmt.Errorf("%s %s: %w", method, path, err)
	switch {
	case err.status == http.StatusForbidden && a.asTask && strings.HasPrefix(err.body, "Permission"):
		return fault.Hint(wrapped, "the task's token is good but its policies do not allow this; `taskagent acl explain` names the rule")
	case err.status == http.StatusForbidden && a.asTask:
		return fault.Hint(wrapped, "NOMAD_TOKEN may have expired: read "+"$NOMAD_SECRETS_DIR/nomad_token instead; -operator speaks as the operator")
	}
	return wrapped
}
