package platform_test

import (
	"bytes"
	"os"
	"runtime"
	"runtime/pprof"
	"syscall"
	"testing"
	"time"

	"github.com/taskagent/taskagent/platform"
)

func TestRealtimeSignals(t *testing.T) {
	tests := map[string]syscall.Signal{
		"SIGRTMIN": 34, "rtmin": 34, "RTMIN+0": 34, "SIGRTMIN+1": 35, "sigrtmin+30": 64,
		"SIGRTMAX": 64, "SIGRTMAX-0": 64, "RTMAX-30": 34, "34": 34, "64": 64,
	}
	for name, want := range tests {
		if got, err := platform.ParseSignal(name); got != want || err != nil {
			t.Errorf("ParseSignal(%q) = %d, %v; want %d", name, got, err, want)
		}
	}
	for _, name := range []string{"RTMIN+31", "RTMAX-31", "RTMIN-1", "RTMAX+1", "RTMIN+", "RTMIN+-1", "RTMIN+ 1", "RTMIN1", "RTMIN+999"} {
		if got, err := platform.ParseSignal(name); err == nil {
			t.Errorf("ParseSignal(%q) = %d", name, got)
		}
	}
	for sig, want := range map[syscall.Signal]string{1: "SIGHUP", 34: "SIGRTMIN", 35: "SIGRTMIN+1", 64: "SIGRTMIN+30", 32: "32"} {
		if got := platform.SignalName(sig); got != want {
			t.Errorf("SignalName(%d) = %s, want %s", sig, got, want)
		}
	}
}

// os/signal does not deliver these two. A profile of this process must not look
// like somebody sending signals, and must work again afterwards.
func TestSignalsOfTheRuntime(t *testing.T) {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("no handler for " + runtime.GOARCH)
	}
	c := make(chan os.Signal, 1024)
	stop := platform.NotifySignals(c)
	defer stop()
	for range 3 {
		for _, sig := range []syscall.Signal{syscall.SIGPROF, 34} {
			if err := syscall.Kill(os.Getpid(), sig); err != nil {
				t.Fatal(err)
			}
			if got := <-c; got != sig {
				t.Errorf("%v, want %v", got, sig)
			}
		}
	}

	profile := func() int {
		var buf bytes.Buffer
		if err := pprof.StartCPUProfile(&buf); err != nil {
			t.Skip(err) // go test -cpuprofile
		}
		for start := time.Now(); time.Since(start) < 100*time.Millisecond; {
		}
		pprof.StopCPUProfile()
		return buf.Len()
	}
	profile()
	for len(c) > 0 {
		if got := <-c; got != syscall.SIGURG {
			t.Fatalf("a profile makes %v", got)
		}
	}
	empty := profile()
	stop()
	if full := profile(); full <= empty {
		t.Errorf("a profile has %d bytes, an empty one %d", full, empty)
	}
}
