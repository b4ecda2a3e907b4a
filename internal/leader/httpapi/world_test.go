package httpapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/leader/httpapi"
	"github.com/taskagent/taskagent/internal/leader/keyring"
	"github.com/taskagent/taskagent/internal/leader/state"
	"github.com/taskagent/taskagent/internal/wire"
)

// world is an API over a real store and a real keyring.
type world struct {
	t       testing.TB
	api     *httpapi.API
	store   *state.Store
	keyring *keyring.Keyring
	mgmt    string
	task    http.Handler
	http    http.Handler
	done    chan struct{}

	mu     sync.Mutex // guards claims
	claims map[string]identity.Claims
}

// newWorld makes a world; tune, if any, may change how the API is made.
func newWorld(t testing.TB, tune ...func(*httpapi.Config)) *world {
	t.Helper()
	return newWorldSigning(t, identity.EdDSA, tune...)
}

func newWorldSigning(t testing.TB, algorithm string, tune ...func(*httpapi.Config)) *world {
	t.Helper()
	w := &world{t: t, mgmt: "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", claims: make(map[string]identity.Claims), done: make(chan struct{})}
	dir := t.TempDir()
	c := httpapi.Config{Issuer: "http://127.0.0.1:4646", Version: "1.0.0-test", Done: w.done, Authenticate: w.authenticate}
	for _, fn := range tune {
		fn(&c)
	}
	var err error
	if w.keyring, err = keyring.Create(filepath.Join(dir, "keyring.json"), keyring.Options{Algorithm: algorithm}); err != nil {
		t.Fatal(err)
	}
	if w.store, err = state.Open(dir, state.Options{Crypter: w.keyring, BootID: "test"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	w.keyring.SetHooks(keyring.Hooks{Variables: w.store.KeyInUse, NextIndex: w.store.NextIndex,
		Changed: func() { w.store.Touch(state.TableKeys) }})
	if err := w.store.ImportManagementToken(w.mgmt); err != nil {
		t.Fatal(err)
	}
	c.Store, c.Keyring = w.store, w.keyring
	if w.api, err = httpapi.New(c); err != nil {
		t.Fatal(err)
	}
	w.task, w.http = w.api.TaskHandler(), w.api.OperatorHandler(true)
	return w
}

// authenticate verifies a workload identity, as the leader does.
func (w *world) authenticate(raw string) (identity.Claims, error) {
	w.mu.Lock()
	c, ok := w.claims[raw]
	w.mu.Unlock()
	if !ok {
		var err error
		if c, err = identity.Verify(raw, w.keyring, identity.VerifyOptions{Audience: identity.NomadAudience}); err != nil {
			return c, err
		}
		w.mu.Lock()
		w.claims[raw] = c
		w.mu.Unlock()
	}
	if !c.Expiry.IsZero() && !time.Now().Before(c.Expiry) {
		return c, errors.New("expired")
	}
	if c.Service != "" && w.store.ServiceLive(c.AllocationID, c.Service) || c.Service == "" && w.store.TaskLive(c.AllocationID, c.Task) {
		return c, nil
	}
	return c, errors.New("ended")
}

// start starts a task and returns its token.
func (w *world) start(t state.Task) string {
	w.t.Helper()
	if t.AllocID == "" {
		t.AllocID = state.NewID()
	}
	if t.Region == "" {
		t.Region = "global"
	}
	if t.Namespace == "" {
		t.Namespace = "default"
	}
	t.Datacenter = "dc1"
	if err := w.store.StartTask(&t); err != nil {
		w.t.Fatal(err)
	}
	return w.sign(identity.Claims{
		Subject:  identity.Subject(t.Region, t.Namespace, t.Job, t.Group, t.Task, "default"),
		Audience: []string{identity.NomadAudience}, ID: state.NewID(), IssuedAt: time.Now(), NotBefore: time.Now(),
		Namespace: t.Namespace, JobID: t.Job, AllocationID: t.AllocID, Task: t.Task,
	})
}

func (w *world) sign(c identity.Claims) string {
	w.t.Helper()
	token, err := w.keyring.Sign(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// answer is what came back.
type answer struct {
	status int
	body   string
	header http.Header
}

// json reads the body into v.
func (a answer) json(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatalf("%v in %q", err, a.body)
	}
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

// do sends a request through a door. The body is sent as it is when it is a
// string, and as JSON otherwise.
func (w *world) do(h http.Handler, token, method, path string, body any, headers ...string) answer {
	r := request(method, path, body)
	if token != "" {
		r.Header.Set("X-Nomad-Token", token)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return answer{rec.Code, rec.Body.String(), maps.Clone(rec.Header())}
}

func request(method, path string, body any) *http.Request {
	var rd io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		rd = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		if err != nil {
			panic(err)
		}
		rd = bytes.NewReader(data)
	}
	r := httptest.NewRequest(method, "http://127.0.0.1:4646"+path, rd)
	if rd == nil {
		r.Body = http.NoBody
	}
	return r
}

// as sends a request as the operator through the operators' door.
func (w *world) as(method, path string, body any) answer {
	return w.do(w.http, w.mgmt, method, path, body)
}

// must is as for what has to work.
func (w *world) must(method, path string, body any) answer {
	w.t.Helper()
	a := w.as(method, path, body)
	if a.status >= 300 {
		w.t.Fatalf("%s %s: %v", method, path, a)
	}
	return a
}

type obj = map[string]any

// policy stores a policy, attached when att is not empty.
func (w *world) policy(name, rules string, att ...string) {
	w.t.Helper()
	body := obj{"Name": name, "Rules": rules}
	if att != nil {
		att = append(att, "", "", "")
		body["JobACL"] = obj{"Namespace": att[0], "JobID": att[1], "Group": att[2], "Task": att[3]}
	}
	w.must("PUT", "/v1/acl/policy/"+name, body)
}

// services is the list of one service.
func services(name string, port int, tags ...string) []wire.Service {
	return []wire.Service{{Name: name, Port: port, Address: "127.0.0.1", Tags: tags}}
}
