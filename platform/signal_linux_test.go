package platform_test

import (
	"syscall"
	"testing"

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
