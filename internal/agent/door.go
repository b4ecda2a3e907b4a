package agent

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/hashicorp/go-hclog"

	"github.com/taskagent/taskagent/internal/fault"
	"github.com/taskagent/taskagent/taskapi"
	"github.com/taskagent/taskagent/uds"
)

// The names of a task's socket: Nomad's own, and ours where that is taken.
const (
	apiSocket = "api.sock"
	ownSocket = "taskagent.sock"
)

// door is where the task's requests come in: its socket, and a loopback port
// where one was asked for.
type door struct {
	server *taskapi.Server
	tcp    *taskapi.Server
	socket *uds.Listener
	addr   string // http://127.0.0.1:port, empty without one
}

// openDoor listens. current supplies the token that -inject-token adds.
func openDoor(c *Config, secrets string, upstream taskapi.Config, current func() (string, bool)) (_ *door, err error) {
	d := &door{}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if d.socket, err = listenSocket(c, secrets); err != nil {
		return nil, err
	}
	upstream.Logger = c.Logger
	plain := taskapi.New(upstream)
	if c.InjectToken {
		upstream.Inject = injector(c, current)
	}
	d.server = taskapi.NewServer(taskapi.New(upstream), uds.ConnContext)
	d.server.Serve(d.socket, acceptFailed(c.Logger, d.socket.Path()))
	if c.Listen == "" {
		return d, nil
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("listen on %s: %w", c.Listen, err), "port 0 picks a free one; the task finds it in NOMAD_ADDR")
	}
	d.addr = "http://" + l.Addr().String()
	// Whoever reaches a port is not known to the kernel: nothing is injected there.
	d.tcp = taskapi.NewServer(plain, nil)
	d.tcp.Serve(l, acceptFailed(c.Logger, l.Addr().String()))
	return d, nil
}

func acceptFailed(log hclog.Logger, where string) func(error) {
	return func(err error) {
		log.Error("the Task API is closed: accepting connections failed", "at", where, "error", err)
	}
}

// listenSocket makes api.sock, or taskagent.sock where somebody else serves that name.
func listenSocket(c *Config, secrets string) (*uds.Listener, error) {
	uid, gid := owner(c.User)
	o := uds.Options{Mode: 0o600, UID: uid, GID: gid}
	if c.Source == SourceFile { // api.sock is Nomad's, in use or not
		l, err := uds.Listen(filepath.Join(secrets, ownSocket), o)
		return l, socketFault(err)
	}
	l, err := uds.Listen(filepath.Join(secrets, apiSocket), o)
	if !errors.Is(err, uds.ErrInUse) {
		return l, socketFault(err)
	}
	c.Logger.Info("somebody else serves api.sock; the Task API is at "+ownSocket, "directory", secrets)
	l, err = uds.Listen(filepath.Join(secrets, ownSocket), o)
	return l, socketFault(err)
}

func socketFault(err error) error {
	switch {
	case errors.Is(err, uds.ErrPathTooLong):
		return fault.Hint(err, fmt.Sprintf("choose a -secrets-dir with a path of less than %d bytes", uds.MaxPath-len("/"+ownSocket)))
	case errors.Is(err, uds.ErrInUse):
		return fault.Hint(err, "another agent serves this directory: give each task a -secrets-dir of its own")
	case errors.Is(err, uds.ErrInTheWay):
		return fault.Hint(err, "move it away, or choose another -secrets-dir")
	}
	return err
}

// injector lets the task's own user in without a token, by the kernel's word on
// who connected. Requests from anybody else stay without one.
func injector(c *Config, current func() (string, bool)) func(*http.Request) (string, bool) {
	uid := os.Geteuid()
	if c.User != nil {
		uid = c.User.UID
	}
	return func(r *http.Request) (string, bool) {
		peer, err := uds.PeerFromContext(r.Context())
		if err != nil || !vouchedFor(peer, uid) {
			return "", false
		}
		return current()
	}
}

func vouchedFor(peer uds.Cred, uid int) bool {
	if uid < 0 { // no numeric users here: only our own user will do
		return peer.SameUser()
	}
	return peer.UID == uid
}

// reopen serves the socket anew where it was. Requests under way go on.
func (d *door) reopen(c *Config, secrets string) error {
	old := d.socket
	_ = old.Close()
	l, err := listenSocket(c, secrets)
	if err != nil {
		return err
	}
	d.socket = l
	d.server.Serve(l, acceptFailed(c.Logger, l.Path()))
	return nil
}

// path is where clients find the socket.
func (d *door) path() string { return d.socket.DialPath() }

// close ends all requests and removes the socket.
func (d *door) close() {
	if d.tcp != nil {
		d.tcp.Close()
	}
	if d.server != nil {
		d.server.Close()
	}
	if d.socket != nil {
		_ = d.socket.Close()
	}
}
