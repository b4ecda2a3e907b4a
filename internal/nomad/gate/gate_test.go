package gate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/nomad/gate"
	"github.com/taskagent/taskagent/taskapi"
	"github.com/taskagent/taskagent/test/nomadtest"
)

const (
	aclToken   = "11111111-aaaa-4bbb-8ccc-222222222222"
	nodeSecret = "33333333-aaaa-4bbb-8ccc-444444444444"
	stray      = "55555555-aaaa-4bbb-8ccc-666666666666"
	expired    = "77777777-aaaa-4bbb-8ccc-888888888888"
)

// cluster is Nomad's HTTP API as far as the gate looks at it, as a transport.
type cluster struct {
	*nomadtest.Signer
	aclOff     bool // ACLs are off
	socket     bool // it is Nomad's task socket, where everything needs a token
	maxAge     string
	latency    time.Duration
	mu         sync.Mutex // guards what follows
	down       error
	status     int // of everything, if not zero
	jwks, self int // requests with an answer of substance
	all        int
}

func (c *cluster) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	select {
	case <-time.After(c.latency):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all++
	if c.down != nil {
		return nil, c.down
	}
	status, body := c.answer(r)
	if c.status != 0 {
		status, body = c.status, "?"
	}
	h := http.Header{}
	if c.maxAge != "" {
		h.Set("Cache-Control", c.maxAge)
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}, nil
}

func (c *cluster) answer(r *http.Request) (int, string) {
	token := r.Header.Get("X-Nomad-Token")
	workload := strings.Count(token, ".") == 2
	good := token == aclToken || token == nodeSecret || workload && c.signed(token)
	if c.socket {
		switch {
		case token == "":
			return 401, "Unauthorized"
		case c.aclOff, good:
		case workload, token == expired:
			return 500, "Server error authenticating request\n"
		default:
			return 403, "Forbidden"
		}
	}
	switch r.URL.Path {
	case "/.well-known/jwks.json":
		c.jwks++
		return 200, string(c.JWKS())
	case "/v1/acl/token/self":
		c.self++
		switch {
		case c.aclOff:
			return 400, "ACL support disabled"
		case token == aclToken:
			return 200, fmt.Sprintf(`{"SecretID":%q,"Type":"client"}`, token)
		case token == nodeSecret:
			return 404, "ACL token not found"
		case token == expired:
			return 500, "ACL token expired"
		}
		return 403, "Permission denied"
	}
	return 404, ""
}

func (c *cluster) signed(token string) bool {
	keys, err := identity.ParseKeySet(c.JWKS())
	if err != nil {
		return false
	}
	_, err = identity.Verify(token, keys, identity.VerifyOptions{Leeway: time.Minute})
	return err == nil
}

func (c *cluster) set(f func(*cluster)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c)
}

func (c *cluster) fetches() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.jwks
}

func newGate(c *cluster) *gate.Gate {
	return gate.New(gate.Config{Transport: c, Scheme: "http", Host: "nomad"})
}

func claims(change func(*identity.Claims)) identity.Claims {
	now := time.Now().Truncate(time.Second)
	c := identity.Claims{
		Subject: "global:default:demo:g:web:default", Audience: []string{"nomadproject.io"},
		IssuedAt: now, NotBefore: now, Expiry: now.Add(time.Hour),
		Namespace: "default", JobID: "demo", AllocationID: "a", Task: "web",
	}
	if change != nil {
		change(&c)
	}
	return c
}

func refused(err error) bool { return errors.Is(err, taskapi.ErrForbidden) }

