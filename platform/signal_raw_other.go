//go:build unix && !(linux && (amd64 || arm64))

package platform

import "os"

func notifyRaw(chan<- os.Signal) (stop func()) { return func() {} }

// stopIgnored: Go does not say whether SIGTSTP was ignored from the start.
func stopIgnored() bool { return false }
