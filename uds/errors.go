package uds

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
)

// What callers branch on, with [errors.Is].
var (
	// ErrInUse is matched by an [*InUseError]: somebody else's socket is
	// there, and was left alone.
	ErrInUse = errors.New("the socket is in use")
	// ErrInTheWay means that something that is neither a socket nor an alias
	// of ours has the socket's name; it was left alone.
	ErrInTheWay = errors.New("not a socket of ours")
	// ErrPathTooLong means that a path, or every place to shorten it in, has
	// more than [MaxPath] bytes.
	ErrPathTooLong = errors.New("socket path too long")
	// ErrNotListening means that the socket is there but its listener is
	// gone. Where there is no socket the error matches [fs.ErrNotExist].
	ErrNotListening = errors.New("nothing listens on it")
)

// InUseError says that a socket which somebody serves, or may serve, is where
// one was to be made. It matches [ErrInUse].
type InUseError struct {
	// Path is the socket that was asked for.
	Path string
	// State is [Live], or [Denied] where we may not even connect.
	State State
	// PID is the process that listens, or 0 when the system does not tell.
	PID int
}

// Error names the socket and, where known, who has it.
func (e *InUseError) Error() string {
	switch {
	case e.State == Denied:
		return fmt.Sprintf("socket %q is somebody else's: we may not connect to it", e.Path)
	case e.PID > 0:
		return fmt.Sprintf("socket %q is in use by process %d", e.Path, e.PID)
	}
	return fmt.Sprintf("socket %q is in use by another process", e.Path)
}

// Is makes the error match [ErrInUse].
func (e *InUseError) Is(target error) bool {
	return target == ErrInUse
}

// cause strips what packages net and os say about an operation and a path,
// for messages that name both in words of their own: the path they know may
// be one of /proc.
func cause(err error) error {
	for {
		switch e := err.(type) {
		case *net.OpError:
			err = e.Err
		case *os.SyscallError:
			err = e.Err
		case *fs.PathError:
			err = e.Err
		case *os.LinkError:
			err = e.Err
		default:
			return err
		}
	}
}
