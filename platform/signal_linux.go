package platform

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
)

const (
	lastSignal = 64
	// What the GNU C library calls SIGRTMIN and SIGRTMAX. The kernel's first
	// two real-time signals, 32 and 33, belong to the library.
	firstRealtime, lastRealtime = 34, lastSignal
)

// realtimeSignal reads SIGRTMIN, SIGRTMIN+n, SIGRTMAX and SIGRTMAX-n, all in
// upper case; 0 for anything else.
func realtimeSignal(name string) syscall.Signal {
	rest, fromMin := strings.CutPrefix(name, "SIGRTMIN")
	base, sign := firstRealtime, byte('+')
	if !fromMin {
		var fromMax bool
		if rest, fromMax = strings.CutPrefix(name, "SIGRTMAX"); !fromMax {
			return 0
		}
		base, sign = lastRealtime, '-'
	}
	if rest == "" {
		return syscall.Signal(base)
	}
	n, err := strconv.ParseUint(rest[1:], 10, 8)
	if rest[0] != sign || err != nil || n > lastRealtime-firstRealtime {
		return 0
	}
	if sign == '-' {
		return syscall.Signal(base - int(n))
	}
	return syscall.Signal(base + int(n))
}

func realtimeSignalName(sig syscall.Signal) string {
	switch {
	case sig == firstRealtime:
		return "SIGRTMIN"
	case sig > firstRealtime && sig <= lastRealtime:
		return fmt.Sprintf("SIGRTMIN+%d", int(sig)-firstRealtime)
	}
	return ""
}
