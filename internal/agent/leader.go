package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/fault"
	"github.com/taskagent/taskagent/internal/leader/client"
	"github.com/taskagent/taskagent/internal/wire"
	"github.com/taskagent/taskagent/renew"
	"github.com/taskagent/taskagent/taskapi"
)

// endTimeout bounds the good-bye to the leader. What it does not hear it finds
// out when the connection breaks.
const endTimeout = 2 * time.Second

// errLost ends a task whose identity the leader has given up.
var errLost = errors.New("the leader has given this task up: its tokens are refused")

// leaderOrigin is the embedded leader: a lease held over leader.sock, started on
// demand. The leader's task door decides about every request.
type leaderOrigin struct {
	options client.Options
	start   wire.Start
	lease   *client.Lease
}

func newLeaderOrigin(c *Config) *leaderOrigin {
	start := c.Task
	start.PID = os.Getpid()
	start.StartedAt = time.Now().UTC()
	start.Once = c.Kind == Once
	start.Isolation = "none"
	if c.User != nil && c.User.UID != os.Geteuid() {
		start.Isolation = "uid"
		start.User = userName(c.User)
	}
	return &leaderOrigin{
		options: client.Options{DataDir: c.DataDir, Start: true, StartTimeout: c.StartTimeout, Logger: c.Logger},
		start:   start,
	}
}

func (o *leaderOrigin) Start(ctx context.Context) (*started, error) {
	lease, answer, err := client.Start(ctx, o.options, o.start)
	var refusal *wire.Error
	if errors.As(err, &refusal) && refusal.Hint != "" {
		return nil, fault.Hint(err, refusal.Hint)
	}
	if err != nil {
		return nil, err
	}
	o.lease = lease
	tokens, err := parseTokens(answer.Tokens)
	if err != nil {
		return nil, fmt.Errorf("the leader's first tokens: %w", err)
	}
	return &started{answer.AllocID, answer.AllocIndex, tokens}, nil
}

// Fetch asks the leader for fresh tokens.
func (o *leaderOrigin) Fetch(ctx context.Context, names []string) (map[string]identity.Token, error) {
	raw, err := o.lease.Sign(ctx, names...)
	if errors.Is(err, client.ErrLost) {
		return nil, renew.Permanent(err)
	}
	if err != nil {
		return nil, err
	}
	return parseTokens(raw)
}

func (o *leaderOrigin) Lost() <-chan struct{} { return o.lease.Lost() }

func (o *leaderOrigin) Why() error {
	return fault.Hint(errLost, "its agent was out of touch with the leader for too long, or the leader's data was replaced; start it again")
}

func (o *leaderOrigin) Report(ctx context.Context, r wire.Report) { _ = o.lease.Report(ctx, r) }

func (o *leaderOrigin) End(ctx context.Context) {
	if o.lease == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	if o.start.Once {
		o.lease.Close() // the allocation outlives us
		return
	}
	_ = o.lease.End(ctx)
}

func (o *leaderOrigin) Door() taskapi.Config {
	return taskapi.Config{Dial: func(ctx context.Context) (net.Conn, error) {
		return client.DialTask(ctx, o.options.DataDir)
	}}
}

// parseTokens wraps what a signer sent. The error names identities only.
func parseTokens(raw map[string]string) (map[string]identity.Token, error) {
	tokens := make(map[string]identity.Token, len(raw))
	for name, r := range raw {
		t, _, err := identity.ParseInsecure(r)
		if err != nil {
			return nil, fmt.Errorf("identity %q: %w", name, err)
		}
		tokens[name] = t
	}
	return tokens, nil
}
