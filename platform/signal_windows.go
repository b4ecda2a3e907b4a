package platform

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

// signalNames are those that mean something to StartProcess's Signal here.
var signalNames = [...]struct {
	name string
	sig  syscall.Signal
}{
	{"SIGINT", syscall.SIGINT},
	{"SIGTERM", syscall.SIGTERM},
	{"SIGKILL", syscall.SIGKILL},
}

func parseSignal(name string) (syscall.Signal, error) {
	full := strings.ToUpper(name)
	if n, err := strconv.Atoi(name); err == nil {
		full = signalName(syscall.Signal(n))
	} else if !strings.HasPrefix(full, "SIG") {
		full = "SIG" + full
	}
	for _, s := range signalNames {
		if s.name == full {
			return s.sig, nil
		}
	}
	return 0, fmt.Errorf("signal %q: Windows has SIGINT, SIGTERM and SIGKILL only: %w", name, errors.ErrUnsupported)
}

func signalName(sig syscall.Signal) string {
	for _, s := range signalNames {
		if s.sig == sig {
			return s.name
		}
	}
	return strconv.Itoa(int(sig))
}

func notifySignals(c chan<- os.Signal) (stop func()) {
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	return func() { signal.Stop(c) }
}
