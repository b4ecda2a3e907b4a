package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/taskagent/taskagent/internal/nomad/msgpack"
)

// The first byte of a connection says what follows.
const (
	byteRPC = 0x01 // net/rpc over MessagePack
	byteTLS = 0x04 // TLS, and inside of it the first byte again
)

// maxHeader bounds the header of an answer; it holds the server's error.
const maxHeader = 64 << 10

// ask makes the calls on one connection to one server.
func (c *Client) ask(ctx context.Context, addr string, calls []*Call) error {
	conn, err := c.connect(ctx, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	r := msgpack.NewReader(conn)
	for i, call := range calls {
		if err := c.exchange(ctx, conn, r, uint64(i), call); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx) // not the deadline that it set
			}
			return err
		}
	}
	return nil
}

func (c *Client) connect(ctx context.Context, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.ConnectTimeout, errSlowConnect)
	defer cancel()
	conn, err := c.cfg.Dial(ctx, addr)
	if err != nil {
		return nil, refused(ctx, err)
	}
	if c.cfg.TLS == nil {
		return conn, nil
	}
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	if _, err := conn.Write([]byte{byteTLS}); err != nil {
		conn.Close()
		return nil, refused(ctx, err)
	}
	// Certificates name the role and the region, never an address.
	tc, err := c.cfg.TLS.Client(ctx, conn, "server."+c.cfg.Region+".nomad")
	if err != nil {
		conn.Close()
		return nil, refused(ctx, err)
	}
	return tc, nil
}

// refused prefers the reason of the context to what it did to a connection, and
// strips the address that errors of package net repeat.
func refused(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return fmt.Errorf("connect: %w", op.Err)
	}
	// Closing with something of ours unread resets the connection: which of the
	// two arrives is chance.
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return fmt.Errorf("TLS handshake: %w", errHungUp)
	}
	return err
}

// exchange sends one request and reads its answer.
func (c *Client) exchange(ctx context.Context, conn net.Conn, r *msgpack.Reader, seq uint64, call *Call) error {
	token, err := c.cfg.Token()
	if err != nil {
		return &localError{err}
	}
	frame := c.frame(call, seq, token)
	_ = conn.SetDeadline(time.Now().Add(c.cfg.ConnectTimeout))
	err = ctx.Err() // its deadline may have been set before ours
	if err == nil {
		_, err = conn.Write(frame)
	}
	clear(frame)
	clear(token) // not when the answer is there: that may be minutes from now
	if err != nil {
		return fmt.Errorf("send the request: %w", readable(err))
	}
	wait := call.Query.Wait
	if call.Query.MinIndex == 0 {
		wait = 0
	}
	wait += wait/16 + c.cfg.AnswerTimeout // servers add up to a sixteenth
	_ = conn.SetDeadline(time.Now().Add(wait))
	if err = ctx.Err(); err != nil {
		return err
	}
	return c.answer(r, seq, call)
}

// frame builds a request: the header, then the arguments in one map.
func (c *Client) frame(call *Call, seq uint64, token []byte) []byte {
	value := call.Value(nil)
	// Room for all of it, or growing would leave copies of the token behind.
	const fixed = 256
	b := make([]byte, 0, fixed+len(call.Method)+len(call.Param)+len(value)+len(c.cfg.Region)+len(token))
	if seq == 0 {
		b = append(b, byteRPC)
	}
	b = msgpack.AppendMap(b, 2)
	b = msgpack.AppendString(b, "ServiceMethod")
	b = msgpack.AppendString(b, call.Method)
	b = msgpack.AppendString(b, "Seq")
	b = msgpack.AppendUint(b, seq)

	q := call.Query
	pairs := 4
	if q.MinIndex > 0 {
		pairs = 6
	}
	b = msgpack.AppendMap(b, pairs)
	b = msgpack.AppendString(b, call.Param)
	b = append(b, value...)
	b = msgpack.AppendString(b, "Region")
	b = msgpack.AppendString(b, c.cfg.Region)
	b = msgpack.AppendString(b, "AllowStale")
	b = msgpack.AppendBool(b, q.AllowStale)
	if q.MinIndex > 0 {
		b = msgpack.AppendString(b, "MinQueryIndex")
		b = msgpack.AppendUint(b, q.MinIndex)
		b = msgpack.AppendString(b, "MaxQueryTime")
		b = msgpack.AppendUint(b, uint64(q.Wait))
	}
	b = msgpack.AppendString(b, "AuthToken")
	return msgpack.AppendString(b, token)
}

// answer reads the header of an answer and then what belongs to it.
func (c *Client) answer(r *msgpack.Reader, seq uint64, call *Call) error {
	var refusal string
	got := ^seq
	r.Limit(maxHeader)
	err := r.Fields(func(key string) (taken bool, err error) {
		switch key {
		case "Error":
			refusal, err = r.TextPrefix(maxRefusal)
		case "Seq":
			got, err = r.Uint()
		default:
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return fmt.Errorf("read the answer: %w", readable(err))
	}
	if got != seq {
		return errors.New("read the answer: it is to another request")
	}
	if refusal != "" {
		token, err := c.cfg.Token()
		if err != nil {
			return &localError{err}
		}
		defer clear(token)
		return &Refusal{Method: call.Method, Text: plain(refusal, token)}
	}
	r.Limit(c.cfg.MaxAnswer)
	if err := call.Reply(r); err != nil {
		return fmt.Errorf("read the answer to %s: %w", call.Method, readable(err))
	}
	return nil
}
