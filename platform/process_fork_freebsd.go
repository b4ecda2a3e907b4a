package platform

import "syscall"

// setParentDeathSignal: on FreeBSD the signal belongs to the process, whatever
// thread forked.
func setParentDeathSignal(attr *syscall.SysProcAttr, sig syscall.Signal) { attr.Pdeathsig = sig }
