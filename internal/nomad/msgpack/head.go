package msgpack

// kind is what a value is, as its first byte says.
type kind byte

const (
	kindUnused kind = iota // 0xc1
	kindNil
	kindBool
	kindUint
	kindInt
	kindFloat
	kindText // str and bin
	kindArray
	kindMap
	kindExt
)

func (k kind) String() string {
	return [...]string{"the unused byte", "nil", "a bool", "a number", "a signed number", "a float", "text", "an array", "a map", "an extension"}[k]
}

// head describes a value by its first byte.
type head struct {
	kind kind
	// width is the number of bytes that follow as a big-endian number: the value
	// itself, or a length. Where it is zero, n is that number already.
	width int
	n     uint64
}

// headOf knows every first byte there is.
func headOf(b byte) head {
	switch {
	case b < 0x80:
		return head{kind: kindUint, n: uint64(b)}
	case b < 0x90:
		return head{kind: kindMap, n: uint64(b & 0x0f)}
	case b < 0xa0:
		return head{kind: kindArray, n: uint64(b & 0x0f)}
	case b < 0xc0:
		return head{kind: kindText, n: uint64(b & 0x1f)}
	case b >= 0xe0:
		return head{kind: kindInt, n: uint64(int64(int8(b)))}
	}
	switch b {
	case 0xc0:
		return head{kind: kindNil}
	case 0xc2, 0xc3:
		return head{kind: kindBool, n: uint64(b & 1)}
	case 0xc4, 0xc5, 0xc6: // bin
		return head{kind: kindText, width: 1 << (b - 0xc4)}
	case 0xc7, 0xc8, 0xc9: // ext; its type is a byte of its own
		return head{kind: kindExt, width: 1 << (b - 0xc7)}
	case 0xca, 0xcb:
		return head{kind: kindFloat, width: 4 << (b - 0xca)}
	case 0xcc, 0xcd, 0xce, 0xcf:
		return head{kind: kindUint, width: 1 << (b - 0xcc)}
	case 0xd0, 0xd1, 0xd2, 0xd3:
		return head{kind: kindInt, width: 1 << (b - 0xd0)}
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8: // fixext
		return head{kind: kindExt, n: 1 << (b - 0xd4)}
	case 0xd9, 0xda, 0xdb:
		return head{kind: kindText, width: 1 << (b - 0xd9)}
	case 0xdc, 0xdd:
		return head{kind: kindArray, width: 2 << (b - 0xdc)}
	case 0xde, 0xdf:
		return head{kind: kindMap, width: 2 << (b - 0xde)}
	}
	return head{kind: kindUnused}
}