// TestVerify judges tokens of every sort, at clusters of every sort.
func TestVerify(t *testing.T) {
	for where, settings := range map[string]struct{ aclOff, socket bool }{
		"HTTP": {}, "HTTP without ACLs": {aclOff: true},
		"task socket": {socket: true}, "task socket without ACLs": {socket: true, aclOff: true},
	} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &cluster{Signer: nomadtest.NewSigner(t), aclOff: settings.aclOff, socket: settings.socket}
				other := nomadtest.NewSigner(t)
				valid := c.Sign(claims(nil))
				for name, test := range map[string]struct {
					token string
					good  bool
				}{
					"a workload identity":    {valid, true},
					"one that never expires": {c.Sign(claims(func(c *identity.Claims) { c.Expiry = time.Time{} })), true},
					"one for several":        {c.Sign(claims(func(c *identity.Claims) { c.Audience = []string{"x", "nomadproject.io"} })), true},
					"a minute ahead": {c.Sign(claims(func(c *identity.Claims) {
						c.IssuedAt, c.NotBefore = c.IssuedAt.Add(time.Minute), c.NotBefore.Add(time.Minute)
					})), true},
					"of a service":            {c.Sign(claims(func(c *identity.Claims) { c.Task, c.Service = "", "svc" })), true},
					"two minutes ahead":       {c.Sign(claims(func(c *identity.Claims) { c.NotBefore = c.NotBefore.Add(2 * time.Minute) })), false},
					"expired just now":        {c.Sign(claims(func(c *identity.Claims) { c.Expiry = time.Now().Truncate(time.Second) })), false},
					"for others":              {c.Sign(claims(func(c *identity.Claims) { c.Audience = []string{"sts.amazonaws.com"} })), false},
					"of a node":               {c.Sign(claims(func(c *identity.Claims) { c.AllocationID, c.Task = "", "" })), false},
					"of another cluster":      {other.Sign(claims(nil)), false},
					"with a broken signature": {valid[:len(valid)-6] + "AAAAAA", false},
					"with claims changed":     {strings.Join([]string{strings.Split(valid, ".")[0], strings.Split(other.Sign(claims(func(c *identity.Claims) { c.JobID = "root" })), ".")[1], strings.Split(valid, ".")[2]}, "."), false},
					"without an algorithm":    {"eyJhbGciOiJub25lIiwia2lkIjoieCJ9." + strings.Split(valid, ".")[1] + ".AA", false},
					"an ACL token":            {aclToken, !c.aclOff},
					"an expired ACL token":    {expired, false},
					"a UUID":                  {stray, false},
					"a node's secret":         {nodeSecret, false},
					"garbage":                 {"garbage", false},
					"dots":                    {"a.b.c", false},
					"nearly a UUID":           {aclToken[:35] + "g", false},
				} {
					g := newGate(c)
					err := g.Verify(t.Context(), test.token)
					if test.good != (err == nil) || err != nil && !refused(err) {
						t.Errorf("%s: %v", name, err)
					}
					if err != nil && strings.Contains(err.Error(), test.token) && len(test.token) > 10 {
						t.Errorf("%s: the token is in the error: %v", name, err)
					}
					// A second look must come to the same.
					if again := g.Verify(t.Context(), test.token); test.good != (again == nil) {
						t.Errorf("%s: %v, then %v", name, err, again)
					}
				}
			})
		})
	}
}

// TestExpiry looks at a token in the second it expires.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{Signer: nomadtest.NewSigner(t)}
		g := newGate(c)
		token := c.Sign(claims(func(c *identity.Claims) { c.Expiry = c.IssuedAt.Add(20 * time.Second) }))
		time.Sleep(20*time.Second - time.Nanosecond)
		if err := g.Verify(t.Context(), token); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Nanosecond)
		if err := g.Verify(t.Context(), token); !refused(err) || !errors.Is(err, identity.ErrExpired) {
			t.Error(err)
		}
	})
}

// TestKeysAreCached asks for keys seldom, and drops those that are gone.
func TestKeysAreCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{Signer: nomadtest.NewSigner(t), maxAge: "max-age=1389746"}
		g := newGate(c)
		forever := c.Sign(claims(func(c *identity.Claims) { c.Expiry = time.Time{} }))
		for range 100 {
			if err := g.Verify(t.Context(), forever); err != nil {
				t.Fatal(err)
			}
		}
		if n := c.fetches(); n != 1 {
			t.Errorf("%d fetches for 100 requests", n)
		}
		// A token of a new key is good at once, although the pace has to be kept.
		c.Rotate(false)
		begun := time.Now()
		if err := g.Verify(t.Context(), c.Sign(claims(nil))); err != nil || time.Since(begun) > time.Second {
			t.Errorf("a token of a new key: %v after %s", err, time.Since(begun))
		}
		// A key that is withdrawn counts no longer than it takes to refresh.
		c.Rotate(true)
		time.Sleep(5*time.Minute + time.Second)
		if err := g.Verify(t.Context(), forever); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if err := g.Verify(t.Context(), forever); !refused(err) || !errors.Is(err, identity.ErrUnknownKey) {
			t.Errorf("a token of a withdrawn key: %v", err)
		}
	})
}

// TestOutage keeps judging while the cluster is away, for an hour.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{Signer: nomadtest.NewSigner(t)}
		g := newGate(c)
		token := c.Sign(claims(func(c *identity.Claims) { c.Expiry = time.Time{} }))
		c.set(func(c *cluster) { c.down = errors.New("connection refused") })
		for range 100 {
			err := g.Verify(t.Context(), token)
			if err == nil || refused(err) || err.Error() != "ask Nomad for /.well-known/jwks.json: connection refused" {
				t.Fatal(err)
			}
		}
		if c.all > 2 {
			t.Errorf("%d questions to a cluster that is down", c.all)
		}
		if err := g.Verify(t.Context(), aclToken); err == nil || refused(err) {
			t.Errorf("an ACL token: %v", err)
		}
		if err := g.Verify(t.Context(), "garbage"); !refused(err) {
			t.Errorf("garbage: %v", err)
		}

		c.set(func(c *cluster) { c.down = nil })
		time.Sleep(time.Second)
		if err := g.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		c.set(func(c *cluster) { c.status = 500 })
		for range 59 {
			if err := g.Verify(t.Context(), token); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		err := g.Verify(t.Context(), token)
		if err == nil || refused(err) || err.Error() != "ask Nomad for /.well-known/jwks.json: it answers 500 Internal Server Error" {
			t.Errorf("with keys of an hour: %v", err)
		}
	})
}

