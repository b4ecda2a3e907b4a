package envinject

import (
	"syscall"

	"github.com/taskagent/taskagent/platform"
)

// jobControl has nothing to do: every process attached to a Windows console can
// use it, and no signal stops a process.
type jobControl struct{}

func newJobControl(bool) *jobControl { return &jobControl{} }

func (*jobControl) toGive() *platform.Terminal                 { return nil }
func (*jobControl) started(bool)                               {}
func (*jobControl) stopped(*platform.Process, syscall.Signal)  {}
func (*jobControl) received(*platform.Process, syscall.Signal) {}
func (*jobControl) wake(*platform.Process)                     {}
func (*jobControl) release(*platform.Process)                  {}
func (*jobControl) ended(bool)                                 {}

func isKeyboardStop(syscall.Signal) bool { return false }
