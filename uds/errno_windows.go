package uds

import (
	"errors"
	"syscall"
)

// Of winsock2.h; package syscall's own ECONNREFUSED is no error that Windows
// returns.
const (
	wsaeConnRefused = syscall.Errno(10061)
	wsaePrototype   = syscall.Errno(10041)
)

// refused: a socket without a listener.
func refused(err error) bool { return errors.Is(err, wsaeConnRefused) }

// backlogFull: Windows refuses then, and cannot be told from a dead socket.
func backlogFull(error) bool { return false }

// otherKind: a listener for datagrams or packets.
func otherKind(err error) bool { return errors.Is(err, wsaePrototype) }
