package leader

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/taskagent/taskagent/internal/fault"
)

// brokenListener is a listener that the system has taken away.
type brokenListener struct{}

func (brokenListener) Accept() (net.Conn, error) { return nil, errors.New("no more") }
func (brokenListener) Close() error              { return nil }
func (brokenListener) Addr() net.Addr            { return &net.UnixAddr{Name: "/x", Net: "unix"} }

// A leader that lost a door has failed, and says so by its exit status.
func TestDoorFails(t *testing.T) {
	l := &Leader{log: hclog.NewNullLogger(), agents: newAgents()}
	l.ctx, l.leave = context.WithCancelCause(t.Context())
	l.serve(l.server(http.NotFoundHandler(), false), brokenListener{})
	<-l.ctx.Done()
	l.closeDoors()
	if err := failure(context.Cause(l.ctx)); err == nil || err.Error() != "serve /x: no more" {
		t.Fatalf("got %v", err)
	}
}

func TestFailure(t *testing.T) {
	bad := errors.New("bad")
	for _, tt := range []struct{ reason, want error }{
		{errHandover, nil}, {errLingered, nil}, {context.Canceled, nil}, {errors.New("a signal"), nil},
		{&failedError{bad}, bad}, {&failedError{fault.Hint(bad, "x")}, bad},
	} {
		if got := failure(tt.reason); !errors.Is(got, tt.want) || (tt.want == nil) != (got == nil) {
			t.Errorf("%v: got %v", tt.reason, got)
		}
	}
}
