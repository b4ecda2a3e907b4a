//go:build unix && !linux && !freebsd

package platform

import "syscall"

// setParentDeathSignal does nothing: there is no such signal here, and a task
// outlives an agent that was killed. StartProcess says so.
func setParentDeathSignal(*syscall.SysProcAttr, syscall.Signal) {}
