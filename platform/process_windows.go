package platform

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// killedExit is the exit code of a process that SignalGroup or Signal killed,
// the one a Unix shell reports for SIGKILL.
const killedExit = 128 + 9

// process is the Windows half of a Process. The job is the only thing that
// holds the descendants together; it kills them when its last handle, ours, is
// closed, which the system does when this process dies.
type process struct {
	handle windows.Handle // both guarded by processMu; zero once the process was waited for
	job    windows.Handle
	gone   bool // guarded by processMu: the job was seen empty, or was closed
}

func startProcess(spec ProcessSpec) (*Process, error) {
	if spec.Credential != nil {
		return nil, fmt.Errorf("start as another user: Windows has no numeric users: %w", errors.ErrUnsupported)
	}
	job, err := newJob()
	if err != nil {
		return nil, err
	}
	attr := &syscall.ProcAttr{
		Dir: spec.Dir,
		Env: spec.Env,
		Files: []uintptr{
			uintptr(syscall.Stdin), uintptr(syscall.Stdout), uintptr(syscall.Stderr),
		},
		Sys: &syscall.SysProcAttr{
			// Suspended, so that it starts no child before it is in the job.
			CreationFlags: windows.CREATE_NEW_PROCESS_GROUP | windows.CREATE_SUSPENDED,
		},
	}
	processMu.Lock()
	defer processMu.Unlock()
	pid, h, err := syscall.StartProcess(spec.Path, spec.Args, attr)
	if err != nil {
		windows.CloseHandle(job)
		return nil, err
	}
	handle := windows.Handle(h)
	err = windows.AssignProcessToJobObject(job, handle)
	if err == nil {
		err = resume(handle)
	}
	if err != nil {
		windows.TerminateProcess(handle, killedExit)
		windows.CloseHandle(handle)
		windows.CloseHandle(job)
		return nil, fmt.Errorf("put the process into a job of its own: %w", err)
	}
	p := &Process{pid: pid, events: make(chan ProcessEvent, 1), process: process{handle: handle, job: job}}
	go p.wait(handle, spec.KillGroup)
	return p, nil
}

// newJob makes a job whose processes die with its last handle.
func newJob() (windows.Handle, error) {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return 0, fmt.Errorf("create a job object: %w", err)
	}
	var info windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	info.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	runtime.KeepAlive(&info)
	if err != nil {
		windows.CloseHandle(job)
		return 0, fmt.Errorf("set the job object to end with this process: %w", err)
	}
	return job, nil
}

// resume lets a process run that was started suspended. The documented way
// needs the handle of its thread, which package syscall has closed by then, or
// a walk over every thread of the machine.
func resume(process windows.Handle) error {
	status, _, _ := windows.NewLazySystemDLL("ntdll.dll").NewProc("NtResumeProcess").Call(uintptr(process))
	if status != 0 {
		return windows.NTStatus(status)
	}
	return nil
}

// wait is the wait loop of one process: here every process has a handle that
// can be waited for without getting in anyone's way.
func (p *Process) wait(handle windows.Handle, killGroup bool) {
	windows.WaitForSingleObject(handle, windows.INFINITE)
	processMu.Lock()
	var code uint32
	err := windows.GetExitCodeProcess(handle, &code)
	if killGroup {
		windows.TerminateJobObject(p.job, killedExit)
	}
	windows.CloseHandle(handle)
	p.handle = 0
	processMu.Unlock()
	event := ProcessEvent{Kind: ProcessExited, Code: int(code)}
	if err != nil {
		event.Code = 1
	}
	p.events <- event
	close(p.events)
}

func (p *Process) signal(sig syscall.Signal) error {
	processMu.Lock()
	defer processMu.Unlock()
	if p.handle == 0 {
		return os.ErrProcessDone
	}
	switch sig {
	case syscall.SIGKILL:
		return windows.TerminateProcess(p.handle, killedExit)
	case syscall.SIGINT, syscall.SIGTERM:
		if err := windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(p.pid)); err != nil {
			return fmt.Errorf("send Ctrl-Break (both processes need the same console): %w", err)
		}
		return nil
	}
	return fmt.Errorf("send signal %d: Windows has SIGINT, SIGTERM and SIGKILL only: %w", int(sig), errors.ErrUnsupported)
}

func (p *Process) signalGroup(sig syscall.Signal) error {
	processMu.Lock()
	defer processMu.Unlock()
	if p.handle == 0 {
		return os.ErrProcessDone
	}
	if sig != syscall.SIGKILL {
		return fmt.Errorf("send signal %d to a job: only SIGKILL can be: %w", int(sig), errors.ErrUnsupported)
	}
	return windows.TerminateJobObject(p.job, killedExit)
}

func (p *Process) ended() bool {
	processMu.Lock()
	defer processMu.Unlock()
	if p.handle == 0 {
		return true
	}
	state, err := windows.WaitForSingleObject(p.handle, 0)
	return err == nil && state == windows.WAIT_OBJECT_0
}

// jobAccounting is JOBOBJECT_BASIC_ACCOUNTING_INFORMATION; x/sys has no such
// type.
type jobAccounting struct {
	totalUserTime, totalKernelTime, periodUserTime, periodKernelTime int64

	pageFaults, processes, active, terminated uint32
}

// groupGone closes the job once it is empty: nothing can enter it any more.
func (p *Process) groupGone() bool {
	processMu.Lock()
	defer processMu.Unlock()
	if p.gone || p.handle != 0 {
		return p.gone
	}
	var info jobAccounting
	err := windows.QueryInformationJobObject(p.job, windows.JobObjectBasicAccountingInformation,
		uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)), nil)
	if err == nil && info.active > 0 {
		return false
	}
	p.gone = true
	windows.CloseHandle(p.job)
	p.job = 0
	return true
}

// childReaped: a job tells nobody when a process leaves it.
func childReaped() <-chan struct{} { return nil }

func reapOrphans() error { return nil }

func startDetached(spec DetachedSpec) (int, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	attr := &syscall.ProcAttr{Dir: spec.Dir, Env: spec.Env, Files: []uintptr{null.Fd(), null.Fd(), null.Fd()}}
	if spec.Stdout != nil {
		attr.Files[1] = spec.Stdout.Fd()
	}
	if spec.Stderr != nil {
		attr.Files[2] = spec.Stderr.Fd()
	}
	// A job that this process is in may forbid to leave it: then the new
	// process ends with that job, which is what its owner wants.
	const detached = windows.CREATE_NEW_PROCESS_GROUP | windows.DETACHED_PROCESS
	var pid int
	var handle uintptr
	for _, flags := range []uint32{detached | windows.CREATE_BREAKAWAY_FROM_JOB, detached} {
		attr.Sys = &syscall.SysProcAttr{CreationFlags: flags}
		pid, handle, err = syscall.StartProcess(spec.Path, spec.Args, attr)
		if err != windows.ERROR_ACCESS_DENIED {
			break
		}
	}
	if err != nil {
		return 0, err
	}
	return pid, windows.CloseHandle(windows.Handle(handle))
}

// groupOfZombies: a process that has ended has left its job.
func (p *Process) groupOfZombies() bool { return false }
