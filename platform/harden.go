package platform

import "fmt"

// Harden keeps what is in the memory of this process, tokens and keys, out of
// core dumps and, where the system can, from other processes of the same user.
//
//   - Linux: the process is marked as not dumpable. It leaves no core, and no
//     process without CAP_SYS_PTRACE can trace it or read its memory,
//     environment or descriptors under /proc. Its own way through
//     /proc/self/fd stays open.
//   - FreeBSD: tracing and cores are off for the process.
//   - Other Unix: its limit on core files is zero.
//   - Windows: error reports carry no heap.
//
// None of it reaches a child that is started with [StartUnhardened].
func Harden() error {
	if err := harden(); err != nil {
		return fmt.Errorf("keep memory out of core dumps: %w", err)
	}
	return nil
}

// StartUnhardened calls start, which starts a child, so that the child has
// its core dumps as if [Harden] had never been called, and hardens this
// process again if it was. On some systems this process is not hardened while
// start runs. Calls do not overlap.
//
// It is needed on Linux too: starting a child as another user resets the mark
// on the parent, to what fs.suid_dumpable says.
func StartUnhardened(start func() error) error {
	return startUnhardened(start)
}
