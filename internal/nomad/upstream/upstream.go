// Package upstream reaches Nomad's HTTP API, over HTTP, HTTPS with a private CA
// and a client certificate, or a Unix socket.
//
// It gives a transport that changes nothing on the way: HTTP/1.1 only, because
// exec needs an upgrade to WebSocket that HTTP/2 has no common form of; no
// compression of its own; no proxy from the environment, which would get to see
// a task's tokens; and no limit on how long an answer may take, because streams
// may be silent for long. The caller bounds what is not a stream, see Streams.
//
// It decides nothing about tokens: see package gate.
package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/taskagent/taskagent/internal/nomad/tlsfiles"
	"github.com/taskagent/taskagent/uds"
)

// Config says where the API is.
type Config struct {
	// URL is http(s)://host[:port] or unix:///path. Required.
	URL string
	// TLS is for https; elsewhere nobody looks at it, because the same certificates
	// may be there for RPC.
	TLS tlsfiles.Files
	// ServerName is the name that the server's certificate must be for. Empty: the
	// host of the URL.
	ServerName string
	// Dial connects to host:port, or to a socket's path. Nil: TCP, or Unix.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
}

// Upstream is the way to an API. It is safe for concurrent use.
type Upstream struct {
	// Scheme and Host are those to put into a request's URL.
	Scheme, Host string
	// Transport sends requests. Certificates are read from their files for every
	// connection.
	Transport http.RoundTripper
	// Dial connects to the API where it is plain HTTP; it is nil with TLS.
	Dial func(ctx context.Context) (net.Conn, error)

	close func()
}

const (
	dialTimeout  = 10 * time.Second
	idleTimeout  = 30 * time.Second
	maxIdle      = 4 // Nomad takes no more than 100 connections from an address
	maxHeader    = 1 << 20
	continueWait = time.Second
)

// New returns the way to the API that cfg names. It reads the certificates, to
// find mistakes, and connects to nothing yet.
func New(cfg Config) (*Upstream, error) {
	u, err := parse(cfg)
	if err != nil {
		return nil, fmt.Errorf("upstream %q: %w", redact(cfg.URL), err)
	}
	dial := u.dialer(cfg.Dial)
	tr := &http.Transport{
		DialContext:            dial,
		DisableCompression:     true,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTimeout,
		ExpectContinueTimeout:  continueWait,
		MaxResponseHeaderBytes: maxHeader,
		Protocols:              new(http.Protocols),
	}
	tr.Protocols.SetHTTP1(true)
	up := &Upstream{Scheme: u.scheme, Host: u.host, Transport: tr, close: tr.CloseIdleConnections}
	if u.scheme == "https" {
		if err := cfg.TLS.Check(); err != nil {
			return nil, fmt.Errorf("upstream %q: %w", redact(cfg.URL), err)
		}
		tr.DialTLSContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			return dialTLS(ctx, dial, network, addr, cfg.TLS, u.serverName)
		}
		return up, nil
	}
	up.Dial = func(ctx context.Context) (net.Conn, error) { return dial(ctx, "tcp", u.address) }
	return up, nil
}

// Close closes the connections that nobody uses. The Upstream stays usable.
func (u *Upstream) Close() { u.close() }

// place is what a URL comes to.
type place struct {
	scheme, host string // for requests
	address      string // host:port
	socket       string // instead of address
	serverName   string
}

func parse(cfg Config) (*place, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return nil, errors.New("it is not a URL")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("want no more than a scheme and a place: no user, query or fragment")
	}
	switch u.Scheme {
	case "unix":
		return parseSocket(u)
	case "http", "https":
	default:
		return nil, errors.New("want http://host:port, https://host:port or unix:///path")
	}
	if u.Path != "" && u.Path != "/" {
		return nil, errors.New("want no path: Nomad's API is at the root")
	}
	if u.Hostname() == "" {
		return nil, errors.New("it names no host")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme] // as everywhere, and not Nomad's own
	}
	p := &place{scheme: u.Scheme, address: net.JoinHostPort(u.Hostname(), port), serverName: cfg.ServerName}
	p.host = p.address
	if p.serverName == "" {
		p.serverName = u.Hostname()
	}
	return p, nil
}

func parseSocket(u *url.URL) (*place, error) {
	path := u.Path
	if runtime.GOOS == "windows" {
		path = filepath.FromSlash(strings.TrimPrefix(path, "/")) // unix:///C:/…
	}
	switch {
	case u.Host != "":
		return nil, errors.New("want unix:///path, with three slashes: the path must be absolute")
	case !filepath.IsAbs(path):
		return nil, errors.New("the path must be absolute")
	}
	return &place{scheme: "http", host: "localhost", address: "localhost:80", socket: path}, nil
}

// dialer connects to the place, whatever a request's URL names.
func (p *place) dialer(dial func(context.Context, string) (net.Conn, error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	addr := p.address
	if p.socket != "" {
		addr = p.socket
	}
	switch {
	case dial != nil:
	case p.socket != "":
		dial = uds.Dial
	default:
		dial = func(ctx context.Context, addr string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr)
		}
	}
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		return dial(ctx, addr)
	}
}

func dialTLS(ctx context.Context, dial func(context.Context, string, string) (net.Conn, error), network, addr string,
	files tlsfiles.Files, serverName string) (net.Conn, error) {
	conn, err := dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	tc, err := files.Client(ctx, conn, serverName, "http/1.1")
	if err != nil {
		conn.Close()
		// For the proxy, a connection that was never made is one that failed to dial:
		// nothing was sent over it.
		return nil, &net.OpError{Op: "dial", Net: network, Addr: conn.RemoteAddr(), Err: err}
	}
	return tc, nil
}

// redact returns a URL fit for an error: without the user that it should not have.
func redact(raw string) string {
	switch u, err := url.Parse(raw); {
	case err != nil:
		return "(not shown)"
	case u.User == nil:
		return raw
	default:
		return u.Redacted()
	}
}
