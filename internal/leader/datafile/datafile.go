package datafile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/taskagent/taskagent/platform"
)

// tempMark is part of the name of every temporary file, so Sweep knows them.
const tempMark = ".tmp-"

// FreeSpace is the advice on a file that does not fit on its disk.
const FreeSpace = "free space on the file system of the data directory"

// Error is a refusal to read or publish a file, with what to do about it.
type Error struct {
	Op   string // read, publish, open
	Path string
	Err  error
	// Advice is the next step for the user, empty when none is known.
	Advice string
}

// Error says what was attempted on which file, and why it failed.
func (e *Error) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Path, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint returns the next step for the user.
func (e *Error) Hint() string { return e.Advice }

// Errors a caller branches on; they arrive wrapped in an *Error.
var (
	ErrForeign  = errors.New("belongs to another user")
	ErrTooOpen  = errors.New("can be opened by other users")
	ErrNotPlain = errors.New("is not a regular file")
	ErrTooLarge = errors.New("is larger than such a file can be")
)

// Check returns an error unless the file at path is a regular one that is ours
// and closed to others. It does not wait for a FIFO, and follows no symlink.
func Check(path string) error {
	f, err := openChecked(path)
	if err != nil {
		return readError(path, err)
	}
	return f.Close()
}

// openChecked opens the file at path, if it is a private file of ours.
func openChecked(path string) (*os.File, error) {
	f, err := openNoFollow(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = check(info)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Read returns the content of the file at path, at most limit bytes of it.
// A missing file is reported with an error matching fs.ErrNotExist.
func Read(path string, limit int64) ([]byte, error) {
	f, err := openChecked(path)
	if err != nil {
		return nil, readError(path, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, readError(path, err)
	}
	if int64(len(data)) > limit {
		return nil, readError(path, ErrTooLarge)
	}
	return data, nil
}

// Publish makes data the content of the file at path, with mode 0600, in one
// visible step. When it returns nil the content survives a crash of the machine.
func Publish(path string, data []byte) (err error) {
	defer func() {
		if err != nil {
			e := &Error{Op: "publish", Path: path, Err: cause(err), Advice: "check free space and that the directory is writable"}
			if platform.IsNoSpace(err) {
				e.Advice = FreeSpace
			}
			err = e
		}
	}()
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	temp := filepath.Join(dir, "."+base+tempMark+rand.Text())
	f, err := createPrivate(temp)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(temp)
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(dir)
}

// Sweep removes temporary files and directories that a crash left in dir. Only the holder of
// the directory's lock may call it.
func Sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return &Error{Op: "read", Path: dir, Err: cause(err)}
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") || !strings.Contains(e.Name(), tempMark) {
			continue
		}
		// RemoveAll follows no symlink.
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return &Error{Op: "remove", Path: filepath.Join(dir, e.Name()), Err: cause(err)}
		}
	}
	return nil
}

// check refuses what is no private file of ours.
func check(info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return ErrNotPlain
	}
	return checkOwner(info)
}

func readError(path string, err error) error {
	e := &Error{Op: "read", Path: path, Err: cause(err)}
	switch {
	case errors.Is(err, ErrTooOpen):
		e.Advice = "chmod 600 " + path + ", and consider what it holds as known to others"
	case errors.Is(err, ErrForeign):
		e.Advice = "run as the owner of the data directory"
	case errors.Is(err, ErrNotPlain), errors.Is(err, ErrTooLarge):
		e.Advice = "this was not written by taskagent: restore the file from a backup"
	}
	return e
}

// cause strips the *fs.PathError around a system error: Error names the path.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	if le, ok := errors.AsType[*os.LinkError](err); ok {
		return le.Err
	}
	return err
}
