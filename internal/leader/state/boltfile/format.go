package boltfile

import (
	"encoding/binary"
	"hash/fnv"
	"io"
)

// The layout of a bbolt file, version 2, as bbolt's internal/common describes
// it in Go structs. bbolt writes them in the machine's byte order.
const (
	magic   = 0xED0CDAED
	version = 2

	pageHeader    = 16 // id uint64, flags uint16, count uint16, overflow uint32
	bucketHeader  = 16 // root uint64, sequence uint64
	branchElement = 16 // pos uint32, key size uint32, child uint64
	leafElement   = 16 // flags uint32, pos uint32, key size uint32, value size uint32
	metaSize      = 64 // of which the last 8 are the checksum of the rest

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagFreelist = 0x10
	flagBucket   = 0x01 // of a leaf element

	noFreelist = ^uint64(0)
)

var order = binary.NativeEndian

// meta is the part of a meta page that leads to the rest.
type meta struct {
	pageSize uint64
	root     uint64
	freelist uint64
	pages    uint64 // number of pages in use, meta pages included
	txid     uint64
}

// readMeta returns the newer of the two meta pages that is valid: where the
// machine went down while one was written, the other is what was committed.
func readMeta(r io.ReaderAt, size int64) (meta, error) {
	var best meta
	found := false
	take := func(m meta, ok bool) {
		if ok && (!found || m.txid > best.txid) {
			best, found = m, true
		}
	}
	first, ok := metaAt(r, 0)
	take(first, ok)
	if ok {
		take(metaAt(r, int64(first.pageSize)))
	} else {
		// The page size is not known: bbolt looks at the same places.
		for pos := int64(1024); pos <= 1024<<15 && pos < size && !found; pos <<= 1 {
			take(metaAt(r, pos))
		}
	}
	if !found {
		var word [4]byte
		if _, err := r.ReadAt(word[:], pageHeader); err == nil && order.Uint32(word[:]) == magic {
			return meta{}, damaged("neither of the two heads is valid")
		}
		return meta{}, ErrForeign
	}
	switch {
	case best.pageSize < 512 || best.pageSize&(best.pageSize-1) != 0 || best.pageSize > 1<<24:
		return meta{}, damaged("the page size is %d", best.pageSize)
	case best.pages < 3 || best.pages > uint64(size)/best.pageSize:
		return meta{}, damaged("the file is cut short: %d bytes for %d pages of %d", size, best.pages, best.pageSize)
	}
	return best, nil
}

// metaAt reads the meta page that starts at pos.
func metaAt(r io.ReaderAt, pos int64) (meta, bool) {
	buf := make([]byte, pageHeader+metaSize)
	if _, err := r.ReadAt(buf, pos); err != nil {
		return meta{}, false
	}
	b := buf[pageHeader:]
	sum := fnv.New64a()
	sum.Write(b[:metaSize-8])
	if order.Uint32(b) != magic || order.Uint32(b[4:]) != version || order.Uint64(b[metaSize-8:]) != sum.Sum64() {
		return meta{}, false
	}
	return meta{
		pageSize: uint64(order.Uint32(b[8:])),
		root:     order.Uint64(b[16:]), // b[24:] is the root's sequence
		freelist: order.Uint64(b[32:]),
		pages:    order.Uint64(b[40:]),
		txid:     order.Uint64(b[48:]),
	}, true
}

// page is a page of a tree, or the list of free pages.
type page struct {
	id    uint64
	flags uint16
	count int
	data  []byte // all of it, with its header
}

func parsePage(id uint64, data []byte) (page, error) {
	if len(data) < pageHeader {
		return page{}, damaged("page %d is cut short", id)
	}
	return page{id: id, flags: order.Uint16(data[8:]), count: int(order.Uint16(data[10:])), data: data}, nil
}

// element is a key with its value or, in a branch page, with the page below it.
type element struct {
	flags      uint32
	key, value []byte
	child      uint64
}

// element returns the i-th element of a branch or leaf page.
func (p page) element(i int) (element, error) {
	at := uint64(pageHeader + i*leafElement) // branch elements are as large
	if at+leafElement > uint64(len(p.data)) {
		return element{}, damaged("page %d is cut short", p.id)
	}
	b := p.data[at:]
	var e element
	var pos, klen, vlen uint64
	if p.flags == flagBranch {
		pos, klen, e.child = uint64(order.Uint32(b)), uint64(order.Uint32(b[4:])), order.Uint64(b[8:])
	} else {
		e.flags = order.Uint32(b)
		pos, klen, vlen = uint64(order.Uint32(b[4:])), uint64(order.Uint32(b[8:])), uint64(order.Uint32(b[12:]))
	}
	if pos+klen+vlen > uint64(len(b)) {
		return element{}, damaged("an element of page %d lies outside of it", p.id)
	}
	e.key, e.value = b[pos:pos+klen], b[pos+klen:pos+klen+vlen]
	return e, nil
}
