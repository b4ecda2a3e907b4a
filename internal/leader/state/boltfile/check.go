package boltfile

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// What Check's errors match.
var (
	// ErrForeign is a file that was never a bbolt file, or one of another version.
	ErrForeign = errors.New("not a database of the kind expected")
	// ErrDamaged is a bbolt file that is not whole.
	ErrDamaged = errors.New("damaged")
)

// Check reports whether the file at path is a whole bbolt file.
func Check(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return CheckReader(f, info.Size())
}

// CheckReader reports whether size bytes of r are a whole bbolt file: every page
// is reached once or free, lies inside the file, and holds sorted keys that lie
// inside the page and between those that the pages above promise.
func CheckReader(r io.ReaderAt, size int64) error {
	if size == 0 {
		return fmt.Errorf("%w: the file is empty", ErrDamaged)
	}
	m, err := readMeta(r, size)
	if err != nil {
		return err
	}
	c := &checker{r: r, meta: m, seen: make([]bool, m.pages)}
	c.seen[0], c.seen[1] = true, true
	if err := c.bucket(m.root, 0); err != nil {
		return err
	}
	return c.freelist()
}

// checker walks one file.
type checker struct {
	r    io.ReaderAt
	meta meta
	seen []bool // by page number
}

// maxDepth bounds the levels of pages and buckets together. A tree with two
// keys a page would need more than 2^64 pages to be deeper.
const maxDepth = 80

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// bucket walks the tree of pages below root.
func (c *checker) bucket(root uint64, depth int) error {
	return c.tree(root, nil, nil, depth)
}

// tree walks the page with that number and all below. Its keys are at least low
// and less than high, where those are not nil.
func (c *checker) tree(id uint64, low, high []byte, depth int) error {
	if depth > maxDepth {
		return damaged("the pages are nested too deeply at page %d", id)
	}
	p, err := c.page(id)
	if err != nil {
		return err
	}
	return c.elements(p, low, high, depth)
}

// elements walks what a page holds.
func (c *checker) elements(p page, low, high []byte, depth int) error {
	if p.flags != flagBranch && p.flags != flagLeaf {
		return damaged("page %d is of kind %#x where a tree goes on", p.id, p.flags)
	}
	if p.flags == flagBranch && p.count == 0 {
		return damaged("page %d leads nowhere", p.id)
	}
	var last []byte
	for i := range p.count {
		e, err := p.element(i)
		if err != nil {
			return err
		}
		if i > 0 && string(e.key) <= string(last) {
			return damaged("the keys of page %d are out of order", p.id)
		}
		if low != nil && string(e.key) < string(low) || high != nil && string(e.key) >= string(high) {
			return damaged("a key of page %d belongs elsewhere", p.id)
		}
		last = e.key
		if p.flags == flagLeaf {
			if err := c.leaf(p, e, depth); err != nil {
				return err
			}
			continue
		}
		next := high
		if i+1 < p.count {
			n, err := p.element(i + 1)
			if err != nil {
				return err
			}
			next = n.key
		}
		if err := c.tree(e.child, e.key, next, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// leaf walks the bucket that a leaf element may be.
func (c *checker) leaf(p page, e element, depth int) error {
	switch {
	case e.flags == 0:
		return nil
	case e.flags != flagBucket:
		return damaged("an element of page %d is of kind %#x", p.id, e.flags)
	case len(e.value) < bucketHeader:
		return damaged("a bucket in page %d is cut short", p.id)
	}
	if root := order.Uint64(e.value); root != 0 {
		return c.bucket(root, depth+1)
	}
	inline, err := parsePage(p.id, e.value[bucketHeader:])
	if err != nil {
		return err
	}
	if inline.flags != flagLeaf {
		return damaged("a small bucket in page %d is of kind %#x", p.id, inline.flags)
	}
	return c.elements(inline, nil, nil, depth+1)
}

// page reads a page that nothing has led to before.
func (c *checker) page(id uint64) (page, error) {
	if id < 2 || id >= c.meta.pages {
		return page{}, damaged("page %d is outside of the %d pages there are", id, c.meta.pages)
	}
	head := make([]byte, pageHeader)
	if err := c.read(head, id); err != nil {
		return page{}, err
	}
	overflow := uint64(order.Uint32(head[12:]))
	if overflow >= c.meta.pages-id {
		return page{}, damaged("page %d runs over the end of the file", id)
	}
	for i := id; i <= id+overflow; i++ {
		if c.seen[i] {
			return page{}, damaged("page %d is used twice", i)
		}
		c.seen[i] = true
	}
	buf := make([]byte, (overflow+1)*c.meta.pageSize)
	if err := c.read(buf, id); err != nil {
		return page{}, err
	}
	p, err := parsePage(id, buf)
	if err != nil {
		return page{}, err
	}
	if got := order.Uint64(buf); got != id {
		return page{}, damaged("page %d says it is page %d", id, got)
	}
	return p, nil
}

func (c *checker) read(buf []byte, id uint64) error {
	if _, err := c.r.ReadAt(buf, int64(id*c.meta.pageSize)); err != nil {
		if errors.Is(err, io.EOF) {
			return damaged("page %d is cut short", id)
		}
		return fmt.Errorf("read page %d: %w", id, err)
	}
	return nil
}

// freelist reads the list of free pages and sees that, with it, no page is
// unaccounted for: a page that nothing leads to is a part of the tree that was lost.
func (c *checker) freelist() error {
	if c.meta.freelist == noFreelist {
		return nil
	}
	p, err := c.page(c.meta.freelist)
	if err != nil {
		return err
	}
	if p.flags != flagFreelist {
		return damaged("page %d is of kind %#x where the list of free pages should be", p.id, p.flags)
	}
	ids := p.data[pageHeader:]
	count := uint64(p.count)
	if count == 0xFFFF && len(ids) >= 8 {
		count, ids = order.Uint64(ids), ids[8:]
	}
	if count > uint64(len(ids)/8) {
		return damaged("the list of free pages is cut short")
	}
	for i := range count {
		id := order.Uint64(ids[8*i:])
		if id < 2 || id >= c.meta.pages || c.seen[id] {
			return damaged("page %d is listed as free and is not", id)
		}
		c.seen[id] = true
	}
	for id, seen := range c.seen {
		if !seen {
			return damaged("nothing leads to page %d", id)
		}
	}
	return nil
}
