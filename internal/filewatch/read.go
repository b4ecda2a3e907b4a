package filewatch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// MaxSize is the largest file that is read, in bytes.
const MaxSize = 64 << 10

// Why a file was not taken.
var (
	ErrUnsettled = errors.New("it is being written")
	ErrNotValid  = errors.New("it is empty or incomplete")
)

// Options says how files are read and followed. The zero Options is usable.
type Options struct {
	// Valid reports whether a content is complete. Nil accepts all but an empty one.
	Valid func(data []byte) bool
	// Settle is how long a file that was changed just now must stay the same.
	// Zero means 10 ms.
	Settle time.Duration
	// Poll is how often the files are looked at without being told of a change.
	// Zero means once a minute.
	Poll time.Duration
}

func (o Options) withDefaults() Options {
	if o.Valid == nil {
		o.Valid = func(data []byte) bool { return len(data) > 0 }
	}
	if o.Settle <= 0 {
		o.Settle = 10 * time.Millisecond
	}
	if o.Poll <= 0 {
		o.Poll = time.Minute
	}
	return o
}

// Read returns the content of the file at path once it is complete and at rest.
// It waits for that as long as ten times Settle; then the error matches
// ErrUnsettled or ErrNotValid. A missing file is an error matching
// fs.ErrNotExist at once.
func Read(path string, o Options) ([]byte, error) {
	o = o.withDefaults()
	var last *sample
	var err error
	for attempt := 0; ; attempt++ {
		var s *sample
		if s, err = take(path); err == nil {
			switch {
			case !o.Valid(s.data):
				err = ErrNotValid
			case s.atRest() || s.settled(last):
				return s.data, nil
			default:
				err = ErrUnsettled
			}
		} else if !errors.Is(err, ErrUnsettled) {
			break
		}
		if attempt == 10 || s != nil && s.atRest() {
			break
		}
		last = s
		time.Sleep(o.Settle)
	}
	return nil, fmt.Errorf("read %q: %w", path, cause(err))
}

// sample is one look at a file.
type sample struct {
	data []byte
	info fs.FileInfo
}

// restAge is how long ago a file must have been changed for one look to be
// enough. Clocks of file systems tick coarsely, hence not shorter.
const restAge = time.Second

// atRest reports whether the file was left alone for a while. A modification
// time in the future says nothing.
func (s *sample) atRest() bool { return time.Since(s.info.ModTime()) > restAge }

// settled reports whether nothing happened to the file between the two looks. A
// file that took another's place in that time counts as well: whoever writes does
// so by renaming, and would never be read while it does that all the time.
func (s *sample) settled(before *sample) bool {
	if before == nil {
		return false
	}
	return !os.SameFile(s.info, before.info) ||
		s.info.ModTime().Equal(before.info.ModTime()) && bytes.Equal(s.data, before.data)
}

// take looks at the file once. A change while it reads is ErrUnsettled.
func take(path string) (*sample, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	if before.Size() > MaxSize {
		return nil, fmt.Errorf("it is larger than %d bytes", MaxSize)
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, err
	}
	after, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != before.Size() || after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		return nil, ErrUnsettled
	}
	return &sample{data, after}, nil
}

// cause strips the path that an error of package os repeats.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
