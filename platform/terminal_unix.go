//go:build unix

package platform

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// terminal is the Unix half of a Terminal.
type terminal struct {
	fd    int
	modes *unix.Termios // of saveModes; nil before
}

func controllingTerminal(stdin, stdout uintptr) *Terminal {
	t := &Terminal{terminal{fd: int(stdin)}}
	if _, err := unix.IoctlGetTermios(int(stdout), getTermios); err != nil {
		return nil
	}
	// Only the controlling terminal tells its foreground group.
	if _, err := t.foreground(); err != nil {
		return nil
	}
	return t
}

func (t *Terminal) foreground() (int, error) { return unix.IoctlGetInt(t.fd, unix.TIOCGPGRP) }

func (t *Terminal) ownForeground() bool {
	pgid, err := t.foreground()
	return err == nil && pgid == syscall.Getpgrp()
}

func (t *Terminal) give(pgid int) error {
	processMu.Lock()
	defer processMu.Unlock()
	ignoreTerminalOutput()
	return unix.IoctlSetPointerInt(t.fd, unix.TIOCSPGRP, pgid)
}

func (t *Terminal) take() error {
	current, err := t.foreground()
	if err != nil {
		return err
	}
	own := syscall.Getpgrp()
	if parent, err := syscall.Getpgid(syscall.Getppid()); current == own || (err == nil && parent != own && current == parent) {
		return nil
	}
	return t.give(own)
}

func (t *Terminal) saveModes() error {
	m, err := unix.IoctlGetTermios(t.fd, getTermios)
	if err == nil {
		t.modes = m
	}
	return err
}

func (t *Terminal) restoreModes() error {
	if t.modes == nil {
		return nil
	}
	return unix.IoctlSetTermios(t.fd, setTermios, t.modes)
}
