package taskapi

import "sync"

// Sizes of the buffers that are lent out: the small one holds a usual request,
// the large one a usual answer.
const (
	smallBuffer = 4 << 10
	largeBuffer = 16 << 10
)

// Pools of arrays, not slices: a pointer fits into an interface without a copy
// on the heap.
var (
	smallBuffers = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	largeBuffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}
)

// lend returns a buffer of size smallBuffer or largeBuffer with any contents.
func lend(size int) []byte {
	if size == smallBuffer {
		return smallBuffers.Get().(*[smallBuffer]byte)[:]
	}
	return largeBuffers.Get().(*[largeBuffer]byte)[:]
}

// giveBack takes a buffer that nobody uses any more. One of another size than
// lend's, because it had to grow, is left to the garbage collector.
func giveBack(b []byte) {
	switch cap(b) {
	case smallBuffer:
		smallBuffers.Put((*[smallBuffer]byte)(b[:smallBuffer]))
	case largeBuffer:
		largeBuffers.Put((*[largeBuffer]byte)(b[:largeBuffer]))
	}
}

// copyBuffers lends the reverse proxy its copy buffers, so that a burst of
// requests does not leave a heap of them behind.
type copyBuffers struct{}

func (copyBuffers) Get() []byte  { return lend(largeBuffer) }
func (copyBuffers) Put(b []byte) { giveBack(b) }
