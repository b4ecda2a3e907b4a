package agent

import (
	"context"

	"github.com/taskagent/taskagent/identity"
	"github.com/taskagent/taskagent/internal/wire"
	"github.com/taskagent/taskagent/renew"
	"github.com/taskagent/taskagent/taskapi"
)

// origin is where a task's identities come from and where its Task API is
// answered. Start comes first, End last; the others may be called at any time
// between, by several goroutines.
type origin interface {
	renew.Source
	// Start makes the task known and returns the first token of every identity.
	Start(ctx context.Context) (*started, error)
	// Lost is closed when the task's identity is gone for good, and Why then says
	// why.
	Lost() <-chan struct{}
	Why() error
	// Report tells what status should show. It must not block for long.
	Report(ctx context.Context, r wire.Report)
	// End gives the task's identity back.
	End(ctx context.Context)
	// Door says where requests of the task go.
	Door() taskapi.Config
}

// started is a task that its origin knows.
type started struct {
	allocID    string
	allocIndex int
	tokens     map[string]identity.Token
}

func newOrigin(c *Config) (origin, error) {
	switch c.Source {
	case SourceFile:
		return newDeliveredOrigin(c)
	case SourceNomad:
		return newClusterOrigin(c)
	}
	return newLeaderOrigin(c), nil
}
