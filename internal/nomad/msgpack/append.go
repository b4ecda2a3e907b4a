package msgpack

import "encoding/binary"

// AppendMap appends the head of a map of n entries; the caller appends that many
// pairs of a key and a value.
func AppendMap(b []byte, n int) []byte { return appendHead(b, n, 0x80, 0xde) }

// AppendArray appends the head of an array of n elements; the caller appends
// that many.
func AppendArray(b []byte, n int) []byte { return appendHead(b, n, 0x90, 0xdc) }

// appendHead writes the head of a container: sixteen short lengths from fix on,
// then the two- and the four-byte form.
func appendHead(b []byte, n int, fix, wide byte) []byte {
	switch {
	case n < 16:
		return append(b, fix|byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, wide), uint16(n))
	default:
		return binary.BigEndian.AppendUint32(append(b, wide+1), uint32(n))
	}
}

// AppendString appends text. Passing a []byte makes no copy of it but the one
// in b, which is what a secret needs.
func AppendString[T string | []byte](b []byte, s T) []byte {
	switch n := len(s); {
	case n < 32:
		b = append(b, 0xa0|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0xda), uint16(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, 0xdb), uint32(n))
	}
	return append(b, s...)
}

// AppendUint appends a number in its shortest form.
func AppendUint(b []byte, n uint64) []byte {
	switch {
	case n < 1<<7:
		return append(b, byte(n))
	case n < 1<<8:
		return append(b, 0xcc, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, 0xcd), uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(b, 0xce), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(b, 0xcf), n)
	}
}

// AppendBool appends a truth value.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 0xc3)
	}
	return append(b, 0xc2)
}