// TestHammer sends tokens with keys that do not exist, in numbers.
func TestHammer(t *testing.T) {
	for _, socket := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := &cluster{Signer: nomadtest.NewSigner(t), socket: socket, latency: 50 * time.Millisecond}
			g := newGate(c)
			good := c.Sign(claims(nil))
			if err := g.Verify(t.Context(), good); err != nil {
				t.Fatal(err)
			}
			other := nomadtest.NewSigner(t)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			var attackers sync.WaitGroup
			for range 20 {
				attackers.Go(func() {
					for ctx.Err() == nil {
						other.Rotate(false)
						err := g.Verify(ctx, other.Sign(claims(nil)))
						if err == nil || !refused(err) && ctx.Err() == nil {
							t.Errorf("garbage: %v", err)
						}
					}
				})
			}
			// Tokens of keys that are known do not wait for any of it.
			for range 100 {
				begun := time.Now()
				if err := g.Verify(t.Context(), good); err != nil || time.Since(begun) != 0 {
					t.Errorf("a good token: %v after %s", err, time.Since(begun))
				}
				time.Sleep(90 * time.Millisecond)
			}
			attackers.Wait()
			time.Sleep(time.Minute) // for the last fetch to end
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.all > 3*12+2 {
				t.Errorf("%d questions in ten seconds", c.all)
			}
		})
	}
}

// TestSingleFlight has many requests share one fetch, whosever it was.
func TestSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{Signer: nomadtest.NewSigner(t), latency: time.Second}
		g := newGate(c)
		first, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := g.Verify(first, c.Sign(claims(nil))); !errors.Is(err, context.Canceled) {
				t.Errorf("the first: %v", err)
			}
		})
		synctest.Wait()
		for range 50 {
			wg.Go(func() {
				if err := g.Verify(t.Context(), c.Sign(claims(nil))); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		cancel() // the others still wait for its fetch
		wg.Wait()
		if n := c.fetches(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

// TestSocketWithBadTokenFirst: who comes with a bad token first must not spoil it
// for the others where keys are shown to the holder of a token only.
func TestSocketWithBadTokenFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{Signer: nomadtest.NewSigner(t), socket: true, latency: 100 * time.Millisecond}
		g := newGate(c)
		bad := nomadtest.NewSigner(t).Sign(claims(nil))
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := g.Verify(t.Context(), bad); !refused(err) {
				t.Errorf("the bad one: %v", err)
			}
		})
		synctest.Wait()
		begun := time.Now()
		if err := g.Verify(t.Context(), c.Sign(claims(nil))); err != nil || time.Since(begun) > 2*time.Second {
			t.Errorf("the good one: %v after %s", err, time.Since(begun))
		}
		wg.Wait()
		// An outage behind the socket is not the token's fault.
		c.set(func(c *cluster) { c.status = 500 })
		g = newGate(c)
		if err := g.Verify(t.Context(), c.Sign(claims(nil))); err == nil || refused(err) {
			t.Errorf("in an outage: %v", err)
		}
		if err := g.Verify(t.Context(), aclToken); err == nil || refused(err) {
			t.Errorf("an ACL token in an outage: %v", err)
		}
	})
}

// TestACLTokenVerdict keeps a good verdict for seconds, a bad one not at all.
func TestACLTokenVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{Signer: nomadtest.NewSigner(t)}
		g := newGate(c)
		for range 10 {
			if err := g.Verify(t.Context(), aclToken); err != nil {
				t.Fatal(err)
			}
		}
		if c.self != 1 {
			t.Errorf("asked %d times", c.self)
		}
		c.set(func(c *cluster) { c.aclOff = true }) // it was started again
		time.Sleep(5 * time.Second)
		if err := g.Verify(t.Context(), aclToken); !refused(err) {
			t.Error(err)
		}
		c.set(func(c *cluster) { c.aclOff = false })
		if err := g.Verify(t.Context(), aclToken); err != nil {
			t.Error(err)
		}
	})
}

// FuzzVerify lets nothing through that was not signed.
func FuzzVerify(f *testing.F) {
	s := nomadtest.NewSigner(f)
	g := newGate(&cluster{Signer: s})
	valid := s.Sign(claims(nil))
	f.Add(valid)
	f.Add(aclToken)
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // no waiting: what is not known is not good
		if err := g.Verify(ctx, token); err == nil && token != valid && token != aclToken {
			t.Errorf("%q is let through", token)
		}
	})
}
