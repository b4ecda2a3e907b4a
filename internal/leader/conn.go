package leader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/taskagent/taskagent/internal/fault"
	"github.com/taskagent/taskagent/internal/leader/datadir"
	"github.com/taskagent/taskagent/internal/leader/state"
	"github.com/taskagent/taskagent/internal/wire"
	"github.com/taskagent/taskagent/uds"
)

// Bounds on an agent's connection. Between requests it may be silent for ever:
// that it is open is what counts.
const (
	firstRequest = 30 * time.Second
	writeAnswer  = 30 * time.Second
)

// agents are the connections of agents, so that they can be ended and waited for.
type agents struct {
	mu     sync.Mutex
	conns  map[*agentConn]struct{} // guarded by mu; nil once closed
	active sync.WaitGroup
}

func newAgents() *agents { return &agents{conns: map[*agentConn]struct{}{}} }

// add reports whether the connection may go on.
func (a *agents) add(c *agentConn) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.conns == nil {
		return false
	}
	a.conns[c] = struct{}{}
	a.active.Add(1)
	return true
}

func (a *agents) remove(c *agentConn) {
	a.mu.Lock()
	delete(a.conns, c)
	a.mu.Unlock()
	a.active.Done()
}

// close ends all connections and waits until the last request was dealt with.
func (a *agents) close() {
	a.mu.Lock()
	for c := range a.conns {
		c.drop()
	}
	a.conns = nil
	a.mu.Unlock()
	a.active.Wait()
}

// agentConn is one connection of an agent, and the lease it holds.
type agentConn struct {
	conn   net.Conn
	wire   *wire.Conn
	pid    int // as the kernel says; zero when it does not
	leases *leases
	signer *signer

	lease *lease // nil before the first request, and for a task of Once
	task  *state.Task
}

// drop ends the connection; its goroutine notices.
func (c *agentConn) drop() { c.conn.Close() }

// serveLease upgrades a request to an agent's connection and serves it.
func (l *Leader) serveLease(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || !strings.EqualFold(r.Header.Get("Upgrade"), wire.Protocol) {
		w.Header().Set("Upgrade", wire.Protocol)
		http.Error(w, "this leader speaks "+wire.Protocol, http.StatusUpgradeRequired)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "cannot upgrade", http.StatusInternalServerError)
		return
	}
	received, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
	received = append([]byte(nil), received...)
	cred, _ := uds.PeerFromContext(r.Context())
	c := &agentConn{conn: conn, wire: wire.NewConn(conn, received), pid: cred.PID, leases: l.leases, signer: l.signer}
	if !l.agents.add(c) {
		conn.Close()
		return
	}
	// In a goroutine of its own: this one's stack has grown with what net/http
	// needs, and an agent's connection lives as long as its task.
	ctx := l.ctx
	go func() {
		defer l.agents.remove(c)
		c.serve(ctx)
	}()
}

const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + wire.Protocol + "\r\n\r\n"

// serve answers requests until the connection ends.
func (c *agentConn) serve(ctx context.Context) {
	defer func() {
		c.conn.Close()
		if c.lease != nil {
			c.leases.broke(c.lease, c)
		}
	}()
	_ = c.conn.SetDeadline(time.Now().Add(firstRequest))
	if _, err := io.WriteString(c.conn, switching); err != nil {
		return
	}
	for {
		req := new(wire.Request)
		if err := c.wire.Read(req); err != nil {
			return
		}
		resp, err := c.answer(ctx, req)
		if err != nil {
			resp.Error = asWireError(err)
		}
		resp.ID = req.ID
		_ = c.conn.SetReadDeadline(time.Time{})
		_ = c.conn.SetWriteDeadline(time.Now().Add(writeAnswer))
		if err := c.wire.Write(resp); err != nil || c.task == nil {
			return
		}
	}
}

// asWireError makes every error one that an agent knows: what is no refusal may
// go better next time.
func asWireError(err error) *wire.Error {
	if e, ok := errors.AsType[*wire.Error](err); ok {
		return e
	}
	return &wire.Error{Code: wire.CodeUnavailable, Message: err.Error(), Hint: fault.HintOf(datadir.Advise(err))}
}

// unavailable is asWireError of what was attempted and failed.
func unavailable(what string, err error) *wire.Error {
	return asWireError(fmt.Errorf("%s: %w", what, err))
}

// answer deals with one request. A connection whose first request fails has no
// task and is ended.
func (c *agentConn) answer(ctx context.Context, req *wire.Request) (resp wire.Response, err error) {
	if err := req.Validate(); err != nil {
		return resp, err
	}
	first := req.Start != nil || req.Resume != nil
	if first != (c.task == nil) {
		return resp, &wire.Error{Code: wire.CodeInvalid, Message: "the first request, and only that, starts or resumes a lease"}
	}
	switch {
	case req.Start != nil:
		resp.Started, err = c.start(ctx, req.Start)
	case req.Resume != nil:
		resp.Resumed, err = c.resume(req.Resume)
	case c.lease == nil:
		return resp, &wire.Error{Code: wire.CodeInvalid, Message: "a task without an agent has no lease"}
	case req.Sign != nil:
		resp.Signed, err = c.sign(req.Sign)
	case req.Report != nil:
		c.leases.note(c.lease, *req.Report)
	case req.End != nil:
		c.leases.log.Debug("task ended", "alloc", c.task.AllocID, "job", c.task.Job, "task", c.task.Task)
		c.leases.end(c.lease)
	}
	return resp, err
}

func (c *agentConn) start(ctx context.Context, s *wire.Start) (*wire.Started, error) {
	le, t, err := c.leases.start(ctx, s, c, c.pid)
	if err != nil {
		return nil, err
	}
	out, err := c.signer.sign(t, nil)
	if err != nil {
		c.leases.log.Error("cannot sign identities", "task", t.Task, "error", err)
		if le != nil {
			c.leases.end(le)
		} else {
			c.leases.forget(taskKey{t.AllocID, t.Task})
		}
		return nil, err
	}
	c.lease, c.task = le, t
	if le != nil {
		c.leases.note(le, wire.Report{Expires: out.expires})
	}
	return &wire.Started{AllocID: t.AllocID, AllocIndex: t.AllocIndex, LeaseID: t.LeaseID, Tokens: out.tokens}, nil
}

func (c *agentConn) resume(r *wire.Resume) (*wire.Resumed, error) {
	le := c.leases.find(r.LeaseID)
	if le == nil || le.task.AllocID != r.AllocID || le.task.Task != r.Task || !c.leases.attach(le, c, c.pid) {
		return nil, lostError(r.Task)
	}
	c.lease, c.task = le, le.task
	return &wire.Resumed{}, nil
}

func (c *agentConn) sign(s *wire.Sign) (*wire.Signed, error) {
	if c.leases.find(c.lease.id) != c.lease {
		return nil, lostError(c.task.Task)
	}
	out, err := c.signer.sign(c.task, append([]string{}, s.Names...))
	if err != nil {
		return nil, err
	}
	c.leases.note(c.lease, wire.Report{Expires: out.expires})
	return &wire.Signed{Tokens: out.tokens}, nil
}

func lostError(task string) *wire.Error {
	return &wire.Error{
		Code:    wire.CodeLost,
		Message: "the leader has given up task \"" + task + "\": its agent was away for too long, or it has ended",
	}
}
