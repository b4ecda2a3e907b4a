package uds

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/taskagent/taskagent/platform"
)

// Cred is who is at the other end of a connection, as the kernel says; see
// [platform.Cred] for what it is worth.
type Cred = platform.Cred

// PeerCred asks the kernel who is at the other end of conn, a Unix connection
// or one that wraps it with a method NetConn, as [crypto/tls.Conn] does. An
// error matches [errors.ErrUnsupported] when the connection is of another kind
// or the system cannot tell. Whoever grants something on the answer must
// refuse it on an error.
func PeerCred(conn net.Conn) (Cred, error) {
	for c := conn; ; {
		switch inner := c.(type) {
		case *net.UnixConn:
			return platform.PeerCred(inner)
		case interface{ NetConn() net.Conn }:
			c = inner.NetConn()
		default:
			return Cred{UID: -1, GID: -1}, fmt.Errorf("read peer credentials of %T: %w", conn, errors.ErrUnsupported)
		}
	}
}

// peerKey is the context key of a *peer.
type peerKey struct{}

type peer struct {
	cred Cred
	err  error
}

// ConnContext asks for the peer's identity once, when a connection comes in,
// and keeps the answer in the context of its requests; it is meant for
// [net/http.Server.ConnContext]. [PeerFromContext] reads it.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	p := new(peer)
	p.cred, p.err = PeerCred(conn)
	return context.WithValue(ctx, peerKey{}, p)
}

// PeerFromContext returns the peer that [ConnContext] found, or its error.
// Without one in ctx it fails too.
func PeerFromContext(ctx context.Context) (Cred, error) {
	p, ok := ctx.Value(peerKey{}).(*peer)
	if !ok {
		return Cred{UID: -1, GID: -1}, errors.New("no peer credentials: the connection was not asked for them")
	}
	return p.cred, p.err
}
