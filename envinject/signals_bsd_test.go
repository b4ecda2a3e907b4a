//go:build unix && !linux

package envinject_test

import "syscall"

const lastSignal = 31

// notDeadly are further signals whose default is not to end a process.
var notDeadly = map[syscall.Signal]bool{syscall.SIGIO: true, syscall.SIGINFO: true}
