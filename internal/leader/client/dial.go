package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"

	"github.com/taskagent/taskagent/internal/leader/datadir"
	"github.com/taskagent/taskagent/internal/wire"
	"github.com/taskagent/taskagent/uds"
)

// ErrNoLeader is what errors match when nobody leads the data directory.
var ErrNoLeader = errors.New("no leader is running")

// ErrImpostor is what errors match when whoever serves the leader's socket is
// neither the data directory's owner nor root.
var ErrImpostor = errors.New("somebody else answers in place of the leader")

// Dial connects to leader.sock of the leader that leads the data directory.
// The error matches ErrNoLeader when there is none.
func Dial(ctx context.Context, dataDir string) (net.Conn, error) {
	return dial(ctx, dataDir, wire.LeaderSocket)
}

// DialTask connects to task.sock, where what tasks send goes.
func DialTask(ctx context.Context, dataDir string) (net.Conn, error) {
	return dial(ctx, dataDir, wire.TaskSocket)
}

func dial(ctx context.Context, dataDir, socket string) (net.Conn, error) {
	path := filepath.Join(dataDir, socket)
	conn, err := uds.Dial(ctx, path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, uds.ErrNotListening) {
		return nil, fmt.Errorf("data directory %s: %w", dataDir, ErrNoLeader)
	}
	if err != nil {
		return nil, fmt.Errorf("connect to the leader: %w", explain(dataDir, err))
	}
	if err := checkServer(conn, dataDir); err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect to the leader at %s: %w", path, err)
	}
	return conn, nil
}

// explain returns the refusal of the data directory where that is why its socket
// cannot be reached, and err otherwise.
func explain(dataDir string, err error) error {
	if errors.Is(err, uds.ErrPathTooLong) {
		return datadir.TooLong(dataDir)
	}
	if errors.Is(err, fs.ErrPermission) {
		if why := datadir.Check(dataDir); why != nil {
			return why
		}
	}
	if _, why := datadir.Owner(dataDir); why != nil && !errors.Is(why, fs.ErrNotExist) {
		return why
	}
	return err
}

// checkServer refuses a server that is not who the data directory belongs to:
// it would be given tokens to sign for, and tokens of tasks.
func checkServer(conn net.Conn, dataDir string) error {
	owner, err := datadir.Owner(dataDir)
	if err != nil {
		return err
	}
	cred, err := uds.PeerCred(conn)
	if err != nil {
		return err
	}
	switch {
	case cred.SameUser(), owner >= 0 && cred.UID == owner, cred.UID == 0:
		return nil
	case owner < 0:
		return ErrImpostor
	}
	return fmt.Errorf("%w: uid %d, the directory's owner is uid %d", ErrImpostor, cred.UID, owner)
}
