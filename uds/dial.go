package uds

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/taskagent/taskagent/platform"
)

// Dial connects to the socket at path, waiting until ctx ends for a listener
// that is behind with accepting. A path of more than [MaxPath] bytes is
// reached where the system allows it, which is on Linux, and elsewhere when it
// is an alias that leads to a shorter one; otherwise the error matches
// [ErrPathTooLong].
//
// An error matches [fs.ErrNotExist] when there is no socket,
// [ErrNotListening] when its listener is gone, and [fs.ErrPermission]. On
// success the connection is a [*net.UnixConn].
func Dial(ctx context.Context, path string) (net.Conn, error) {
	for delay := time.Millisecond; ; delay = min(2*delay, 50*time.Millisecond) {
		conn, err := dialOnce(ctx, path)
		if err == nil {
			return conn, nil
		}
		if !backlogFull(err) {
			return nil, fmt.Errorf("connect to socket %q: %w", path, explain(err))
		}
		// A blocking connect would wait in the kernel; package net's does not.
		retry := time.NewTimer(delay)
		select {
		case <-retry.C:
		case <-ctx.Done():
			retry.Stop()
			return nil, fmt.Errorf("connect to socket %q: its listener does not accept: %w", path, context.Cause(ctx))
		}
	}
}

// explain adds what the system's word for it leaves unclear.
func explain(err error) error {
	if refused(err) {
		return fmt.Errorf("%w: %w", ErrNotListening, err)
	}
	return err
}

// dialOnce connects or fails at once; its error is the system's own.
func dialOnce(ctx context.Context, path string) (*net.UnixConn, error) {
	if err := platform.AFUnix(); err != nil {
		return nil, err
	}
	path, err := cleanPath(path)
	if err != nil {
		return nil, err
	}
	short, release, err := shorten(path)
	if err != nil {
		return nil, err
	}
	defer release()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", short)
	if err != nil {
		return nil, cause(err)
	}
	return conn.(*net.UnixConn), nil
}

// shorten returns a path of at most MaxPath bytes to what is at path, good
// until release is called.
func shorten(path string) (short string, release func(), err error) {
	if len(path) <= MaxPath {
		return path, func() {}, nil
	}
	// By way of the directory: that looks the name up when connecting, so a
	// socket that is being replaced is found, the old one or the new.
	if p, release, ok := viaDescriptor(filepath.Dir(path), "/"+filepath.Base(path)); ok {
		return p, release, nil
	}
	if p, release, ok := viaDescriptor(path, ""); ok {
		return p, release, nil
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", nil, cause(err)
	}
	if len(real) > MaxPath {
		return "", nil, tooLong(path)
	}
	return real, func() {}, nil
}

func viaDescriptor(path, rest string) (short string, release func(), ok bool) {
	f, err := platform.OpenPath(path)
	if err != nil {
		return "", nil, false
	}
	short, ok = platform.DescriptorPath(f)
	if !ok || len(short)+len(rest) > MaxPath {
		f.Close()
		return "", nil, false
	}
	return short + rest, func() { f.Close() }, true
}
