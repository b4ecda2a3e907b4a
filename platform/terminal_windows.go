package platform

import "syscall"

// A Windows console has no foreground group: every process attached to it can
// use it, and there is nothing to hand over.

type modes struct{}

func controllingTerminal(stdin, stdout uintptr) *Terminal { return nil }

func (t *Terminal) foreground() (int, error) { return 0, syscall.EWINDOWS }
func (t *Terminal) ownForeground() bool      { return false }
func (t *Terminal) give(int) error           { return syscall.EWINDOWS }
func (t *Terminal) take() error              { return syscall.EWINDOWS }
func (t *Terminal) saveModes() error         { return syscall.EWINDOWS }
func (t *Terminal) restoreModes() error      { return syscall.EWINDOWS }

func stopSelf(syscall.Signal, bool, func() bool) {}
