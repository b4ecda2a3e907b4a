package state

import (
	"encoding/binary"
	"fmt"
	"time"
)

func be64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

// encodeMeta writes what is kept in the clear of a variable, less what its key
// says. Variables are read more often than anything else, so not as JSON.
func encodeMeta(m *VariableMeta) []byte {
	b := make([]byte, 0, 128)
	b = binary.AppendUvarint(b, m.CreateIndex)
	b = binary.AppendVarint(b, m.CreateTime)
	b = binary.AppendUvarint(b, m.ModifyIndex)
	b = binary.AppendVarint(b, m.ModifyTime)
	b = appendString(b, m.KeyID)
	if m.Lock == nil {
		return append(b, 0)
	}
	b = appendString(append(b, 1), m.Lock.ID)
	b = binary.AppendVarint(b, int64(m.Lock.TTL))
	return binary.AppendVarint(b, int64(m.Lock.LockDelay))
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decodeMeta reads what encodeMeta wrote.
func decodeMeta(payload []byte, m *VariableMeta) error {
	d := decoder{b: payload}
	m.CreateIndex = d.uvarint()
	m.CreateTime = d.varint()
	m.ModifyIndex = d.uvarint()
	m.ModifyTime = d.varint()
	m.KeyID = d.string()
	m.Lock = nil
	if d.byte() == 1 {
		m.Lock = &Lock{ID: d.string(), TTL: time.Duration(d.varint()), LockDelay: time.Duration(d.varint())}
	}
	if d.bad || len(d.b) != 0 {
		return fmt.Errorf("%w: variable %q in namespace %q", errRecord, m.Path, m.Namespace)
	}
	return nil
}

// decoder takes values off the front of b until one is not there.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n int) {
	if n <= 0 {
		d.bad, d.b = true, nil
		return
	}
	d.b = d.b[n:]
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	d.take(n)
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	d.take(n)
	return v
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) string() string {
	n := d.uvarint()
	if d.bad || n > uint64(len(d.b)) {
		d.bad = true
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}
