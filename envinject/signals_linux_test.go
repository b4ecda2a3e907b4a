package envinject_test

import "syscall"

const lastSignal = 64

// notDeadly are further signals whose default is not to end a process.
var notDeadly = map[syscall.Signal]bool{}
