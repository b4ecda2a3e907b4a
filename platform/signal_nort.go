//go:build unix && !linux

package platform

import "syscall"

// lastSignal is the highest number that every one of these systems has and
// that Go can send. Their real-time signals are not covered.
const lastSignal = 31

func realtimeSignal(string) syscall.Signal { return 0 }

func realtimeSignalName(syscall.Signal) string { return "" }
