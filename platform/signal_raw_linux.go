//go:build linux && (amd64 || arm64)

package platform

import (
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawSignals are those that Go's runtime keeps from os/signal: SIGPROF is its
// profiler's, and 34, the C library's SIGRTMIN, is used by musl. A task may
// want both, and the default of 34 is to end the agent. So their handler is
// our own, a few instructions that write the number into a pipe. It drops what
// a timer sent: a CPU profile of this process stays empty, and the task is not
// sent a hundred signals a second.
var rawSignals = [...]syscall.Signal{syscall.SIGPROF, firstRealtime}

// sigaction is the kernel's struct of the same name on amd64 and arm64.
type sigaction struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

const (
	handlerDefault, handlerIgnore = 0, 1

	flagSiginfo  = 0x00000004 // tell the handler who sent it
	flagOnStack  = 0x08000000 // goroutine stacks are too small: use the thread's signal stack
	flagRestart  = 0x10000000
	flagRestorer = 0x04000000
)

// rtSigaction reads (set is nil) or exchanges what happens on a signal.
func rtSigaction(sig syscall.Signal, set, old *sigaction) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig),
		uintptr(unsafe.Pointer(set)), uintptr(unsafe.Pointer(old)), unsafe.Sizeof(sigaction{}.mask), 0, 0)
	runtime.KeepAlive(set)
	runtime.KeepAlive(old)
	if errno != 0 {
		return errno
	}
	return nil
}

// rawSignalFD is where the handler writes. It is set once, before the first
// handler is installed.
//
//lint:ignore U1000 the handler, which is assembly, reads it
var rawSignalFD int32

// rawSignalEntry returns the addresses of the handler and of the code that
// ends it, in the kernel's calling convention, which no Go function follows.
func rawSignalEntry() (handler, restorer uintptr)

// raw is who gets the raw signals.
var raw struct {
	mu      sync.Mutex // guards what follows
	pipe    *os.File
	targets map[chan<- os.Signal]bool
	before  [len(rawSignals)]sigaction // what was in place without targets
}

func notifyRaw(c chan<- os.Signal) (stop func()) {
	raw.mu.Lock()
	defer raw.mu.Unlock()
	if raw.pipe == nil && !openRaw() {
		return func() {}
	}
	if len(raw.targets) == 0 {
		catchRaw()
	}
	raw.targets[c] = true
	return func() {
		raw.mu.Lock()
		defer raw.mu.Unlock()
		delete(raw.targets, c)
		if len(raw.targets) == 0 {
			for i, sig := range rawSignals {
				_ = rtSigaction(sig, &raw.before[i], nil) // as it was given to us
			}
		}
	}
}

// openRaw makes the pipe, once, and reports whether it could: without it these
// signals do what they would have done anyway.
func openRaw() bool {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return false
	}
	rawSignalFD = int32(fds[1])
	raw.pipe = os.NewFile(uintptr(fds[0]), "signals")
	raw.targets = map[chan<- os.Signal]bool{}
	go relayRaw(raw.pipe)
	return true
}

// catchRaw installs the handler, but for a signal that is ignored.
func catchRaw() {
	handler, restorer := rawSignalEntry()
	action := sigaction{
		handler: handler, flags: flagSiginfo | flagOnStack | flagRestart | flagRestorer,
		restorer: restorer, mask: ^uint64(0),
	}
	for i, sig := range rawSignals {
		// Neither call can fail: the signals exist and may be caught.
		_ = rtSigaction(sig, nil, &raw.before[i])
		if raw.before[i].handler != handlerIgnore {
			_ = rtSigaction(sig, &action, nil)
		}
	}
}

func relayRaw(pipe *os.File) {
	var buf [64]byte
	for {
		n, err := pipe.Read(buf[:])
		if err != nil {
			return
		}
		raw.mu.Lock()
		for _, number := range buf[:n] {
			for c := range raw.targets {
				select {
				case c <- syscall.Signal(number):
				default:
				}
			}
		}
		raw.mu.Unlock()
	}
}

// stopIgnored reports whether SIGTSTP is ignored.
func stopIgnored() bool {
	var old sigaction
	return rtSigaction(syscall.SIGTSTP, nil, &old) == nil && old.handler == handlerIgnore
}
