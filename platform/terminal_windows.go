package platform

import "syscall"

// A Windows console has no foreground group: every process attached to it can
// use it, and there is nothing to hand over.

type terminal struct{}

func controllingTerminal(stdin, stdout uintptr) *Terminal { return nil }

func (*terminal) foreground() (int, error) { return 0, syscall.EWINDOWS }
func (*terminal) ownForeground() bool      { return false }
func (*terminal) give(int) error           { return syscall.EWINDOWS }
func (*terminal) take() error              { return syscall.EWINDOWS }
func (*terminal) saveModes() error         { return syscall.EWINDOWS }
func (*terminal) restoreModes() error      { return syscall.EWINDOWS }

func stopSelf(syscall.Signal, bool, func() bool) {}
