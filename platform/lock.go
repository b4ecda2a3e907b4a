package platform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// ErrLocked is matched by the error of [TryLockFile] when another process, or
// another call in this one, holds the lock.
var ErrLocked = errors.New("held by another process")

// Lock is an exclusive lock on a file. The kernel drops it when its holder
// ends in whatever way. The file stays, so that everybody locks the same one.
type Lock struct {
	f    *os.File
	path string
	once sync.Once
}

// LockFile takes the lock on the file at path, waiting for it until ctx ends.
// A missing file is created for us alone (0600); a symlink is not followed.
//
// A waiter waits in the kernel, so it has the lock as soon as it is free. The
// wait cannot be broken off there: when ctx ends first the call returns at
// once, and a thread stays behind that lets go of the lock as soon as it gets
// it. Another process may then find it taken for a moment.
func LockFile(ctx context.Context, path string) (*Lock, error) {
	// Whoever holds a file that is no longer at path holds nothing, so the
	// one that is there now is locked instead.
	for {
		f, err := openLockFile(path)
		if err != nil {
			return nil, fmt.Errorf("open lock %q: %w", path, cause(err))
		}
		if err := lockContext(ctx, f); err != nil {
			return nil, fmt.Errorf("wait for lock %q: %w", path, cause(err))
		}
		if stillAt(f, path) {
			return &Lock{f: f, path: path}, nil
		}
		f.Close()
	}
}

// TryLockFile is [LockFile] without waiting: when the lock is held the error
// matches [ErrLocked].
func TryLockFile(path string) (*Lock, error) {
	for {
		f, err := openLockFile(path)
		if err != nil {
			return nil, fmt.Errorf("open lock %q: %w", path, cause(err))
		}
		if err := lockHandle(f, false); err != nil {
			f.Close()
			return nil, fmt.Errorf("lock %q: %w", path, err)
		}
		if stillAt(f, path) {
			return &Lock{f: f, path: path}, nil
		}
		f.Close()
	}
}

// File is the locked file, open for reading and writing, for what its holder
// wants others to know. Others may read it while it is locked. It is closed
// by [Lock.Unlock].
func (l *Lock) File() *os.File {
	return l.f
}

// InPlace reports whether the file is still the one at the path it was locked
// by. If it is not, others lock another one, and this lock keeps nobody out.
// What cannot be looked at is taken to be in place.
func (l *Lock) InPlace() bool {
	mine, err := l.f.Stat()
	if err != nil {
		return true
	}
	there, err := os.Lstat(l.path)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	return os.SameFile(mine, there)
}

// Unlock lets go of the lock and closes the file. It may be called again.
func (l *Lock) Unlock() error {
	var err error
	l.once.Do(func() { err = l.f.Close() })
	return err
}

// TryLockDir takes an exclusive lock on the open directory dir without
// waiting, for as long as dir is open: among processes that ask for it, one at
// a time changes what is in there. When it is held the error matches
// [ErrLocked]; where directories cannot be locked, [errors.ErrUnsupported].
//
// Whoever may read a directory may lock it for ever, so nothing must wait for
// it without an end.
func TryLockDir(dir *os.File) error {
	if err := lockDir(dir); err != nil {
		return fmt.Errorf("lock directory %q: %w", dir.Name(), err)
	}
	return nil
}

// openLockFile never truncates: the holder's words are in the file.
func openLockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|openNoFollow, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// lockContext locks f, or closes it.
func lockContext(ctx context.Context, f *os.File) error {
	err := lockHandle(f, false)
	if err == nil {
		return nil
	}
	if !errors.Is(err, ErrLocked) {
		f.Close()
		return err
	}
	locked := make(chan error)
	go func() {
		err := lockHandle(f, true)
		select {
		case locked <- err:
		case <-ctx.Done():
			f.Close()
		}
	}()
	select {
	case err := <-locked:
		if err != nil {
			f.Close()
		}
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// stillAt reports whether path still names f: somebody may have removed the
// directory and made it anew while we waited.
func stillAt(f *os.File, path string) bool {
	mine, err := f.Stat()
	if err != nil {
		return true // cannot tell; the lock is held
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(mine, there)
}
