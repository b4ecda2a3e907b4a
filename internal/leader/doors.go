package leader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/taskagent/taskagent/internal/fault"
	"github.com/taskagent/taskagent/internal/leader/httpapi"
	"github.com/taskagent/taskagent/internal/wire"
	"github.com/taskagent/taskagent/uds"
)

// Bounds on what a peer may keep open. Blocked requests take minutes, so there
// is none on writing.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 128 << 10
	// closeTime is how long requests that are being answered may take when the
	// leader ends.
	closeTime = 3 * time.Second
)

// doors are the listeners and their servers.
type doors struct {
	servers []*http.Server
	http    atomic.Pointer[string] // address of the operators' listener, once it is there
	missing *http.Server           // the operators' server while it has no listener
	sockets []*uds.Listener        // of tasks and agents
}

// openDoors makes the API and opens the doors to it, the operators' first: it is
// the one that can fail, and until it is open nobody should find a leader.
func (l *Leader) openDoors() error {
	addr, err := listenAddress(value(l.settings.HTTP, ""))
	if err != nil {
		return err
	}
	operators, err := l.listenHTTP(addr)
	if err != nil {
		return err
	}
	l.api, err = httpapi.New(httpapi.Config{
		Store: l.store, Keyring: l.keys, Authenticate: l.auth.Authenticate,
		Issuer: value(l.settings.Issuer, ""), Addr: l.apiAddr(addr), Hosts: l.hosts(addr),
		OpenBootstrap: l.cfg.OpenBootstrap, Version: l.cfg.Version,
		Done: l.ctx.Done(), Logger: l.log.Named("http"),
	})
	if err != nil {
		if operators != nil {
			operators.Close()
		}
		return err
	}
	if addr != "" {
		srv := l.server(l.counted(l.api.OperatorHandler(value(l.settings.ACL, true))), false)
		if operators != nil {
			l.serve(srv, operators)
		} else {
			l.doors.missing = srv
		}
	}
	// The task door before the agents': whoever has a lease may send at once.
	for _, d := range []struct {
		name    string
		handler http.Handler
	}{
		{wire.TaskSocket, l.api.TaskHandler()},
		{wire.LeaderSocket, l.trusted()},
	} {
		ln, err := uds.Listen(filepath.Join(l.cfg.DataDir, d.name), uds.Options{Mode: 0o600, UID: -1, GID: -1})
		if err != nil {
			l.closeDoors()
			return err
		}
		l.doors.sockets = append(l.doors.sockets, ln)
		l.serve(l.server(l.counted(d.handler), true), ln)
	}
	return nil
}

// listenHTTP opens the operators' listener. A detached leader leads without it
// when it cannot be had: nobody is there to read an error, and tasks need it more.
func (l *Leader) listenHTTP(addr string) (net.Listener, error) {
	if addr == "" {
		return nil, nil
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(l.ctx, "tcp", addr)
	if err == nil {
		actual := ln.Addr().String()
		l.doors.http.Store(&actual)
		l.warnPlain(actual)
		return bounded(ln, maxOperators), nil
	}
	if oe, ok := errors.AsType[*net.OpError](err); ok {
		err = oe.Err
	}
	err = fault.Hint(fmt.Errorf("listen on %s for operators: %w", addr, err),
		"choose another address with -http, or none with -http=")
	if l.cfg.Detached && l.cfg.Settings.HTTP == nil {
		l.log.Error("leading without the operators' listener; it is tried again every minute", "error", err)
		return nil, nil
	}
	return nil, err
}

// warnPlain says what it means to listen beyond loopback.
func (l *Leader) warnPlain(addr string) {
	if ap, err := netip.ParseAddrPort(addr); err == nil && !ap.Addr().IsLoopback() {
		l.log.Warn("the operators' listener can be reached from other machines, and tokens go over it unencrypted", "address", addr)
	}
}

// retryHTTP tries again to open an operators' listener that could not be had.
func (l *Leader) retryHTTP() {
	srv := l.doors.missing
	if srv == nil {
		return
	}
	addr, err := listenAddress(value(l.settings.HTTP, ""))
	if err != nil {
		return
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return
	}
	actual := ln.Addr().String()
	l.doors.missing = nil
	l.doors.http.Store(&actual)
	l.log.Info("the operators' listener is open", "address", actual)
	l.serve(srv, bounded(ln, maxOperators))
}

func (l *Leader) httpAddr() string {
	if a := l.doors.http.Load(); a != nil {
		return *a
	}
	return ""
}

// apiAddr is what the API names as its address.
func (l *Leader) apiAddr(addr string) string {
	if a := l.httpAddr(); a != "" {
		return a
	}
	return addr
}

// hosts are the names that operators may call this leader by.
func (l *Leader) hosts(addr string) []string {
	var hosts []string
	if host, _, err := net.SplitHostPort(addr); err == nil {
		hosts = append(hosts, host)
	}
	if u, err := url.Parse(value(l.settings.Issuer, "")); err == nil && u.Hostname() != "" {
		hosts = append(hosts, u.Hostname())
	}
	return hosts
}

func (l *Leader) server(h http.Handler, peers bool) *http.Server {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		// net/http answers "OPTIONS *" itself, and asks nobody for a token.
		DisableGeneralOptionsHandler: true,
		BaseContext:                  func(net.Listener) context.Context { return l.ctx },
		ErrorLog:                     log.New(io.Discard, "", 0), // clients that hang up are no news
	}
	if peers {
		srv.ConnContext = uds.ConnContext
	}
	return srv
}

func (l *Leader) serve(srv *http.Server, ln net.Listener) {
	l.doors.servers = append(l.doors.servers, srv)
	l.background.Go(func() {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			l.log.Error("a door is closed", "address", ln.Addr().String(), "error", err)
			l.leave(&failedError{fmt.Errorf("serve %s: %w", ln.Addr(), err)})
		}
	})
}

// closeDoors lets nobody in any more, waits a little for what is being
// answered, and ends all connections. Blocked requests end by l.ctx.
func (l *Leader) closeDoors() {
	l.leave(nil)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), closeTime)
	defer cancel()
	for i := len(l.doors.servers) - 1; i >= 0; i-- { // the agents' door first
		l.background.Go(func() {
			srv := l.doors.servers[i]
			if srv.Shutdown(ctx) != nil {
				srv.Close()
			}
		})
	}
	l.agents.close()
	l.background.Wait()
}
