//go:build unix

package platform

import (
	"os"
	"os/signal"
	"syscall"
)

// process is the Unix half of a Process.
type process struct {
	killGroup bool
	reaped    bool // guarded by processMu
}

// closed marks a descriptor that the child is not to have.
const closed = ^uintptr(0)

func startProcess(spec ProcessSpec) (*Process, error) {
	attr := syscall.ProcAttr{
		Dir:   spec.Dir,
		Env:   spec.Env,
		Files: []uintptr{0, 1, 2},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	}
	if c := spec.Credential; c != nil {
		attr.Sys.Credential = &syscall.Credential{Uid: uint32(c.UID), Gid: uint32(c.GID)}
		for _, g := range c.Groups {
			attr.Sys.Credential.Groups = append(attr.Sys.Credential.Groups, uint32(g))
		}
	}
	if spec.Terminal != nil {
		// The child does it itself, before the program runs and with every
		// signal blocked, so neither the program nor SIGTTOU gets in between.
		attr.Sys.Foreground = true
		attr.Sys.Ctty = spec.Terminal.fd
	}
	setParentDeathSignal(attr.Sys, syscall.SIGKILL)

	processMu.Lock()
	defer processMu.Unlock()
	startWaitLoop()
	restore := defaultStopSignals()
	var pid int
	var err error
	onForkThread(func() {
		err = startUnhardened(func() (err error) {
			pid, err = syscall.ForkExec(spec.Path, spec.Args, &attr)
			return err
		})
	})
	restore(spec.Terminal != nil && err == nil)
	if err != nil {
		return nil, err
	}
	p := &Process{pid: pid, events: make(chan ProcessEvent, 16), process: process{killGroup: spec.KillGroup}}
	children.tracked[pid] = p
	return p, nil
}

func startDetached(spec DetachedSpec) (int, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	files := []uintptr{null.Fd(), null.Fd(), null.Fd()}
	if spec.Stdout != nil {
		files[1] = spec.Stdout.Fd()
	}
	if spec.Stderr != nil {
		files[2] = spec.Stderr.Fd()
	}
	for range highestInheritable() - 2 {
		files = append(files, closed)
	}
	attr := syscall.ProcAttr{
		Dir:   spec.Dir,
		Env:   spec.Env,
		Files: files,
		Sys:   &syscall.SysProcAttr{Setsid: true},
	}
	processMu.Lock()
	defer processMu.Unlock()
	restore := defaultStopSignals()
	var pid int
	err = startUnhardened(func() (err error) {
		pid, err = syscall.ForkExec(spec.Path, spec.Args, &attr)
		return err
	})
	restore(false)
	if err != nil {
		return 0, err
	}
	children.detached[pid] = true
	return pid, nil
}

func (p *Process) signal(sig syscall.Signal) error {
	processMu.Lock()
	defer processMu.Unlock()
	if p.reaped {
		return os.ErrProcessDone
	}
	return syscall.Kill(p.pid, sig)
}

func (p *Process) signalGroup(sig syscall.Signal) error {
	processMu.Lock()
	defer processMu.Unlock()
	if p.reaped {
		return os.ErrProcessDone
	}
	return syscall.Kill(-p.pid, sig)
}

// groupGone asks by group id after the process was waited for. Should the
// number be in use again by then, the answer is "no" and nothing is harmed.
func (p *Process) groupGone() bool {
	processMu.Lock()
	defer processMu.Unlock()
	return p.reaped && syscall.Kill(-p.pid, 0) == syscall.ESRCH
}

// terminalOutput is the state of SIGTTOU, guarded by processMu.
var terminalOutput struct {
	ignored bool
	discard chan os.Signal
}

// ignoreTerminalOutput makes this process ignore SIGTTOU: once the terminal
// belongs to the task, a log line (with stty tostop) or taking the terminal
// back would stop the agent. The caller holds processMu.
func ignoreTerminalOutput() {
	signal.Ignore(syscall.SIGTTOU)
	terminalOutput.ignored = true
}

// defaultStopSignals undoes ignoreTerminalOutput for the length of a fork,
// because an ignored signal stays ignored across an exec while a caught one
// goes back to its default. The function it returns brings the old state back
// and can also enter the ignoring state. The caller holds processMu.
func defaultStopSignals() (restore func(ignore bool)) {
	if terminalOutput.ignored {
		if terminalOutput.discard == nil {
			terminalOutput.discard = make(chan os.Signal, 1)
		}
		signal.Notify(terminalOutput.discard, syscall.SIGTTOU)
	}
	return func(ignore bool) {
		if ignore || terminalOutput.ignored {
			ignoreTerminalOutput()
		}
	}
}
