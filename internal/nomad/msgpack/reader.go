package msgpack

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// What can be wrong with what is read, beside what the connection reports. A
// stream that ends within a value is io.ErrUnexpectedEOF, one that ends before
// it io.EOF.
var (
	ErrTooLong   = errors.New("it is longer than allowed")
	ErrMalformed = errors.New("it is not the MessagePack that was expected")
)

// bufferSize is small: most of an answer is stepped over, a lot of it at a time.
const bufferSize = 4 << 10

// Reader reads values from a stream. After an error the stream is at an unknown
// place and of no further use.
type Reader struct {
	r *bufio.Reader
	// left is how many bytes may still be read before the limit.
	left int64
	// inside reports whether a value was begun, and so whether an end is too early.
	inside bool
}

// NewReader returns a Reader that may read nothing yet: see Limit.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, bufferSize)}
}

// Limit allows n more bytes from here on, and no rest of an earlier limit. What
// comes next is taken for the beginning of a message: an end there is io.EOF.
func (r *Reader) Limit(n int64) { r.left, r.inside = n, false }

// Map reads the head of a map and returns the number of its pairs. The caller
// reads a key and a value for each.
func (r *Reader) Map() (int, error) { return r.container(kindMap) }

// Array reads the head of an array and returns the number of its elements. The
// caller reads each.
func (r *Reader) Array() (int, error) { return r.container(kindArray) }

func (r *Reader) container(want kind) (int, error) {
	h, err := r.head(want)
	// Every element takes a byte at least: a longer one would end in ErrTooLong
	// anyway, after the caller counted for long.
	if err == nil && h.n > uint64(r.left) {
		err = ErrTooLong
	}
	if err != nil {
		return 0, err
	}
	return int(h.n), nil
}

// Fields reads a map with text for keys and calls f for each of them. F reads the
// value, or returns false to have it stepped over.
func (r *Reader) Fields(f func(key string) (taken bool, err error)) error {
	n, err := r.Map()
	if err != nil {
		return err
	}
	for range n {
		key, err := r.Text(maxKey)
		if err != nil {
			return err
		}
		taken, err := f(key)
		if err == nil && !taken {
			err = r.Skip()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// maxKey bounds the keys of Fields. The longest is the name of a task.
const maxKey = 4 << 10

// Text reads text of max bytes at most; longer is ErrTooLong.
func (r *Reader) Text(max int) (string, error) {
	h, err := r.head(kindText)
	if err != nil || h.n == 0 {
		return "", err
	}
	if h.n > uint64(max) {
		return "", fmt.Errorf("%w: text of %d bytes, not %d at most", ErrTooLong, h.n, max)
	}
	return r.text(int(h.n))
}

// TextPrefix reads text of any length and returns its first max bytes.
func (r *Reader) TextPrefix(max int) (string, error) {
	h, err := r.head(kindText)
	if err != nil || h.n == 0 {
		return "", err
	}
	kept := min(h.n, uint64(max))
	s, err := r.text(int(kept))
	if err != nil {
		return "", err
	}
	return s, r.discard(h.n - kept)
}

func (r *Reader) text(n int) (string, error) {
	if err := r.spend(uint64(n)); err != nil {
		return "", err
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r.r, b); err != nil {
		return "", torn(err)
	}
	return string(b), nil
}

// Uint reads a number that is not negative.
func (r *Reader) Uint() (uint64, error) {
	h, err := r.head(kindUint)
	return h.n, err
}

// Bool reads a truth value.
func (r *Reader) Bool() (bool, error) {
	h, err := r.head(kindBool)
	return h.n == 1, err
}

// Skip steps over one value and all that is in it.
func (r *Reader) Skip() error {
	for values := uint64(1); values > 0; values-- {
		h, err := r.next()
		if err != nil {
			return err
		}
		switch h.kind {
		case kindText:
			err = r.discard(h.n)
		case kindExt:
			err = r.discard(h.n + 1) // the type of the extension
		case kindArray:
			values += h.n
		case kindMap:
			values += 2 * h.n
		}
		// No overflow: no more values than bytes are allowed, and a map cannot
		// announce more than 2^32 pairs.
		if err == nil && values > uint64(r.left)+1 {
			err = ErrTooLong
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// head reads the head of a value that should be of the kind wanted, or nil.
func (r *Reader) head(want kind) (head, error) {
	h, err := r.next()
	switch {
	case err != nil:
		return head{}, err
	case h.kind == kindNil:
		return head{kind: want}, nil
	case h.kind == want, want == kindUint && h.kind == kindInt && int64(h.n) >= 0:
		return h, nil
	}
	return head{}, fmt.Errorf("%w: %s instead of %s", ErrMalformed, h.kind, want)
}

// next reads any head, with the number that belongs to it in n.
func (r *Reader) next() (head, error) {
	b, err := r.byte()
	if err != nil {
		return head{}, err
	}
	h := headOf(b)
	if h.kind == kindUnused {
		return head{}, fmt.Errorf("%w: the byte 0xc1", ErrMalformed)
	}
	if h.width == 0 {
		return h, nil
	}
	var n uint64
	for range h.width {
		if b, err = r.byte(); err != nil {
			return head{}, err
		}
		n = n<<8 | uint64(b)
	}
	if h.kind == kindInt {
		shift := 64 - 8*h.width
		n = uint64(int64(n<<shift) >> shift) // with its sign
	}
	return head{kind: h.kind, n: n}, nil
}

func (r *Reader) byte() (byte, error) {
	if err := r.spend(1); err != nil {
		return 0, err
	}
	b, err := r.r.ReadByte()
	if err != nil {
		if r.inside {
			err = torn(err)
		}
		return 0, err
	}
	r.inside = true
	return b, nil
}

func (r *Reader) discard(n uint64) error {
	if err := r.spend(n); err != nil {
		return err
	}
	for n > 0 {
		d, err := r.r.Discard(int(min(n, 1<<20)))
		if err != nil {
			return torn(err)
		}
		n -= uint64(d)
	}
	return nil
}

// spend takes n bytes from what is allowed, before they are read.
func (r *Reader) spend(n uint64) error {
	if n > uint64(max(r.left, 0)) {
		return ErrTooLong
	}
	r.left -= int64(n)
	return nil
}

func torn(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
