//go:build unix

package platform

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// signalAliases are the second names that x/sys does not know.
var signalAliases = [...]struct {
	name string
	sig  syscall.Signal
}{
	{"SIGIOT", syscall.SIGABRT},
	{"SIGCLD", syscall.SIGCHLD},
}

func parseSignal(name string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(name); err == nil {
		if n < 1 || n > lastSignal {
			return 0, fmt.Errorf("signal %d: there is none, they go from 1 to %d", n, lastSignal)
		}
		return syscall.Signal(n), nil
	}
	full := strings.ToUpper(name)
	if !strings.HasPrefix(full, "SIG") {
		full = "SIG" + full
	}
	if sig := unix.SignalNum(full); sig != 0 {
		return sig, nil
	}
	if sig := realtimeSignal(full); sig != 0 {
		return sig, nil
	}
	for _, a := range signalAliases {
		if full == a.name {
			return a.sig, nil
		}
	}
	return 0, fmt.Errorf("signal %q: no such signal", name)
}

func signalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	if name := realtimeSignalName(sig); name != "" {
		return name
	}
	return strconv.Itoa(int(sig))
}

func notifySignals(c chan<- os.Signal) (stop func()) {
	// Looked up before anything is caught: after that the answer is gone.
	hangup, interrupt, tstp := signal.Ignored(syscall.SIGHUP), signal.Ignored(syscall.SIGINT), stopIgnored()

	relayed := make([]os.Signal, 0, lastSignal)
	for n := 1; n <= lastSignal; n++ {
		switch sig := syscall.Signal(n); {
		case sig == syscall.SIGKILL || sig == syscall.SIGSTOP:
		case sig == syscall.SIGCHLD || sig == syscall.SIGURG || sig == syscall.SIGPIPE:
		case sig == syscall.SIGTTIN || sig == syscall.SIGTTOU:
		case sig == syscall.SIGHUP && hangup:
		case sig == syscall.SIGINT && interrupt:
		case sig == syscall.SIGTSTP && tstp:
		default:
			relayed = append(relayed, sig)
		}
	}
	dropped := []os.Signal{syscall.SIGPIPE}
	if interrupt {
		dropped = append(dropped, syscall.SIGINT)
	}
	discard := make(chan os.Signal, 1)
	signal.Notify(discard, dropped...)
	signal.Notify(c, relayed...)
	stopRaw := notifyRaw(c)
	return sync.OnceFunc(func() {
		signal.Stop(c)
		signal.Stop(discard)
		stopRaw()
	})
}
