package nomadtest

import (
	"os/exec"
	"syscall"
)

// endWithParent has the kernel end the agent if the test is killed.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
