//go:build unix

package platform

import (
	"os"
	"os/signal"
	"syscall"
)

// children is what the one wait loop of this process knows. Guarded by
// processMu, but for the loop's channel.
var children = struct {
	started  bool
	orphans  bool // wait for children nobody here started, too
	tracked  map[int]*Process
	detached map[int]bool
	reaped   chan struct{} // closed and replaced when a child was waited for
}{
	tracked:  map[int]*Process{},
	detached: map[int]bool{},
	reaped:   make(chan struct{}),
}

// delivery is an event on its way to the one who started the process.
type delivery struct {
	to    *Process
	event ProcessEvent
}

// startWaitLoop starts the loop once. It sleeps until the kernel sends
// SIGCHLD, and costs nothing until then. The caller holds processMu, so no
// child can have ended unnoticed before the signal is caught.
func startWaitLoop() {
	if children.started {
		return
	}
	children.started = true
	// One slot is enough: a signal that finds it full announces nothing that
	// the coming round will not see.
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGCHLD)
	changed <- syscall.SIGCHLD
	go func() {
		for range changed {
			for _, d := range collect() {
				d.to.events <- d.event
				if d.event.Ended() {
					close(d.to.events)
				}
			}
		}
	}()
}

// collect waits for every child that has something to tell. Events are handed
// out by the caller, after processMu is free again: a reader may be about to
// start another process.
func collect() []delivery {
	processMu.Lock()
	defer processMu.Unlock()
	if children.orphans {
		return collectFrom(-1)
	}
	var found []delivery
	for pid := range children.tracked {
		found = append(found, collectFrom(pid)...)
	}
	for pid := range children.detached {
		found = append(found, collectFrom(pid)...)
	}
	return found
}

// collectFrom waits for one child, or for all with -1, until none of them has
// anything to tell.
func collectFrom(pid int) []delivery {
	var found []delivery
	for {
		child, event, ok := waitChild(pid, func(child int) {
			if p := children.tracked[child]; p != nil && p.killGroup {
				// Nobody may be left, or only those we may not signal: both
				// are the end of what can be done here.
				_ = syscall.Kill(-child, syscall.SIGKILL)
			}
		})
		if !ok {
			return found
		}
		p := children.tracked[child]
		if event.Ended() {
			delete(children.tracked, child)
			delete(children.detached, child)
			close(children.reaped)
			children.reaped = make(chan struct{})
			if p != nil {
				p.reaped = true
			}
		}
		if p != nil {
			found = append(found, delivery{p, event})
		}
		if event.Ended() && pid != -1 {
			return found
		}
	}
}

// childReaped returns a channel that is closed when the next child was waited
// for.
func childReaped() <-chan struct{} {
	processMu.Lock()
	defer processMu.Unlock()
	return children.reaped
}

func reapOrphans() error {
	processMu.Lock()
	defer processMu.Unlock()
	children.orphans = true
	startWaitLoop()
	return becomeSubreaper()
}
