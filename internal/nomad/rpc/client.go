package rpc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"github.com/taskagent/taskagent/internal/nomad/msgpack"
	"github.com/taskagent/taskagent/internal/nomad/tlsfiles"
)

// Config configures a Client.
type Config struct {
	// Servers are host:port addresses, at least one. Required.
	Servers []string
	// Region is where the servers lead. Required.
	Region string
	// TLS makes connections with TLS, to servers that prove to be
	// server.<region>.nomad. Nil: without.
	TLS *tlsfiles.Files
	// Token returns the authentication token for one request. The Client
	// overwrites it after use. Required.
	Token func() ([]byte, error)

	// RetryFor bounds how long servers are tried that may yet answer: after it no
	// new round begins. Zero: 15 seconds. Negative: one round.
	RetryFor time.Duration
	// ConnectTimeout bounds the making of a connection, TLS included, and the
	// sending of a request, each. Zero: 5 seconds.
	ConnectTimeout time.Duration
	// AnswerTimeout bounds the wait for a whole answer, on top of what a blocking
	// query asked for. A server without a leader holds a request for five seconds
	// before it says so, and may have passed it to another one. Zero: 15 seconds.
	AnswerTimeout time.Duration
	// MaxAnswer is the longest answer, in bytes. Zero: 32 MiB.
	MaxAnswer int64

	// Dial connects to an address. Nil: TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// Jitter returns numbers in [0,1). Nil: random ones.
	Jitter func() float64
}

// Client calls the servers. It holds no connection between calls and is safe for
// concurrent use.
type Client struct {
	cfg  Config
	good atomic.Int32 // index of the server that answered last
}

// Call is one call of a method.
type Call struct {
	Method string
	Query  Query
	// Param is the name of the method's own argument, and Value appends it.
	Param string
	Value func(b []byte) []byte
	// Reply reads the answer. It may be called again, for another server's answer,
	// and must forget what it read before.
	Reply func(r *msgpack.Reader) error
}

// Query holds what every read can ask for.
type Query struct {
	// AllowStale lets any server answer from what it knows, leader or not.
	AllowStale bool
	// MinIndex, when not zero, has the server wait for news beyond that index, up
	// to Wait, which must then not be zero.
	MinIndex uint64
	Wait     time.Duration
}

// New returns a Client. It connects to nothing yet.
func New(cfg Config) (*Client, error) {
	if len(cfg.Servers) == 0 || cfg.Region == "" || cfg.Token == nil {
		return nil, errors.New("nomad rpc: servers, a region and a token are needed")
	}
	for _, addr := range cfg.Servers {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return nil, fmt.Errorf("nomad rpc: server %q is not host:port", addr)
		}
	}
	if cfg.TLS != nil {
		if err := cfg.TLS.Check(); err != nil {
			return nil, fmt.Errorf("nomad rpc: %w", err)
		}
	}
	cfg.RetryFor = orDefault(cfg.RetryFor, 15*time.Second)
	cfg.ConnectTimeout = orDefault(cfg.ConnectTimeout, 5*time.Second)
	cfg.AnswerTimeout = orDefault(cfg.AnswerTimeout, 15*time.Second)
	if cfg.MaxAnswer == 0 {
		cfg.MaxAnswer = 32 << 20
	}
	if cfg.Dial == nil {
		var d net.Dialer
		cfg.Dial = func(ctx context.Context, addr string) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) }
	}
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	c := &Client{cfg: cfg}
	// Many agents with the same list should not all begin with its first server.
	c.good.Store(int32(cfg.Jitter() * float64(len(cfg.Servers))))
	return c, nil
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

// The delays between rounds.
const (
	minDelay = 250 * time.Millisecond
	maxDelay = 4 * time.Second
)

// Do makes the calls, in order, on one connection to the first server that
// answers all of them. Its error is ctx's when ctx is done, or a *Error.
func (c *Client) Do(ctx context.Context, calls ...*Call) error {
	begun := time.Now()
	for delay := minDelay; ; delay = min(2*delay, maxDelay) {
		failed := c.round(ctx, calls)
		if failed == nil {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%w: %w", context.Cause(ctx), failed)
		}
		if !failed.passing() || time.Since(begun) >= c.cfg.RetryFor {
			return failed
		}
		// Half of the delay at least, so that agents that fail together part.
		timer := time.NewTimer(time.Duration((0.5 + 0.5*c.cfg.Jitter()) * float64(delay)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w: %w", context.Cause(ctx), failed)
		}
	}
}

// round asks every server once, beginning with the one that answered last.
func (c *Client) round(ctx context.Context, calls []*Call) *Error {
	failed := &Error{Method: calls[0].Method}
	first := int(c.good.Load())
	for i := range c.cfg.Servers {
		n := (first + i) % len(c.cfg.Servers)
		err := c.ask(ctx, c.cfg.Servers[n], calls)
		if err == nil {
			c.good.Store(int32(n))
			return nil
		}
		failed.Attempts = append(failed.Attempts, Attempt{c.cfg.Servers[n], err})
		if ctx.Err() != nil {
			break
		}
	}
	return failed
}
