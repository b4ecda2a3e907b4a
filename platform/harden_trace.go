//go:build linux || freebsd

package platform

import "sync/atomic"

// hardened says that Harden succeeded once.
var hardened atomic.Bool

func harden() error {
	if err := denyTrace(); err != nil {
		return err
	}
	hardened.Store(true)
	return nil
}

// startUnhardened needs no more than to repeat the mark: exec clears it in
// the child.
func startUnhardened(start func() error) error {
	err := start()
	if hardened.Load() {
		// It worked before and needs no right that could be lost.
		_ = denyTrace()
	}
	return err
}
