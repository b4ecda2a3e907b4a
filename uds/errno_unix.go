//go:build !windows

package uds

import (
	"errors"
	"syscall"
)

// refused: a socket without a listener.
func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// backlogFull: a listener that is behind with accepting.
func backlogFull(err error) bool { return errors.Is(err, syscall.EAGAIN) }

// otherKind: a listener for datagrams or packets.
func otherKind(err error) bool { return errors.Is(err, syscall.EPROTOTYPE) }
